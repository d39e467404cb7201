"""Who is looked at in one cycle: the first in the order of service, and equal single pods as one ask."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.core.queues.ranking import Turns
from scheduler.model.policy import Limits
from scheduler.model.work import Branch, Gang, GangKey, Member

Whole = NDArray[np.int64]


class Ask(msgspec.Struct, frozen=True):
    """One entry of the window: a gang, or single pods of equal shape, queue and tier as one elastic gang."""

    gang: Gang
    singles: tuple[Gang, ...] = ()
    tier: int = 0


def window(
    turns: Turns, limits: Limits, *, strict: bool = False, in_line: Collection[str] = (), by_user: bool = False
) -> tuple[list[Ask], list[GangKey]]:
    """(asks, keys left out). Asks stand tier by tier in the order of service, or with ``strict`` in that order alone; a
    bundle stands at the turn of its first pod.

    In the queues ``in_line`` only pods that follow one another are bundled, and with ``by_user`` only those of one
    user.
    """
    single = np.array([part.single for part in turns.parts], dtype=np.bool_)[turns.part]
    inside = np.where(single, np.cumsum(single) <= limits.window_singles, np.cumsum(~single) <= limits.window_gangs)
    left_out = [turns.gangs[index].key for index in np.flatnonzero(~inside).tolist()]
    kept = np.flatnonzero(inside)
    ask = _asks(turns, kept, in_line, by_user=by_user)
    by_ask = np.argsort(ask, kind="stable")  # inside an ask in the order of service
    starts = np.flatnonzero(np.r_[True, np.diff(ask[by_ask]) > 0][: len(kept)])
    first = kept[by_ask[starts]]
    _, tier = np.unique(turns.tier[first], return_inverse=True)
    order = np.argsort(first) if strict else np.lexsort((first, tier))
    members = np.split(kept[by_ask], starts[1:])
    asks = []
    for number in order.tolist():
        gangs = [turns.gangs[index] for index in members[number].tolist()]
        pods = tuple(gangs) if gangs[0].single else ()
        asks.append(Ask(_bundle(pods) if pods else gangs[0], pods, int(tier[number])))
    return asks, left_out


def _asks(turns: Turns, kept: Whole, in_line: Collection[str], *, by_user: bool) -> Whole:
    """For each turn that is kept the number of its ask."""
    found, part = np.unique(turns.part[kept], return_inverse=True)
    parts = [turns.parts[index] for index in found.tolist()]
    number: dict[object, int] = {}
    alike = [number.setdefault(_alike(each, by_user=by_user), len(number)) for each in parts]
    ask = _numbered(np.array(alike, dtype=np.int64)[part], turns.tier[kept] * 2 + turns.expected[kept])
    if in_line:
        queues = {name: index for index, name in enumerate(sorted(in_line))}
        queue = np.array([queues.get(each.queue, -1) for each in parts], dtype=np.int64)[part]
        ask = _numbered(ask, _runs(ask, queue))
    return ask


def _alike(part: Gang, *, by_user: bool) -> object:
    """What single pods have in common that are one ask, besides their turns; a gang has nothing in common."""
    if not part.single:
        return part.key
    topology = part.branches[0].topology
    user = part.user if by_user else ""
    return part.queue, id(part.members[0].shape), topology, part.preemptible, part.preempts, user


def _numbered(one: Whole, other: Whole) -> Whole:
    """The pairs of two numbers as one number."""
    _, inverse = np.unique(one * (int(other.max(initial=0)) + 1) + other, return_inverse=True)
    numbers: Whole = inverse.astype(np.int64)
    return numbers


def _runs(ask: Whole, queue: Whole) -> Whole:
    """The number of the run of equal asks in which each stands in its queue; 0 where the queue is -1."""
    order = np.argsort(queue, kind="stable")
    changed = np.r_[True, (ask[order][1:] != ask[order][:-1]) | (queue[order][1:] != queue[order][:-1])][: len(order)]
    runs = np.zeros(len(order), dtype=np.int64)
    runs[order] = np.cumsum(changed)
    return np.where(queue >= 0, runs, 0)


def _bundle(pods: Sequence[Gang]) -> Gang:
    first = pods[0]
    if len(pods) == 1:
        return first
    topology = first.branches[0].topology
    return Gang(
        key=first.key,
        name=first.name,
        queue=first.queue,
        priority=first.priority,
        arrived_seconds=first.arrived_seconds,
        members=(Member("pod", first.members[0].shape, len(pods), 0, label_sets=first.members[0].label_sets),),
        branches=(Branch("", -1, topology=topology),),
        preemptible=first.preemptible,
        single=True,
        preempts=first.preempts,
        user=first.user,
    )
