"""Serving more by trades: some domains at a time give up their gangs and choose again, together with what waits.

A large-neighbourhood search over the pooled model. No nodes are touched here, so a step costs little more than its
search; where two threads may be used, each takes a few steps in turn. As long as that finds something they share
nothing and both count; then both look at all that waits and the better one counts. Each step is led by a group of
domains with much room left, for that is where more can be served; others, in turn, trade with it. On the way, work in
large pods counts a little more than it is worth: whoever is hard to place is better placed while there is room, and
small pods fill what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from scheduler.solver.facade import Cp, Ended, Limits
from scheduler.solver.parts.leads import Leads
from scheduler.solver.parts.linear import Numbers
from scheduler.solver.parts.neighbourhoods import Neighbourhood, Ownership, neighbourhoods
from scheduler.solver.parts.pooled import Pooled
from scheduler.solver.posting import Variable
from scheduler.solver.scarcity import by_scarcity

_STEPS_AT_ONCE = 2

_STEPS_IN_TURN = 3
"""So many one after the other on each of two threads, in a part of the fleet that is its own, before both results are
joined: steps take unlike times, and neither thread is to wait for the other after each."""

_VAIN_STEPS = 4
"""After so many steps in a row that gained nothing two at once are rivals until one gains."""

_RIVALS_LAST = 3
"""So many times as long as others rivals may search: what they are to find is hard to find."""

_LARGE_PODS_WEIGH = 0.02
"""By how much of its worth a gang counts more for each doubling of its pods' size."""

_SIZE_LEAST = 2
"""Groups at a time at least, where there are so many: a trade takes two."""

_UNITS_OF_A_POD = 16
"""Into so many units the worth of the cheapest pod is cut while searching: finer differences cost a search more than
they are worth."""

_FINISHED_STEPS = 3
"""After so many steps in a row that came to their end a step takes one group more, after one that did not one less."""


