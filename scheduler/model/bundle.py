"""Equal single pods as one value: a cluster may hold thousands, and nothing is done for each of them that can be done
once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.model.flavor import FlavorChoice
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Gang, GangKey

Likeness = tuple[str, str, str, int, int, TopologyAsk | None, bool, bool, tuple[FlavorChoice, ...]]
"""What the pods of a bundle have in common."""


def likeness(single: Gang) -> Likeness:
    """Shapes by identity: whoever reads pods makes one object of equal shapes."""
    return (
        single.queue,
        single.namespace,
        single.user,
        single.priority,
        id(single.members[0].shape),
        single.branches[0].topology,
        single.preemptible,
        single.preempts,
        single.flavors,
    )


@dataclass(frozen=True, eq=False)
class Bundle:
    """Single pods that differ by name, labels and age alone, oldest first; ties by key. Never empty.

    As long as nothing of it changes it is the same object, by which others know what they have looked at before.
    """

    pods: tuple[Gang, ...]

    @property
    def first(self) -> Gang:
        return self.pods[0]

    @cached_property
    def arrived_seconds(self) -> NDArray[np.float64]:
        return np.array([pod.arrived_seconds for pod in self.pods], dtype=np.float64)

    @cached_property
    def keys(self) -> tuple[GangKey, ...]:
        return tuple([pod.key for pod in self.pods])


@dataclass(frozen=True, eq=False)
class Pending:
    """Everything that waits. ``gangs`` may be single pods that nobody has put together."""

    gangs: tuple[Gang, ...]
    bundles: tuple[Bundle, ...] = ()

    def __len__(self) -> int:
        return len(self.gangs) + sum(len(bundle.pods) for bundle in self.bundles)

    @property
    def asking(self) -> list[Gang]:
        """One for each that is different: every gang, and the first pod of every bundle."""
        return [*self.gangs, *(bundle.first for bundle in self.bundles)]

    @property
    def all(self) -> tuple[Gang, ...]:
        """Every gang and every single pod."""
        return (*self.gangs, *(pod for bundle in self.bundles for pod in bundle.pods))

    def put_together(self) -> Pending:
        """With single pods in bundles, all of them."""
        loose = [gang for gang in self.gangs if gang.single]
        if not loose:
            return self
        return Pending(tuple(gang for gang in self.gangs if not gang.single), (*self.bundles, *bundled(loose)))


def age(single: Gang) -> tuple[float, GangKey]:
    """By which the pods of a bundle stand."""
    return single.arrived_seconds, single.key


def bundled(singles: Iterable[Gang]) -> list[Bundle]:
    found: dict[Likeness, list[Gang]] = {}
    for single in singles:
        found.setdefault(likeness(single), []).append(single)
    return [Bundle(tuple(sorted(pods, key=age))) for pods in found.values()]
