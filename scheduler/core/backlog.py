"""What waits in each leaf of the queue tree, in its order: made once and kept while its work is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler.model.bundle import Bundle, Pending
from scheduler.model.work import Gang

Whole = NDArray[np.int64]
_Part = TypeVar("_Part")


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
        self._known: dict[str, tuple[list[Gang], list[Bundle], Backlog]] = {}

    def of(self, pending: Pending) -> dict[str, Backlog]:
        """By queue name. What has not changed is the same object."""
        groups = _by_queue(pending.gangs, lambda gang: gang.queue)
        bundles = _by_queue(pending.bundles, lambda bundle: bundle.first.queue)
        found: dict[str, tuple[list[Gang], list[Bundle], Backlog]] = {}
        for queue in dict.fromkeys((*groups, *bundles)):
            own, equal = groups.get(queue, []), bundles.get(queue, [])
            known = self._known.get(queue)
            if known is None or known[0] != own or known[1] != equal:
                known = own, equal, Backlog(tuple(own), tuple(equal))
            found[queue] = known
        self._known = found
        return {queue: backlog for queue, (_, _, backlog) in found.items()}


def _by_queue(parts: Iterable[_Part], queue_of: Callable[[_Part], str]) -> dict[str, list[_Part]]:
    found: dict[str, list[_Part]] = {}
    for part in parts:
        queue = queue_of(part)
        own = found.get(queue)
        if own is None:
            own = found[queue] = []
        own.append(part)
    return found