class Trades:
    """``values`` are the best counts found so far, one per variable of the pooled ``model``; ``bound`` is what the
    first tier was proven not to exceed (None: nothing was)."""

    def __init__(self, model: Pooled, values: Sequence[int], group_of_pool: Numbers, tiers: Sequence[int]) -> None:
        self.model = model
        self.bound: int | None = None
        self._ownership = Ownership(model, group_of_pool)
        self._group_of_pool = group_of_pool
        self._objectives = [model.value(tier) for tier in tiers]
        unit = _unit(model)
        self._plain = [objective // unit for objective in self._objectives]
        self._weighted = [_weighted(model, objective) // unit for objective in self._objectives]
        self._leads = Leads(model, group_of_pool)
        self._current = self.values = np.array(values, dtype=np.int64)
        self._steps = 0
        self._in_vain = 0

    @property
    def reached(self) -> list[int]:
        """What the best counts are worth, per tier."""
        return _reached(self._objectives, self.values)

    def go_back(self, values: Numbers) -> None:
        """Gives up what was found since these counts."""
        self._current = self.values = values

    def run(
        self,
        limits: Callable[[float], Limits | None],
        weighs: Callable[[], bool],
        stop: Callable[[], bool],
        spend: Callable[[Ended], None],
    ) -> Iterator[None]:
        """Pauses after each step. ``limits`` says what a step may take that lasts so many times as long as others
        (without end: one of everything; None: nothing more), ``weighs`` whether large pods still count more. Ends after
        a step of everything."""
        groups = np.unique(self._group_of_pool)
        sizing = _Sizing(len(groups))
        while True:
            size = sizing.now
            whole = size == len(groups)
            rivals = self._in_vain >= _VAIN_STEPS
            step = limits(inf if whole else _RIVALS_LAST if rivals else 1)
            if step is None or stop():
                return
            if whole:
                tried = self._step([[groups]], replace(step, cuts=True), self._objectives, stop)
                self.bound = self._proven(tried[0][0].ended)
            else:
                lots = self._lots(size, min(step.workers, _STEPS_AT_ONCE), rivals)
                turns = len(lots[0])
                if turns > 1 and (together := limits(turns)) is not None:
                    step = replace(together, wall_seconds=together.wall_seconds / turns, work=together.work / turns)
                before = self._current
                tried = self._step(lots, step, self._weighted if weighs() else self._plain, stop, rivals)
                gained = _reached(self._plain, self._current) != _reached(self._plain, before)
                self._in_vain = 0 if gained else self._in_vain + turns
                for at_once in zip(*tried, strict=True):
                    sizing.learn(at_once)
            for search in [search for lot in tried for each in lot for search in each.ended]:
                spend(search)
            yield
            if whole:
                return

    def _lots(self, size: int, threads: int, rivals: bool) -> list[list[Numbers]]:
        """Per thread the batches that choose again, one after the other; as many for each."""
        if rivals:
            return [[batch] for batch in self._leads.rivals(self._current, size, threads)]
        batches = self._leads.batches(self._current, size, threads * (_STEPS_IN_TURN if threads > 1 else 1))
        threads = min(threads, len(batches))
        turns = len(batches) // threads
        return [batches[number : turns * threads : threads] for number in range(threads)]

    def _proven(self, ended: Sequence[Ended]) -> int | None:
        """What a step of everything says of the first tier: all of it is reached, or what its search proved."""
        most = int(self._objectives[0] @ self.model.linear.uppers)
        if self.reached[0] == most:
            return most
        return -ended[0].bound if ended[0].end != "unknown" else None

    def _step(
        self,
        lots: Sequence[Sequence[Numbers]],
        limits: Limits,
        objectives: Sequence[Numbers],
        stop: Callable[[], bool],
        rivals: bool = False,
    ) -> list[list[_Tried]]:
        """Per lot what became of its batches. Each lot has a thread, and steps within what is its own."""
        start = self._current
        batches = [np.concatenate(list(lot)) for lot in lots]
        parts = self._rivals(batches) if rivals else self._apart(batches)
        if len(parts) > 1:
            limits = replace(limits, workers=1, work=limits.work / len(parts))

        def solve(part: Neighbourhood, lot: Sequence[Numbers]) -> tuple[Numbers, list[_Tried]]:
            return self._in_turn(part, lot, start, limits, objectives, stop)

        with ThreadPoolExecutor(len(parts)) as threads:
            found = list(threads.map(solve, parts, lots))
        values = start.copy()
        for part, (own, tried) in zip(parts, found, strict=True):
            for each in tried:
                self._leads.learn(each.batch, each.gained)
            alone = start.copy()
            alone[part.columns] = own
            if not rivals:
                values[part.columns] = own
            elif _reached(objectives, alone) >= _reached(objectives, values):  # another plan as good leads elsewhere
                values = alone
        if _reached(objectives, values) >= _reached(objectives, start):
            self._current = values
        if _reached(self._objectives, values) > _reached(self._objectives, self.values):
            self.values = values
        return [tried for _, tried in found]

    def _in_turn(
        self,
        part: Neighbourhood,
        lot: Sequence[Numbers],
        start: Numbers,
        limits: Limits,
        objectives: Sequence[Numbers],
        stop: Callable[[], bool],
    ) -> tuple[Numbers, list[_Tried]]:
        """The values of a part after one step for each batch of its lot, and what became of them."""
        values, tried = start.copy(), []
        for batch in lot:
            free = part
            if len(lot) > 1:
                owner = self._ownership.of(values, [batch], self._steps, part.columns)
                (inner,) = neighbourhoods(part.linear, values[part.columns], owner[part.columns], 1)
                free = Neighbourhood(inner.linear, part.columns[inner.columns])
            own = [objective[free.columns] for objective in objectives]
            before = values[free.columns]
            after, ended = _best_of(free, own, before, limits, stop)
            tried.append(_Tried(batch, _reached(own, after) > _reached(own, before), ended))
            values[free.columns] = after
        return values[part.columns], tried

    def _apart(self, batches: Sequence[Numbers]) -> list[Neighbourhood]:
        """Neighbourhoods that share nothing: what waits is divided among them."""
        owner = self._ownership.of(self._current, batches, self._steps)
        self._steps += 1
        return neighbourhoods(self.model.linear, self._current, owner, len(batches))

    def _rivals(self, batches: Sequence[Numbers]) -> list[Neighbourhood]:
        """Neighbourhoods of which only one can count: each has all that waits."""
        owners = [self._ownership.of(self._current, [batch], self._steps) for batch in batches]
        self._steps += 1
        return [neighbourhoods(self.model.linear, self._current, owner, 1)[0] for owner in owners]


@dataclass(frozen=True, eq=False)
class _Tried:
    """A step: the groups that chose again, whether that gained anything, and how its searches ended."""

    batch: Numbers
    gained: bool
    ended: list[Ended]


class _Sizing:
    """How many of ``count`` groups a step takes: as many as it can solve to the end, and no fewer than it takes to
    gain anything."""

    def __init__(self, count: int) -> None:
        self.now = self._least = min(_SIZE_LEAST, count)
        self._count = count
        self._finished = 0
        self._in_vain = 0

    def learn(self, at_once: Sequence[_Tried]) -> None:
        """What became of steps that were taken at once."""
        groups = sum(len(each.batch) for each in at_once)
        finished = all(search.end == "optimal" for each in at_once for search in each.ended)
        gained = any(each.gained for each in at_once)
        if self.now == self._least:
            self._in_vain = self._in_vain + groups if finished and not gained else 0
            if self._in_vain >= self._count:
                self._least, self._in_vain = min(self._least + 1, self._count), 0
        self._finished = self._finished + 1 if finished else 0
        if not finished:
            self.now -= 1
        elif self._finished % _FINISHED_STEPS == 0:
            self.now += 1
        self.now = min(max(self.now, self._least), self._count)


def _best_of(
    part: Neighbourhood, objectives: Sequence[Numbers], start: Numbers, limits: Limits, stop: Callable[[], bool]
) -> tuple[Numbers, list[Ended]]:
    """The best values found for a neighbourhood, goal after goal, and how each search ended. Where everything of a goal
    is reached already there is nothing to search for, it is only held."""
    cp = Cp()
    cp.post(part.linear)
    uppers = part.linear.uppers
    searches = sum(int(objective @ start) < int(objective @ uppers) for objective in objectives)
    limits = replace(limits, wall_seconds=limits.wall_seconds / max(1, searches), work=limits.work / max(1, searches))
    values, ended = start, []
    for objective in objectives:
        terms = [(-int(objective[index]), Variable(index)) for index in np.flatnonzero(objective).tolist()]
        if int(objective @ values) < int(objective @ uppers):
            cp.minimise(terms)
            cp.hint(values.tolist())
            for event in cp.search(limits, stop):
                if isinstance(event, Ended):
                    ended.append(event)
                else:
                    values = np.array(event.values, dtype=np.int64)
        if terms:
            cp.at_most(terms, -int(objective @ values))
    return values, ended


def _reached(objectives: Sequence[Numbers], values: Numbers) -> list[int]:
    """What values are worth, per objective."""
    return [int(objective @ values) for objective in objectives]


def _unit(model: Pooled) -> int:
    """In what the worth of gangs is counted while searching."""
    pods = [(worth, sum(pods for _, pods in kind.needs)) for kind in model.kinds for worth in kind.worths[-1:]]
    cheapest = min((worth // max(1, number) for worth, number in pods if worth > 0), default=1)
    return max(1, cheapest // _UNITS_OF_A_POD)


def _weighted(model: Pooled, objective: Numbers) -> Numbers:
    """An objective in which large pods count more."""
    scarce = by_scarcity(model.problem.resources)[0]
    sizes = [max((item.request[scarce] for item, _ in kind.needs), default=0) for kind in model.kinds]
    smallest = min((size for size in sizes if size > 0), default=1)
    weight = np.ones(len(objective))
    for taken, size in zip(model.taken, sizes, strict=True):
        weight[taken] = 1 + _LARGE_PODS_WEIGH * np.log2(max(size, smallest) / smallest)
    return np.round(objective * weight).astype(np.int64)
