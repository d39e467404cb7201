"""Who is served next: the order of queues, child by child from the root.

First work inside its queue's guarantee, the smallest use after placing in proportion to the guarantee first; then queue
priority; then the smallest dominant share after placing; then the older queue. What is picked counts as placed before
the next is picked.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Generic, TypeVar

from scheduler.core.queues.dominant import dominant_share, fill
from scheduler.core.queues.ledger import Ledger
from scheduler.model.resources import Matrix

T = TypeVar("T")

Key = tuple[int, Fraction, int, Fraction, Fraction, int, int]


def service_key(book: Ledger, row: int, ask: Matrix) -> Key:
    """Smaller is served first; ``ask`` [columns] is what the queue's next work takes."""
    asked = ask > 0
    inside = bool((book.use[row] + ask <= book.guaranteed[row])[asked].all())
    return (
        0 if inside else 1,
        fill(book, row, ask) if inside else Fraction(0),
        -book.queues[row].priority,
        dominant_share(book, row, ask),
        fill(book, row),
        int(ask.sum()),
        row,
    )


class Service(Generic[T]):
    """Hands out work in the order of service. ``waiting`` holds, per leaf, its work in the order inside the leaf, each
    with what it takes [columns]."""

    def __init__(self, book: Ledger, waiting: Mapping[str, Sequence[tuple[T, Matrix]]]) -> None:
        self._book = replace(book, use=book.use.copy())
        self._waiting = {book.row(name): list(reversed(work)) for name, work in waiting.items() if work}
        self._children: dict[int, list[int]] = {}
        for row, parent in enumerate(book.parents):
            self._children.setdefault(parent, []).append(row)
        self._heaps: dict[int, list[tuple[Key, int]]] = {}
        self._fill(-1)

    def __iter__(self) -> Iterator[T]:
        while self._heaps.get(-1):
            yield self._serve()

    def _fill(self, parent: int) -> None:
        heap = []
        for child in self._children.get(parent, ()):
            self._fill(child)
            if (ask := self._next(child)) is not None:
                heap.append((service_key(self._book, child, ask), child))
        heapq.heapify(heap)
        self._heaps[parent] = heap

    def _next(self, row: int) -> Matrix | None:
        """What the next work of a subtree takes; None when there is none."""
        if self._waiting.get(row):
            return self._waiting[row][-1][1]
        heap = self._heaps.get(row)
        return self._next(heap[0][1]) if heap else None

    def _serve(self) -> T:
        path = [-1]
        while self._heaps.get(path[-1]) and not self._waiting.get(path[-1]):
            path.append(self._heaps[path[-1]][0][1])
        leaf = path[-1]
        work, ask = self._waiting[leaf].pop()
        for row in path[1:]:
            self._book.use[row] += ask
        for parent, child in reversed(list(pairwise(path))):
            following = self._next(child)
            if following is None:
                heapq.heappop(self._heaps[parent])
            else:
                heapq.heapreplace(self._heaps[parent], (service_key(self._book, child, following), child))
        return work
