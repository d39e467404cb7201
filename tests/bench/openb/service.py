"""How each size is served, so that who gives way to whom stays fair while windows are planned jointly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from scheduler.solver.packing.exchanging import Shapes
from tests.bench.openb.lists import Shape

_BEHIND_MAX = 0.005
"""No size gives way further once it is served by so much less than all GPU asked for."""
_GIVEN_UP_MAX = 0.005
"""Of those of a size that came at most this part gives way to other sizes."""


class SizesServed:
    """Pods by size: how many came, are served, and were served more (or less) because pods gave way. Work without GPUs,
    which brings nothing by the measure of the benchmark, never gives way but to as much of its own."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = shapes
        self._came: Counter[str] = Counter()
        self._served: Counter[str] = Counter()
        self._won: Counter[str] = Counter()
        self._came_milli = self._served_milli = 0

    def come(self, shapes: Iterable[int]) -> None:
        """Pods of these shapes have arrived."""
        for shape in shapes:
            self._came[self._shapes[shape].size] += 1
            self._came_milli += self._shapes[shape].total_gpu_milli

    def serve(self, shapes: Iterable[int]) -> None:
        """Pods of these shapes were placed."""
        for shape in shapes:
            self._count(shape, 1)

    def agrees(self, leaving: Shapes, coming: Shapes) -> bool:
        change: Counter[str] = Counter()
        for shape, pods in leaving.items():
            change[self._shapes[shape].size] -= pods
        for shape, pods in coming.items():
            change[self._shapes[shape].size] += pods
        return all(pods >= 0 or self._may_lose(size, -pods) for size, pods in change.items())

    def took(self, leaving: Shapes, coming: Shapes) -> None:
        for sign, shapes in ((-1, leaving), (1, coming)):
            for shape, pods in shapes.items():
                self._won[self._shapes[shape].size] += sign * pods
                self._count(shape, sign * pods)

    def _count(self, shape: int, pods: int) -> None:
        self._served[self._shapes[shape].size] += pods
        self._served_milli += pods * self._shapes[shape].total_gpu_milli

    def _may_lose(self, size: str, pods: int) -> bool:
        if size == "cpu":
            return self._won[size] >= pods
        least = self._served_milli / self._came_milli - _BEHIND_MAX
        served_enough = self._served[size] - pods >= least * self._came[size]
        return served_enough and self._won[size] - pods >= -_GIVEN_UP_MAX * self._came[size]
