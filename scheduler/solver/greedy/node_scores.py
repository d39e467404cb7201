"""Which node to fill first: lower is better. ``pack`` keeps what is scarce whole, ``spread`` levels the load, ``price``
keeps what the known mix of work can make most of (`scheduler.solver.devices.prices`), ``fgd`` what it can use at all
(`scheduler.solver.devices.fragmentation`).

``pack`` asks three things of a node in turn: how many scarce units (GPUs) the placement would strand there behind
missing CPU or memory, how many scarce units would stay free on it, and how much of the rest. Work that asks for no
scarce resource thereby goes where none is free. Parts of devices go where no idle device has to be opened for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI
from scheduler.solver.devices.devices import States
from scheduler.solver.devices.fragmentation import Fragmentation, squashed
from scheduler.solver.devices.prices import Prices
from scheduler.solver.devices.worth import FGD, PRICE, gpu_column, priced
from scheduler.solver.greedy.stock import Rest
from scheduler.solver.problem import Problem
from scheduler.solver.scarcity import by_scarcity, is_extended

Scores = NDArray[np.float64]
NodeScore = Callable[[Rest, Rest], Scores]
"""(what is free before, what is free after) on n nodes -> [n], lower is better."""


_PACK_RANGE = 1e8
"""More than two placements ever differ by ``pack``."""


def node_score(problem: Problem) -> NodeScore:
    """The score that the problem names; KeyError for an unknown name."""
    return NODE_SCORES[problem.node_score](problem)


def _pack(problem: Problem) -> NodeScore:
    columns = by_scarcity(problem.resources)
    scarce = columns[0]
    unit = max(1.0, float(problem.class_free[:, scarce].max(initial=1)))
    plenty = [column for column in columns if not is_extended(problem.resources[column])][:2]
    scale = {column: max(1.0, float(problem.class_free[:, column].max(initial=1))) for column in plenty}
    appetite = _appetite(problem, scarce, plenty) if is_extended(problem.resources[scarce]) else {}

    def stranded(free: NDArray[np.int64]) -> Scores:
        reachable = free[scarce].astype(np.float64)
        for column, per_unit in appetite.items():
            reachable = np.minimum(reachable, free[column] / per_unit)
        return np.asarray(free[scarce] - reachable)

    def score(before: Rest, after: Rest) -> Scores:
        waste = (stranded(after.free) - stranded(before.free)) / unit if appetite else 0.0
        rest = sum(after.free[column] / scale[column] for column in plenty)
        whole = after.free[scarce]
        if before.devices is not None and after.devices is not None:
            waste = waste + _opened(before.devices, after.devices)
            whole = whole + _shared_milli(after.devices)
        return np.asarray(np.round(waste, 9) * 1e6 + whole / unit * 1e3 + rest, dtype=np.float64)

    return score


def _spread(problem: Problem) -> NodeScore:
    columns = by_scarcity(problem.resources)[:3]
    scale = [max(1.0, float(problem.class_free[:, column].max(initial=1))) for column in columns]

    def score(_before: Rest, after: Rest) -> Scores:
        weights = (1e6, 1e3, 1.0)
        total = sum(
            weight * after.free[column] / each for weight, column, each in zip(weights, columns, scale, strict=False)
        )
        if after.devices is not None:
            total = total + weights[0] * _shared_milli(after.devices) / scale[0]
        return np.asarray(-total, dtype=np.float64)

    return score


def _price(problem: Problem) -> NodeScore:
    """What a placement takes off the worth of its node; where that decides nothing, as ``pack``."""
    if not priced(problem):
        return _pack(problem)
    prices = Prices(problem)
    gpu = gpu_column(problem)

    def score(before: Rest, after: Rest) -> Scores:
        cost = prices.worth(before) - prices.worth(after)
        return np.asarray(np.round(cost, 6) + after.free[gpu] * 1e-9, dtype=np.float64)

    return score


def _fgd(problem: Problem) -> NodeScore:
    """How much more of a node no work of the mix could use; where that decides nothing, as ``pack``."""
    pack = _pack(problem)
    if not priced(problem):
        return pack
    fragmentation = Fragmentation(problem)

    def score(before: Rest, after: Rest) -> Scores:
        growth = squashed(fragmentation.of(after) - fragmentation.of(before))
        return np.asarray(growth * _PACK_RANGE + pack(before, after), dtype=np.float64)

    return score


NODE_SCORES: Mapping[str, Callable[[Problem], NodeScore]] = {
    "pack": _pack,
    "spread": _spread,
    PRICE: _price,
    FGD: _fgd,
}


def _opened(before: States, after: States) -> Scores:
    """Idle devices of which a part is taken."""
    return np.asarray(((before == DEVICE_MILLI) & (after != DEVICE_MILLI) & (after > 0)).sum(axis=0), dtype=np.float64)


def _shared_milli(states: States) -> Scores:
    """What is free on devices that are shared already."""
    return np.asarray(np.where(states < DEVICE_MILLI, states, 0).sum(axis=0), dtype=np.float64)


def _appetite(problem: Problem, scarce: int, plenty: list[int]) -> dict[int, float]:
    """What pending work takes of each plentiful resource per unit of the scarce one, on average; nothing where none of
    it asks for the scarce one."""
    taken = np.zeros(len(problem.resources))
    for gang in problem.gangs:
        for member in gang.members:
            if member.request[scarce] > 0:
                taken += np.array(member.request, dtype=np.float64) * member.count
    return {column: taken[column] / taken[scarce] for column in plenty if taken[column] > 0 and taken[scarce] > 0}
