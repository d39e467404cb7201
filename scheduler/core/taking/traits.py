"""What is asked of every gang that runs whenever somebody wants to take, as columns: read once, not per taker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.model.cluster import Mask
from scheduler.model.running import Running

Indices = NDArray[np.int64]
Seconds = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Traits:
    """One entry per gang. ``least`` is how many of its pods must stay, -1 for a gang with a tree or unlike pods;
    ``surplus`` whether it has more than its minima; ``stays`` whether it is never moved, budgets aside; ``freely``
    whether its pods may be put elsewhere one by one; ``guarded`` whether a budget selects any of its pods."""

    priority: Indices
    preemptible: Mask
    arrived_seconds: Seconds
    started_seconds: Seconds
    saved_seconds: Seconds
    least: Indices
    surplus: Mask
    stays: Mask
    freely: Mask
    guarded: Mask

    @classmethod
    def of(cls, gangs: Sequence[Running]) -> Traits:
        kinds: dict[tuple[int, int], int] = {}
        # Work of one kind shares its members and branches, which live as long as the gangs do.
        kind = np.array(
            [kinds.setdefault((id(each.members), id(each.branches)), len(kinds)) for each in gangs], dtype=np.int64
        )
        first = np.unique(kind, return_index=True)[1].tolist()
        lone = _of_each([_is_lone(gangs[at]) for at in first])[kind]
        most = np.array([_minimum(gangs[at]) for at in first], dtype=np.int64)[kind]
        guarded = np.zeros(len(gangs), dtype=np.bool_)
        guarded[[row for row, each in enumerate(gangs) for pod in each.pods if pod.guards]] = True
        movable = np.array([each.preemptible and each.movable and not each.waits for each in gangs], dtype=np.bool_)
        return cls(
            priority=np.array([each.priority for each in gangs], dtype=np.int64),
            preemptible=np.array([each.preemptible for each in gangs], dtype=np.bool_),
            arrived_seconds=np.array([each.arrived_seconds for each in gangs], dtype=np.float64),
            started_seconds=np.array([each.started_seconds for each in gangs], dtype=np.float64),
            saved_seconds=np.array([each.saved_seconds for each in gangs], dtype=np.float64),
            least=np.where(lone, np.maximum(most, 1), -1),
            surplus=np.array([len(each.pods) for each in gangs], dtype=np.int64) > most,
            stays=~movable | _of_each([_has_volumes(gangs[at]) for at in first])[kind],
            freely=lone & _of_each([_freely(gangs[at]) for at in first])[kind],
            guarded=guarded,
        )


def _of_each(values: Sequence[bool]) -> Mask:
    return np.array(values, dtype=np.bool_)


def _is_lone(running: Running) -> bool:
    return len(running.branches) == 1 and len(running.members) == 1


def _minimum(running: Running) -> int:
    return max(running.branches[0].minimum, sum(member.minimum for member in running.members))


def _has_volumes(running: Running) -> bool:
    return any(member.shape.volumes is not None for member in running.members)


def _freely(running: Running) -> bool:
    return running.branches[0].topology is None and all(
        member.shape.relations is None and not member.shape.matched and member.shape.devices is None
        for member in running.members
    )
