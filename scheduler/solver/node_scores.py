"""Which node to fill first: lower is better. ``pack`` keeps what is scarce whole, ``spread`` levels the load.

``pack`` asks three things of a node in turn: how many scarce units (GPUs) the placement would strand there behind
missing CPU or memory, how many scarce units would stay free on it, and how much of the rest. Work that asks for no
scarce resource thereby goes where none is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.problem import Problem
from scheduler.solver.scarcity import by_scarcity, is_extended

Scores = NDArray[np.float64]
NodeScore = Callable[[NDArray[np.int64], NDArray[np.int64]], Scores]
"""(free before [R x n], free after [R x n]) -> [n], lower is better."""


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

    def score(before: NDArray[np.int64], after: NDArray[np.int64]) -> Scores:
        waste = (stranded(after) - stranded(before)) / unit if appetite else 0.0
        rest = sum(after[column] / scale[column] for column in plenty)
        return np.asarray(np.round(waste, 9) * 1e6 + after[scarce] / unit * 1e3 + rest, dtype=np.float64)

    return score


def _spread(problem: Problem) -> NodeScore:
    columns = by_scarcity(problem.resources)[:3]
    scale = [max(1.0, float(problem.class_free[:, column].max(initial=1))) for column in columns]

    def score(_before: NDArray[np.int64], after: NDArray[np.int64]) -> Scores:
        weights = (1e6, 1e3, 1.0)
        total = sum(
            weight * after[column] / each for weight, column, each in zip(weights, columns, scale, strict=False)
        )
        return np.asarray(-total, dtype=np.float64)

    return score


NODE_SCORES: Mapping[str, Callable[[Problem], NodeScore]] = {"pack": _pack, "spread": _spread}


def _appetite(problem: Problem, scarce: int, plenty: list[int]) -> dict[int, float]:
    """What pending work takes of each plentiful resource per unit of the scarce one, on average; nothing where none of
    it asks for the scarce one."""
    taken = np.zeros(len(problem.resources))
    for gang in problem.gangs:
        for member in gang.members:
            if member.request[scarce] > 0:
                taken += np.array(member.request, dtype=np.float64) * member.count
    return {column: taken[column] / taken[scarce] for column in plenty if taken[column] > 0 and taken[scarce] > 0}
