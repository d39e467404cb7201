"""Who goes without, where not all fit: pods of the window leave a node for waiting ones that make more of it.

A full fleet serves what came first, whatever it costs: a pod of one GPU and 24 CPUs strands the seven GPUs beside it,
and a share of 810 wastes a device that a pod of one GPU fills. While nothing of a window is bound, its pods may leave a
node again where those that wait would take more of its GPUs together. Who leaves waits (or is refused) instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from scheduler.solver.packing.repacking import Repacking, Spot

_LEAVE_MAX = 2
"""Pods that leave a node together at most."""
_UNBOUNDED = 2**62

Shapes = Mapping[int, int]
"""Shape -> pods."""


class Service(Protocol):
    """Whoever watches over who is served."""

    def agrees(self, leaving: Shapes, coming: Shapes) -> bool:
        """Whether these pods may give way to those."""

    def took(self, leaving: Shapes, coming: Shapes) -> None:
        """They have: these are placed no longer, those are."""


def exchange(
    packing: Repacking,
    waiting: Sequence[tuple[int, int]],
    movable: Collection[int],
    service: Service,
    looks_max: int = _UNBOUNDED,
) -> int:
    """Gives places of ``movable`` pods to ``waiting`` ones (pod, shape) wherever that takes more GPU, and ``service``
    agrees. Answers with the thousandths gained; who left and fits nowhere else has no spot then. Once it has
    looked at ``looks_max`` shapes it begins with no further node."""
    return _Exchange(packing, waiting, service).over(movable, packing.looks + looks_max)


class _Exchange:
    def __init__(self, packing: Repacking, waiting: Sequence[tuple[int, int]], service: Service) -> None:
        self._packing = packing
        self._service = service
        self._waiting: dict[int, list[int]] = {}
        """Pods by shape, who came first last."""
        for pod, shape in reversed(waiting):
            self._waiting.setdefault(shape, []).append(pod)

    def over(self, movable: Collection[int], until_looks: int) -> int:
        """Node by node, on each the best exchange as long as there is one."""
        on: dict[int, list[int]] = {}
        for pod in movable:
            if pod in self._packing.spots:
                on.setdefault(self._packing.spots[pod].node, []).append(pod)
        gained = 0
        for node in sorted(on):
            while self._packing.looks < until_looks and (gain := self._best_on(node, on[node])):
                gained += gain
        return gained

    def _best_on(self, node: int, movable: list[int]) -> int:
        """The best exchange on a node; 0 where there is none."""
        packing = self._packing
        best: tuple[int, tuple[int, ...], list[int]] = (0, (), [])
        for leaving in self._groups(movable):
            spots = [packing.lift(pod) for pod in leaving]
            left = Counter(spot.shape for spot in spots)
            milli = sum(int(packing.milli_of[spot.shape]) for spot in spots)
            for coming in self._fills(node):
                gain = sum(int(packing.milli_of[shape]) for shape in coming) - milli
                if gain > best[0] and self._service.agrees(left, Counter(coming)):
                    best = gain, leaving, coming
            for pod, spot in zip(leaving, spots, strict=True):
                packing.restore(pod, spot)
        gain, leaving, coming = best
        if gain:
            gain += self._apply(node, leaving, coming)
            movable[:] = [pod for pod in movable if pod not in leaving]
        return gain

    def _groups(self, movable: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Few pods of a node, of alike groups one."""
        seen = set[tuple[tuple[int, tuple[int, ...]], ...]]()
        for count in range(1, _LEAVE_MAX + 1):
            for group in combinations(movable, count):
                alike = tuple(sorted(self._alike(self._packing.spots[pod]) for pod in group))
                if alike not in seen:
                    seen.add(alike)
                    yield group

    def _alike(self, spot: Spot) -> tuple[int, tuple[int, ...]]:
        return (spot.shape, spot.held if self._packing.is_share(spot.shape) else ())

    def _fills(self, node: int) -> Iterator[list[int]]:
        """Waiting shapes that a node holds together: the largest first, or those with most GPU for their CPU."""
        packing = self._packing
        shapes = np.array([shape for shape, pods in self._waiting.items() if pods], dtype=np.int64)
        shapes = shapes[packing.fitting(node, shapes)]
        if not len(shapes):
            return
        milli = packing.milli_of[shapes].astype(np.float64)
        scarce = packing.part_of_free(node, shapes)
        before = None
        for order in (np.lexsort((scarce, -milli)), np.argsort(-milli / np.maximum(scarce, 1e-6), kind="stable")):
            fill = self._fill(node, shapes[order].tolist())
            if fill != before:
                yield fill
            before = fill

    def _fill(self, node: int, shapes: Sequence[int]) -> list[int]:
        packing = self._packing
        put: list[int] = []
        for shape in shapes:
            for pod in reversed(self._waiting[shape]):
                if not packing.holds_on(shape, node):
                    break
                packing.put_on(pod, shape, node)
                put.append(pod)
        coming = [packing.lift(pod).shape for pod in reversed(put)]
        return coming[::-1]

    def _apply(self, node: int, leaving: tuple[int, ...], coming: Sequence[int]) -> int:
        """Answers with the thousandths of those who left and found a place elsewhere."""
        packing = self._packing
        kept = 0
        left = [(pod, packing.lift(pod).shape) for pod in leaving]
        for shape in coming:
            packing.put_on(self._waiting[shape].pop(), shape, node)
        self._service.took(Counter(shape for _, shape in left), Counter(coming))
        for pod, shape in left:
            if packing.put(pod, shape):
                self._service.took({}, {shape: 1})
                kept += int(packing.milli_of[shape])
            else:
                self._waiting.setdefault(shape, []).append(pod)
        return kept
