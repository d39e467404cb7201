"""What no policy can beat: the most GPU that the arrived pods can hold, as a linear program over device patterns.

Pods are poured as fractions over the kinds of nodes (model, GPUs, CPU, memory, pooled per kind); the shares of a kind
are cut from its devices by patterns, found column by column with a knapsack. Every real placement, also one that
refuses pods, is a solution of this program, so 100 % minus its value is a floor. What is printed is not the program's
own value but the bound that its dual prices prove, added up again in whole numbers (`certified`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ortools.linear_solver import pywraplp

from tests.bench.openb.lists import DEVICE_MILLI, Nodes, Shape

_SCALE = 10**6
_ROUNDS_MAX = 200


@dataclass(frozen=True)
class Kind:
    """Nodes that are alike. A pooled kind has no bounds but its devices."""

    model: str
    gpus: int
    cpu_milli: int
    memory_mib: int
    nodes: int
    pooled: bool = False

    def holds(self, shape: Shape) -> bool:
        if self.pooled:
            return True
        accepted = not shape.gpus or not shape.models or self.model in shape.models
        fits = shape.gpus <= self.gpus and shape.cpu_milli <= self.cpu_milli and shape.memory_mib <= self.memory_mib
        return accepted and fits


@dataclass(frozen=True)
class Prices:
    """Dual prices in millionths of a GPU thousandth: of a CPU thousandth and a MiB per kind, of one share of each size
    (whole devices are of size 1000) per kind. All are at least 0; any such prices prove a bound."""

    cpu: tuple[int, ...]
    memory: tuple[int, ...]
    share: tuple[dict[int, int], ...]


@dataclass(frozen=True)
class Floor:
    """``unallocated_percent`` that nothing can go below; ``pattern_only_percent`` is the same with all devices pooled
    and without CPU, memory and models."""

    unallocated_percent: float
    all_served_percent: float
    pattern_only_percent: float
    prices: Prices


def floor(nodes: Nodes, shapes: Sequence[Shape], arrived: Sequence[float]) -> Floor:
    """The floor for so many pods of each shape [S]. Numbers may be means over several moments: what a linear program
    reaches at mean numbers is at least the mean of what it reaches at each.

    The bound from nodes and that from patterns alone are both true; the first is never weaker than the second, or this
    raises AssertionError.
    """
    counts = list(arrived)
    kinds = node_kinds(nodes)
    pooled = [Kind("", 1, 0, 0, int(nodes.gpus.sum()), pooled=True)]
    prices, value = _Program(kinds, shapes, counts).solve()
    bound = certified(prices, kinds, shapes, counts)
    assert value <= bound * (1 + 1e-6) + 1, "the certificate proves more than the program's own value"
    pattern_prices, _ = _Program(pooled, shapes, counts).solve()
    pattern_only = certified(pattern_prices, pooled, shapes, counts)
    assert bound <= pattern_only * (1 + 1e-6), "nodes, CPU, memory and models cannot make the bound weaker"
    placeable = [
        count if any(kind.holds(shape) for kind in kinds) else 0 for shape, count in zip(shapes, counts, strict=True)
    ]
    _, served = _Program(kinds, shapes, placeable, proportional=True).solve()
    demand = sum(count * shape.total_gpu_milli for count, shape in zip(placeable, shapes, strict=True))
    total = nodes.gpu_milli
    return Floor(
        unallocated_percent=100 - 100 * bound / total,
        all_served_percent=100 - 100 * min(served, demand) / total,
        pattern_only_percent=100 - 100 * pattern_only / total,
        prices=prices,
    )


def node_kinds(nodes: Nodes) -> list[Kind]:
    count = Counter(
        zip(nodes.models, nodes.gpus.tolist(), nodes.cpu_milli.tolist(), nodes.memory_mib.tolist(), strict=True)
    )
    return [Kind(*kind, nodes=number) for kind, number in sorted(count.items())]


def certified(prices: Prices, kinds: Sequence[Kind], shapes: Sequence[Shape], counts: Sequence[float]) -> float:
    """The most GPU thousandths that prices allow, by whole prices: no linear program, no tolerance.

    Every placed pod pays for CPU, memory and its shares; what it brings beyond that is its gain, at most the best over
    all kinds. All pods together bring no more than the gains of those that arrived plus the price of the whole fleet,
    where a device is worth what its dearest pattern pays.
    """
    total: float = 0
    for index, kind in enumerate(kinds):
        assert min(prices.cpu[index], prices.memory[index], *prices.share[index].values()) >= 0, "a price below 0"
        total += kind.nodes * kind.gpus * _dearest_pattern(prices.share[index])
        if not kind.pooled:
            total += kind.nodes * (kind.cpu_milli * prices.cpu[index] + kind.memory_mib * prices.memory[index])
    for shape, count in zip(shapes, counts, strict=True):
        gains = [
            shape.total_gpu_milli * _SCALE
            - shape.cpu_milli * prices.cpu[index]
            - shape.memory_mib * prices.memory[index]
            - shape.gpus * (prices.share[index][shape.gpu_milli] if shape.gpus else 0)
            for index, kind in enumerate(kinds)
            if kind.holds(shape)
        ]
        total += count * max(0, *gains, 0)
    return total / _SCALE


def _dearest_pattern(share_prices: dict[int, int]) -> int:
    """The most that shares on one device pay together."""
    best = [0] * (DEVICE_MILLI + 1)
    for room in range(1, DEVICE_MILLI + 1):
        best[room] = max(
            [best[room - 1], *(price + best[room - size] for size, price in share_prices.items() if size <= room)]
        )
    return best[DEVICE_MILLI]


class _Program:
    """The master program: pods of each shape per kind, patterns per kind. ``proportional`` asks for the same part of
    *every* shape's pods, as large as can be."""

    def __init__(
        self, kinds: Sequence[Kind], shapes: Sequence[Shape], counts: Sequence[float], *, proportional: bool = False
    ) -> None:
        self._sizes = sorted({shape.gpu_milli for shape in shapes if shape.gpus})
        self._solver: Any = pywraplp.Solver.CreateSolver("GLOP")
        self._kinds = kinds
        self._patterns: set[tuple[int, tuple[int, ...]]] = set()
        solver, infinity = self._solver, self._solver.infinity()
        objective = solver.Objective()
        objective.SetMaximization()
        arrived = [solver.Constraint(-infinity, 0.0 if proportional else float(count)) for count in counts]
        if proportional:
            part = solver.NumVar(0, infinity, "")
            objective.SetCoefficient(part, sum(c * s.total_gpu_milli for c, s in zip(counts, shapes, strict=True)))
            for row, count in zip(arrived, counts, strict=True):
                row.SetCoefficient(part, float(count))
        self._cpu = [solver.Constraint(-infinity, kind.nodes * kind.cpu_milli / 1e3) for kind in kinds]
        self._memory = [solver.Constraint(-infinity, kind.nodes * kind.memory_mib / 1e3) for kind in kinds]
        self._devices = [solver.Constraint(-infinity, kind.nodes * kind.gpus) for kind in kinds]
        self._share = [{size: solver.Constraint(-infinity, 0) for size in self._sizes} for _ in kinds]
        for index, kind in enumerate(kinds):
            for row, shape, count in zip(arrived, shapes, counts, strict=True):
                if count and kind.holds(shape):
                    pods = solver.NumVar(0, infinity, "")
                    row.SetCoefficient(pods, -1 if proportional else 1)
                    objective.SetCoefficient(pods, 0 if proportional else shape.total_gpu_milli)
                    if not kind.pooled:
                        self._cpu[index].SetCoefficient(pods, shape.cpu_milli / 1e3)
                        self._memory[index].SetCoefficient(pods, shape.memory_mib / 1e3)
                    if shape.gpus:
                        self._share[index][shape.gpu_milli].SetCoefficient(pods, shape.gpus)
            for size in self._sizes:
                self._add(index, tuple(DEVICE_MILLI // size if size == other else 0 for other in self._sizes))

    def solve(self) -> tuple[Prices, float]:
        """The best prices, and the program's value. RuntimeError when the solver fails."""
        for _ in range(_ROUNDS_MAX):
            if self._solver.Solve() != pywraplp.Solver.OPTIMAL:
                raise RuntimeError("the floor's linear program was not solved")
            prices = self._prices()
            if not sum([self._improve(index, share) for index, share in enumerate(prices.share)]):
                return prices, float(self._solver.Objective().Value())
        raise RuntimeError(f"the floor's patterns were not complete after {_ROUNDS_MAX} rounds")

    def _prices(self) -> Prices:
        return Prices(
            cpu=tuple(_whole(row.dual_value() / 1e3) for row in self._cpu),
            memory=tuple(_whole(row.dual_value() / 1e3) for row in self._memory),
            share=tuple({size: _whole(row.dual_value()) for size, row in rows.items()} for rows in self._share),
        )

    def _improve(self, index: int, share: dict[int, int]) -> bool:
        """Adds the pattern that pays most on a kind's devices, if it is a new one."""
        best, choice = [0] * (DEVICE_MILLI + 1), [0] * (DEVICE_MILLI + 1)
        paying = [(size, price) for size, price in share.items() if price > 0]
        for room in range(1, DEVICE_MILLI + 1):
            best[room] = best[room - 1]
            for size, price in paying:
                if size <= room and price + best[room - size] > best[room]:
                    best[room], choice[room] = price + best[room - size], size
        counted: Counter[int] = Counter()
        room = DEVICE_MILLI
        while room > 0:
            counted[choice[room]] += 1
            room -= choice[room] or 1
        return self._add(index, tuple(counted[size] for size in self._sizes))

    def _add(self, index: int, pattern: tuple[int, ...]) -> bool:
        if (index, pattern) in self._patterns or not any(pattern):
            return False
        self._patterns.add((index, pattern))
        devices = self._solver.NumVar(0, self._solver.infinity(), "")
        self._devices[index].SetCoefficient(devices, 1)
        for size, count in zip(self._sizes, pattern, strict=True):
            if count:
                self._share[index][size].SetCoefficient(devices, -count)
        return True


def _whole(price: float) -> int:
    return max(0, round(abs(price) * _SCALE))
