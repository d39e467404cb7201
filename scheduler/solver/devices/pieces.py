"""What work without GPUs can make of the CPU of a node, where CPU runs out before GPUs do.

Such work comes in few sizes (openb: 8, 12.5, 15.4, 16.5 and 32 CPUs), so what counts is not how much CPU a node has
left but what pieces of these sizes can be cut from it: 8 CPUs serve a pod, 7 serve nobody. It is cutting stock with
the node's CPU as the stock; as a node holds many pieces, the price of each size is nearly the size itself, and what is
left to ask is which amounts are sums of sizes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.model.resources import CPU
from scheduler.solver.devices.worth import gpu_milli
from scheduler.solver.problem import Problem

_COMMON_PART = 0.9
"""The commonest sizes that so many of the pods have: with a rare small one among them every amount would be a sum."""
_WEIGHT = 15.0

Amounts = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pieces:
    """The CPU of ``column`` as work without GPUs cuts it: ``unfilled`` by the amount that is free, up to the largest
    node's; ``cpu_per_gpu`` is what the whole mix asks for beside each GPU thousandth."""

    column: int
    unfilled: NDArray[np.int64]
    cpu_per_gpu: float

    @classmethod
    def of(cls, problem: Problem) -> Pieces | None:
        """None where the mix has no such work."""
        if CPU not in problem.resources:
            return None
        column = problem.resources.index(CPU)
        demand: dict[int, float] = {}
        for member in problem.mix:
            asked = member.request[column]
            if asked > 0 and gpu_milli(member, problem) <= 0:
                demand[asked] = demand.get(asked, 0.0) + member.count
        if not demand:
            return None
        cpu = sum(member.request[column] * member.count for member in problem.mix)
        gpu = sum(gpu_milli(member, problem) * member.count for member in problem.mix)
        largest = int(problem.class_free[:, column].max(initial=0))
        return cls(column, unfilled(common_sizes(demand), largest), cpu / gpu)

    def price(self, cpu: float, gpu_milli: float) -> float:
        """GPU thousandths per unit of CPU that no piece fills, while so much of both is free: 0 where GPUs run out
        first, and the more the larger the part of the CPU asked for that is not there."""
        asked = self.cpu_per_gpu * gpu_milli
        return _WEIGHT * max(0.0, 1 - cpu / asked) / self.cpu_per_gpu if asked > 0 else 0.0

    def wasted(self, free: NDArray[np.int64]) -> Amounts:
        """Of each amount of free CPU what no piece fills."""
        return self.unfilled[np.clip(free, 0, len(self.unfilled) - 1)].astype(np.float64)


def common_sizes(demand: Mapping[int, float]) -> list[int]:
    """The commonest sizes that so many of the pods have; of equally common ones the larger first."""
    total = sum(demand.values())
    sizes: list[int] = []
    covered = 0.0
    for size in sorted(demand, key=lambda size: (-demand[size], -size)):
        if covered >= _COMMON_PART * total:
            break
        sizes.append(size)
        covered += demand[size]
    return sizes


def unfilled(sizes: Collection[int], largest: int) -> NDArray[np.int64]:
    """[largest + 1] of each amount what stays free however it is filled with pieces of these sizes (positive)."""
    sums = 1  # a bit for each amount that some pieces fill exactly
    within = (1 << (largest + 1)) - 1
    for size in sizes:
        step = size
        while step <= largest:
            sums = (sums | sums << step) & within
            step *= 2
    packed = np.frombuffer(sums.to_bytes(largest // 8 + 1, "little"), dtype=np.uint8)
    exact = np.unpackbits(packed, bitorder="little")[: largest + 1].astype(np.bool_)
    amounts = np.arange(largest + 1, dtype=np.int64)
    return np.asarray(amounts - np.maximum.accumulate(np.where(exact, amounts, 0)))
