"""Pools: node classes that no ask can tell apart merge into one, with the pieces that its nodes can be cut into.

A pool knows no nodes any more. What it offers is counted in pieces: nodes with ``free`` of a resource hold at most
``free // size`` pods that ask for ``size`` or more, each worth ``request // size`` of them. Where every request divides
the next larger one, as GPU counts do, these sums say exactly what fits; elsewhere they are a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.parts.kinds import Item
from scheduler.solver.problem import Counts, Problem
from scheduler.solver.scarcity import by_scarcity

Numbers = NDArray[np.int64]

_SIZES_MAX = 8
"""Sizes of one resource beyond which only its sum is counted."""


@dataclass(frozen=True, eq=False)
class Pools:
    """``of_class`` [C] the pool of each class, ``domain`` [P x L] its domain codes, ``room`` [P x K] the pieces it
    offers: of each of ``columns`` [K], (resource, size of a piece). ``pieces`` [K] and ``fits`` [P] are what one pod of
    an item takes, and how many pods of it stand there at most."""

    of_class: Numbers
    domain: Counts
    columns: Sequence[tuple[int, int]]
    room: Numbers
    pieces: Mapping[Item, Numbers]
    fits: Mapping[Item, Numbers]

    def __len__(self) -> int:
        return len(self.domain)


def pools(problem: Problem, items: Sequence[Item]) -> Pools:
    """The pools of a problem for the items that its work needs."""
    flags = {item.eligible: _flags(problem, item.eligible) for item in items}
    signature = np.concatenate(
        [problem.class_domain.T.astype(np.int64), *(own[None, :].astype(np.int64) for own in flags.values())]
    )
    of_class, first = _grouped(signature, problem.class_count)
    count = len(first)
    columns = _columns(problem, items)
    nodes = problem.class_nodes.astype(np.int64)
    room = np.zeros((count, len(columns)), dtype=np.int64)
    for column, (resource, size) in enumerate(columns):
        np.add.at(room[:, column], of_class, nodes * (problem.class_free[:, resource] // size))
    fits = {}
    for item in items:
        here = np.where(flags[item.eligible], np.iinfo(np.int32).max, 0).astype(np.int64)
        for resource, amount in enumerate(item.request):
            if amount > 0:
                here = np.minimum(here, problem.class_free[:, resource] // amount)
        fits[item] = np.zeros(count, dtype=np.int64)
        np.add.at(fits[item], of_class, nodes * here)
    pieces = {
        item: np.array([item.request[resource] // size for resource, size in columns], dtype=np.int64) for item in items
    }
    return Pools(of_class, problem.class_domain[first], columns, room, pieces, fits)


def smallest_pieces(merged: Pools) -> Numbers:
    """[K] per column the one that counts all of its resource."""
    smallest: dict[int, int] = {}
    for column, (resource, size) in enumerate(merged.columns):
        known = smallest.setdefault(resource, column)
        if size < merged.columns[known][1]:
            smallest[resource] = column
    return np.array([smallest[resource] for resource, _ in merged.columns], dtype=np.int64)


def _flags(problem: Problem, eligible: bytes) -> NDArray[np.bool_]:
    bits = np.frombuffer(eligible, dtype=np.uint8)
    return np.unpackbits(bits, count=problem.class_count).astype(np.bool_)


def _grouped(signature: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """(group of each column, first column of each group)."""
    if not len(signature) or not count:
        return np.zeros(count, dtype=np.int64), np.zeros(min(count, 1), dtype=np.int64)
    _, first, groups = np.unique(signature, axis=1, return_index=True, return_inverse=True)
    return groups.reshape(-1).astype(np.int64), first.astype(np.int64)


def _columns(problem: Problem, items: Sequence[Item]) -> list[tuple[int, int]]:
    """(resource, size) of the pieces to count: every size of what is asked for in few sizes, the sum of everything that
    could bind."""
    scarce = by_scarcity(problem.resources)[0]
    requests = np.array([item.request for item in items], dtype=np.int64).reshape(len(items), len(problem.resources))
    columns = []
    for resource in range(len(problem.resources)):
        asked = requests[:, resource]
        if not (asked > 0).any() or (resource != scarce and _is_implied(problem, requests, resource, scarce)):
            continue
        smallest = int(np.gcd.reduce(asked))
        columns.append((resource, smallest))
        sizes = sorted(set(asked[asked > smallest].tolist()))
        if len(sizes) <= _SIZES_MAX:
            columns += [(resource, size) for size in sizes if (problem.class_free[:, resource] % size).any()]
    return columns


def _is_implied(problem: Problem, requests: Numbers, resource: int, scarce: int) -> bool:
    """Whether no packing that the scarce resource allows on a node can run out of this one."""
    if (requests[:, scarce] <= 0).any():
        return False
    ratio = float((requests[:, resource] / requests[:, scarce]).max())
    return bool((problem.class_free[:, resource] >= np.ceil(ratio * problem.class_free[:, scarce])).all())
