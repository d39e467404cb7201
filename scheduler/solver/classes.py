"""Node classes: nodes that the pending work cannot tell apart become one row with a count.

Real nodes rarely share their whole free vector, so a class is made by what the pending work can see of it: the amounts
that no packing of pending pods could use are cut off, the rest is rounded down to the granularity of the pending
requests. Both leave the set of packings of one node exactly as it was, so counts on a class are counts on any node of
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.model.cluster import Codes, Mask
from scheduler.model.resources import Matrix

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Demand:
    """The pending requests that share one eligibility mask: ``requests`` [S x R] distinct, ``total`` [R] over all
    pods."""

    mask: Mask
    requests: Matrix
    total: Matrix


@dataclass(frozen=True, eq=False)
class NodeClasses:
    """``rows`` are the node rows of each class in ascending order; ``free`` [C x R] is what each of its nodes can
    use."""

    rows: tuple[Rows, ...]
    free: Matrix

    @property
    def first_rows(self) -> Rows:
        """One row of each class, to look up what all its nodes share."""
        return np.array([rows[0] for rows in self.rows], dtype=np.int64)


def node_classes(
    free: Matrix,
    demands: list[Demand],
    domains: Codes,
    scarcity: tuple[int, ...],
    uncut: tuple[int, ...],
    apart: Matrix | None = None,
) -> NodeClasses:
    """Groups the nodes that some pending pod could use.

    ``free`` is [N x R], ``domains`` [N x L] the domain codes of the levels asked for, ``scarcity`` the resource
    columns in the order in which they are tried as the one that limits a node, ``uncut`` the columns that are only
    rounded, because choices look at how much of them stays free, ``apart`` [N x K] what else tells nodes apart. Nodes
    where nothing pending fits are in no class.
    """
    free = np.maximum(free, 0)
    usable = _usable(free, demands)
    seen = np.minimum(_cut_by_scarcity(free, demands, scarcity), _cut_by_demand(free, demands))
    seen[:, uncut] = free[:, uncut]
    seen -= seen % _granularity(demands, free.shape[1])
    rows = np.flatnonzero(usable)
    if not len(rows):
        return NodeClasses(rows=(), free=np.zeros((0, free.shape[1]), dtype=np.int64))
    columns = [seen[rows, column] for column in range(seen.shape[1])]
    columns += [domains[rows, level] for level in range(domains.shape[1])]
    columns += [] if apart is None else list(apart[rows].T)
    columns += _packed_masks(demands, rows)
    codes = _joint_codes(columns)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    groups = sorted(np.split(rows[order], starts[1:]), key=lambda group: int(group[0]))
    first_rows = np.array([group[0] for group in groups], dtype=np.int64)
    return NodeClasses(rows=tuple(groups), free=seen[first_rows])


def _usable(free: Matrix, demands: list[Demand]) -> Mask:
    """Nodes that hold the smallest request of some mask; a little generous, since it takes each resource's smallest."""
    usable = np.zeros(len(free), dtype=np.bool_)
    for demand in demands:
        usable |= demand.mask & (free >= demand.requests.min(axis=0)).all(axis=1)
    return usable


def _cut_by_scarcity(free: Matrix, demands: list[Demand], scarcity: tuple[int, ...]) -> Matrix:
    """Where every eligible request takes some of one resource, that resource bounds the use of all others.

    With a, b the amounts of two resources, sum(b) <= max(b/a) * sum(a) <= max(b/a) * free(a) for any pods on the node.
    """
    cut = free.copy()
    open_rows = np.ones(len(free), dtype=np.bool_)
    for scarce in scarcity:
        everyone = open_rows.copy()
        ratios = np.zeros(free.shape, dtype=np.float64)
        for demand in demands:
            taken = demand.requests[:, scarce]
            if (taken <= 0).any():
                everyone &= ~demand.mask
                continue
            highest = (demand.requests / taken[:, None]).max(axis=0)
            ratios[demand.mask] = np.maximum(ratios[demand.mask], highest)
        bounds = np.ceil(ratios[everyone] * free[everyone, scarce][:, None] * (1 + 1e-12)).astype(np.int64)
        bounds[:, scarce] = free[everyone, scarce]
        cut[everyone] = np.minimum(cut[everyone], bounds)
        open_rows &= ~everyone
    return cut


def _cut_by_demand(free: Matrix, demands: list[Demand]) -> Matrix:
    """No node is asked for more than everything that may go there."""
    total = np.zeros(free.shape, dtype=np.int64)
    for demand in demands:
        total[demand.mask] += demand.total
    return np.minimum(free, total)


def _granularity(demands: list[Demand], width: int) -> Matrix:
    steps = np.zeros(width, dtype=np.int64)
    for demand in demands:
        steps = np.gcd(steps, np.gcd.reduce(demand.requests, axis=0))
    return np.maximum(steps, 1)


def _packed_masks(demands: list[Demand], rows: Rows) -> list[NDArray[np.int64]]:
    """The eligibility bits of each row, 56 masks to an integer."""
    packed = []
    for start in range(0, len(demands), 56):
        bits = np.zeros(len(rows), dtype=np.int64)
        for offset, demand in enumerate(demands[start : start + 56]):
            bits |= demand.mask[rows].astype(np.int64) << offset
        packed.append(bits)
    return packed


def _joint_codes(columns: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One code per row such that two rows share it exactly when they agree in every column."""
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        if column.min() == column.max():
            continue
        _, values = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (int(values.max()) + 1) + values, return_inverse=True)
    return codes.astype(np.int64)
