"""What waits in each leaf of the queue tree, in its order: made once and kept while its work is the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from scheduler.model.bundle import Bundle, Pending
from scheduler.model.work import Gang

Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Backlog:
    """The work of one leaf. ``groups`` and ``bundles`` are in any order; everything else is worked out when somebody
    asks for it.

    Its parts are the groups and then the bundles, each told by the gang that stands for it.
    """

    groups: tuple[Gang, ...]
    bundles: tuple[Bundle, ...]

    @cached_property
    def parts(self) -> tuple[Gang, ...]:
        return (*self.groups, *(bundle.first for bundle in self.bundles))

    @cached_property
    def sizes(self) -> Whole:
        """How many gangs each part is."""
        return np.array([1] * len(self.groups) + [len(bundle.pods) for bundle in self.bundles], dtype=np.int64)

    @cached_property
    def gangs(self) -> tuple[Gang, ...]:
        """By priority, then by age, then by key."""
        found = self._unordered
        return tuple([found[index] for index in self._order.tolist()]) if self._moved else found

    @cached_property
    def part(self) -> Whole:
        """Of each gang the part that it is, or is of."""
        return self._part[self._order]

    @cached_property
    def priorities(self) -> Whole:
        return self._priorities[self._order]

    @cached_property
    def arrived_seconds(self) -> NDArray[np.float64]:
        return self._arrived[self._order]

    @cached_property
    def _unordered(self) -> tuple[Gang, ...]:
        return tuple(chain(self.groups, chain.from_iterable(bundle.pods for bundle in self.bundles)))

    @cached_property
    def _part(self) -> Whole:
        return np.repeat(np.arange(len(self.parts)), self.sizes)

    @cached_property
    def _priorities(self) -> Whole:
        return np.array([part.priority for part in self.parts], dtype=np.int64)[self._part]

    @cached_property
    def _arrived(self) -> NDArray[np.float64]:
        groups = np.array([gang.arrived_seconds for gang in self.groups], dtype=np.float64)
        return np.concatenate([groups, *(bundle.arrived_seconds for bundle in self.bundles)])

    @cached_property
    def _moved(self) -> bool:
        return bool((self._order != np.arange(len(self._order))).any())

    @cached_property
    def _order(self) -> Whole:
        priority, arrived, part = self._priorities, self._arrived, self._part
        order: Whole = np.lexsort((arrived, -priority))
        after, before = order[1:], order[:-1]
        ties = (priority[after] == priority[before]) & (arrived[after] == arrived[before])
        if (ties & (part[after] != part[before])).any():  # inside a bundle they stand by key already
            names = self._unordered
            places = zip(order.tolist(), (-priority[order]).tolist(), arrived[order].tolist(), strict=True)
            order = np.array([each[-1] for each in sorted((p, a, names[i].key, i) for i, p, a in places)], np.int64)
        return order


class Backlogs:
    """The backlog of every leaf, remembered from cycle to cycle; it forgets leaves in which nothing waits any more."""

    def __init__(self) -> None:
        self._gangs: tuple[Gang, ...] = ()
        self._groups: dict[str, list[Gang]] = {}
        self._known: dict[str, tuple[list[Bundle], Backlog]] = {}

    def of(self, pending: Pending) -> dict[str, Backlog]:
        """By queue name. What has not changed is the same object."""
        changed = self._regroup(pending.gangs)
        bundles: dict[str, list[Bundle]] = {}
        for bundle in pending.bundles:
            bundles.setdefault(bundle.first.queue, []).append(bundle)
        found: dict[str, tuple[list[Bundle], Backlog]] = {}
        for queue in dict.fromkeys((*self._groups, *bundles)):
            own = bundles.get(queue, [])
            known = self._known.get(queue)
            if known is None or queue in changed or known[0] != own:
                known = own, Backlog(tuple(self._groups.get(queue, ())), tuple(own))
            found[queue] = known
        self._known = found
        return {queue: backlog for queue, (_, backlog) in found.items()}

    def _regroup(self, gangs: tuple[Gang, ...]) -> set[str]:
        """Puts gangs to their queues; the queues of which some came or went. Only what stands between the first and the
        last that is another one than before is looked at."""
        before, self._gangs = self._gangs, gangs
        start = _alike_in_front(before, gangs)
        end = _alike_in_front(before[start:][::-1], gangs[start:][::-1])
        gone = {gang.key for gang in before[start : len(before) - end]}
        changed = {gang.queue for gang in before[start : len(before) - end]}
        for queue in changed:
            self._groups[queue] = [gang for gang in self._groups[queue] if gang.key not in gone]
        for gang in gangs[start : len(gangs) - end]:
            self._groups.setdefault(gang.queue, []).append(gang)
            changed.add(gang.queue)
        for queue in [queue for queue in changed if not self._groups[queue]]:
            del self._groups[queue]
        return changed


def _alike_in_front(one: tuple[Gang, ...], other: tuple[Gang, ...]) -> int:
    """How many in front are the same in both; to compare what is the same object costs next to nothing."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
