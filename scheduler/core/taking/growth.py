"""More pods for gangs that have their minima, at the expense of others' surplus: step by step, so that nobody who gives
is left with less of it than who takes has by then."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scheduler.core.drive import Part
from scheduler.core.taking.roster import Indices, Roster, surplus_of
from scheduler.core.taking.steps import Step, Steps
from scheduler.core.taking.waiting import Waiting, grown, pods_of, some_of

Take = Callable[[Waiting], Part[Waiting | None]]
"""Looks for room for somebody who waits; what it finds is one more step, and noted in the roster."""


def grow(waiting: Waiting, steps: Steps, take: Take, roster: Roster, *, of_surplus: bool) -> Part[None]:
    """As many pods more as room can be made for, each gang's in one decision; ``of_surplus``: as surplus of others."""
    rest: Waiting | None = waiting
    while rest is not None:
        own, others = _surplus(rest, roster)
        if own is None:
            return
        most = evenly(own, others, rest.gang.pods)
        part = yield from _step(some_of(rest, most, own + most) if of_surplus else rest, steps, take)
        if part is None and of_surplus and most > 1:
            part = yield from _step(some_of(rest, 1, own + 1), steps, take)
        if part is None:
            return
        rest = grown(rest, part.places) if pods_of(part.places) < rest.gang.pods else None


def evenly(own: int, others: Indices, pods: int) -> int:
    """How many pods more, of so many at most, a gang with ``own`` surplus pods may take of ``others`` so that nobody
    who gives is left with fewer than it has then; all of them where nobody has so many."""
    above = others[others > own + 1] - own
    if not len(above):
        return pods
    low, high = 1, pods
    while low < high:
        more = (low + high + 1) // 2
        if int(np.maximum(0, above - more).sum()) >= more:
            low = more
        else:
            high = more - 1
    return low


def _step(waiting: Waiting, steps: Steps, take: Take) -> Part[Step | None]:
    before = len(steps.all)
    yield from take(waiting)
    return steps.all[before] if len(steps.all) > before else None


def _surplus(waiting: Waiting, roster: Roster) -> tuple[int | None, Indices]:
    """(surplus pods of a gang that grows, those of the others). None for one that began before this plan and does not
    stand yet: how much it has is not known before."""
    mine = np.array([each.key == waiting.gang.key for each in roster.gangs], dtype=np.bool_)
    if not mine.any() and not waiting.begins:
        return None, np.zeros(0, dtype=np.int64)
    surplus = surplus_of(roster)
    return waiting.surplus + int(surplus[mine].sum()), surplus[~mine]
