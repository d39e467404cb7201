"""Pods onto the nodes of one class: first-fit and best-fit decreasing, the largest requests first.

Counts on a class promise room in sum; with several resources the sum may hold where no assignment does. These are the
orders that are tried before a class counts as one that does not expand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.model.resources import Matrix

Ask = tuple[tuple[int, ...], int]
"""(request, pods)."""

Assigned = list[list[tuple[int, int]]]
"""Per ask: (node, pods there)."""


def assign(free: Matrix, asks: Sequence[Ask], by_scarcity: tuple[int, ...]) -> Assigned | None:
    """``free`` is [nodes x R] and stays as it is; None when no order that is tried finds a node for every pod."""
    largest = np.maximum(free.max(axis=0, initial=1), 1)

    def by_column(index: int) -> list[float]:
        return [-float(asks[index][0][column]) for column in by_scarcity]

    def by_share(index: int) -> float:
        return -float((np.array(asks[index][0]) / largest).max())

    everyone = range(len(asks))
    for order in (sorted(everyone, key=by_column), sorted(everyone, key=by_share)):
        for tightest in (False, True):
            assigned = _decreasing(free, asks, order, by_scarcity, tightest=tightest)
            if assigned is not None:
                return assigned
    return None


def _decreasing(
    free: Matrix, asks: Sequence[Ask], order: list[int], by_scarcity: tuple[int, ...], *, tightest: bool
) -> Assigned | None:
    left = free.copy()
    assigned: Assigned = [[] for _ in asks]
    for index in order:
        request = np.array(asks[index][0], dtype=np.int64)
        count = asks[index][1]
        fits = _fits(left, request, count)
        nodes = np.flatnonzero(fits > 0)
        if tightest:
            nodes = nodes[np.lexsort([left[nodes, column] for column in reversed(by_scarcity)])]
        for node in nodes.tolist():
            here = min(count, int(fits[node]))
            left[node] -= request * here
            assigned[index].append((node, here))
            count -= here
            if count == 0:
                break
        if count:
            return None
    return assigned


def _fits(free: Matrix, request: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    asked = request > 0
    if not asked.any():
        return np.full(len(free), most, dtype=np.int64)
    return np.asarray((free[:, asked] // request[asked]).min(axis=1))
