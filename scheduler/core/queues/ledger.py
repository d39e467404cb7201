"""The queue tree in numbers: what each queue is guaranteed, may use, uses and asks for, and its fair share.

One column per (resource, flavor) that some queue, pod or node speaks of. Rows stand parents first, siblings older
first; amounts of an inner queue are totals of its subtree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scheduler.core.queues.divide import BOUNDLESS, corrected_weights, divide_columns, whole_weights
from scheduler.model.cluster import Mask
from scheduler.model.queue import Queue
from scheduler.model.resources import Matrix, is_gpu, unit_of

Column = tuple[str, str]
"""(resource, flavor); an empty flavor is a quota line of its own."""

Rows = NDArray[np.int64]

Amounts = Mapping[str, Mapping[Column, int]]
"""By queue and column, in smallest units."""


@dataclass(frozen=True, eq=False)
class Tree:
    """What the queues themselves say, in numbers: everything that stays the same while only work comes and goes.

    [queues x columns] integers; ``limit`` and ``lendable`` are `BOUNDLESS` where nothing is said.
    """

    names: tuple[str, ...]
    rows: Mapping[str, int]
    columns: tuple[Column, ...]
    parents: tuple[int, ...]
    queues: tuple[Queue, ...]
    states_guarantee: Mask
    guaranteed: Matrix
    limit: Matrix
    lendable: Matrix
    levels: tuple[Rows, ...]
    """The rows of each depth, the top first."""

    @classmethod
    def of(cls, queues: Mapping[str, Queue], columns: tuple[Column, ...]) -> Tree:
        """Queues whose parent does not exist stand at the top; a cycle is left out."""
        names, parents = _ordered(queues)
        made = tuple(queues[name] for name in names)
        above = np.array(parents, dtype=np.int64)
        depth = np.zeros(len(names), dtype=np.int64)
        for row, parent in enumerate(parents):  # parents stand before their children
            depth[row] = 0 if parent < 0 else depth[parent] + 1
        levels = tuple(np.flatnonzero(depth == each) for each in range(int(depth.max(initial=-1)) + 1))
        own = _quota(made, columns, "guaranteed", -1)
        return cls(
            names=names,
            rows={name: row for row, name in enumerate(names)},
            columns=columns,
            parents=parents,
            queues=made,
            states_guarantee=own >= 0,
            guaranteed=_guarantees(own, above, levels),
            limit=_quota(made, columns, "limit", BOUNDLESS),
            lendable=_quota(made, columns, "lendable", BOUNDLESS),
            levels=levels,
        )

    def summed(self, amounts: Matrix, most: Matrix | None = None) -> Matrix:
        """Own amounts plus those of the subtree; with ``most`` no queue passes on more than its limit."""
        above = np.array(self.parents, dtype=np.int64)
        summed = amounts.copy()
        for rows in reversed(self.levels[1:]):
            np.add.at(summed, above[rows], summed[rows] if most is None else np.minimum(summed[rows], most[rows]))
        return summed


@dataclass(frozen=True, eq=False)
class Ledger:
    """[queues x columns] integers. ``limit`` and ``lendable`` are `BOUNDLESS` where nothing is said.

    ``firm`` is the part of ``use`` that may not be taken back: non-preemptible work. ``fair`` is the fair share.
    """

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    parents: tuple[int, ...]
    queues: tuple[Queue, ...]
    total: tuple[int, ...]
    guaranteed: Matrix
    limit: Matrix
    lendable: Matrix
    use: Matrix
    firm: Matrix
    request: Matrix
    fair: Matrix
    past: Matrix
    """Decayed past use, of leaves alone."""
    tree: Tree

    @cached_property
    def could_lend(self) -> tuple[list[list[int]], Matrix]:
        """(the columns of each resource, [queues + 1 x resources] what the children of each queue could lend and
        borrow); the last row is the top. It is the total less what guarantees keep to themselves, within the queue's
        own limit."""
        by_resource: dict[str, list[int]] = {}
        for column, (resource, _) in enumerate(self.columns):
            by_resource.setdefault(resource, []).append(column)
        kept = np.where(self.lendable < BOUNDLESS, np.maximum(self.guaranteed - self.lendable, 0), 0)
        rest = np.array(self.total, dtype=np.int64) - kept.sum(axis=0)
        amounts = np.maximum(np.vstack([np.minimum(self.limit, rest), rest]), 0)
        columns = list(by_resource.values())
        sums = [amounts[:, own].sum(axis=1) for own in columns]
        return columns, np.array(sums, dtype=np.int64).reshape(len(columns), len(amounts)).T

    def row(self, name: str) -> int:
        """KeyError: there is no such queue, or it stands in a cycle."""
        return self.tree.rows[name]

    def children(self, parent: int) -> list[int]:
        """-1: the queues at the top."""
        return [row for row, above in enumerate(self.parents) if above == parent]

    def line(self, row: int) -> list[int]:
        """A queue and everything above it, the queue first."""
        found = []
        while row >= 0:
            found.append(row)
            row = self.parents[row]
        return found


def ledger(
    queues: Mapping[str, Queue],
    total: Mapping[Column, int],
    use: Amounts,
    request: Amounts,
    *,
    firm: Amounts | None = None,
    past: Mapping[str, int] | None = None,
    history_factor: Fraction = Fraction(0),
    zero_weight_last: bool = True,
) -> Ledger:
    """The tree with all its numbers. ``use``, ``firm`` and ``request`` (use included) are of leaves; ``past`` is the
    decayed past use of any queue, and ``history_factor`` how much it counts in every family."""
    tree = Tree.of(queues, _columns(queues, total, use, request))
    return entered(
        tree,
        tuple(total.get(column, 0) for column in tree.columns),
        _rows(tree, use),
        _rows(tree, request),
        firm=_rows(tree, firm or {}),
        past=_alike(tree, past or {}),
        history=dict.fromkeys(range(-1, len(tree.names)), history_factor),
        zero_weight_last=zero_weight_last,
    )


def entered(
    tree: Tree,
    total: tuple[int, ...],
    use: Matrix,
    request: Matrix,
    *,
    firm: Matrix,
    past: Matrix,
    history: Mapping[int, Fraction],
    zero_weight_last: bool,
) -> Ledger:
    """A tree with what its leaves use and ask for. ``past`` is their decayed past use; ``history`` says per parent (-1:
    the top) how much it counts among the children."""
    book = Ledger(
        names=tree.names,
        columns=tree.columns,
        parents=tree.parents,
        queues=tree.queues,
        total=total,
        guaranteed=tree.guaranteed,
        limit=tree.limit,
        lendable=tree.lendable,
        use=tree.summed(use),
        firm=tree.summed(firm),
        request=tree.summed(request, tree.limit),
        fair=np.zeros((len(tree.names), len(tree.columns)), dtype=np.int64),
        past=past,
        tree=tree,
    )
    return replace(book, fair=_fair(book, tree.summed(past), history, zero_weight_last=zero_weight_last))


def left_over(book: Ledger) -> dict[Column, int]:
    """What of the total no queue at the top is entitled to."""
    top = book.children(-1)
    return {
        column: total - int(book.fair[top, index].sum())
        for index, (column, total) in enumerate(zip(book.columns, book.total, strict=True))
    }


# --- building ---------------------------------------------------------------------------------------------------------


def _ordered(queues: Mapping[str, Queue]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """(names parents first and siblings older first, parent row of each)."""
    below: dict[str, list[str]] = {}
    for name in sorted(queues, key=lambda each: (queues[each].created_seconds, each)):
        parent = queues[name].parent
        below.setdefault(parent if parent in queues else "", []).append(name)
    names: list[str] = []
    parents: list[int] = []
    level = [(name, -1) for name in below.get("", [])]
    while level:
        following: list[tuple[str, int]] = []
        for name, above in level:
            row = len(names)
            names.append(name)
            parents.append(above)
            following += [(child, row) for child in below.get(name, [])]
        level = following
    return tuple(names), tuple(parents)


def _columns(
    queues: Mapping[str, Queue], total: Mapping[Column, int], use: Amounts, request: Amounts
) -> tuple[Column, ...]:
    found = dict.fromkeys(total)
    for queue in queues.values():
        found |= dict.fromkeys((quota.resource, quota.flavor) for quota in queue.quotas)
    for amounts in (*use.values(), *request.values()):
        found |= dict.fromkeys(amounts)
    return tuple(sorted(found))


def _rows(tree: Tree, amounts: Amounts) -> Matrix:
    rows = np.zeros((len(tree.names), len(tree.columns)), dtype=np.int64)
    index = {column: number for number, column in enumerate(tree.columns)}
    for row, name in enumerate(tree.names):
        for column, value in amounts.get(name, {}).items():
            rows[row, index[column]] = value
    return rows


def _alike(tree: Tree, amounts: Mapping[str, int]) -> Matrix:
    """One number per queue in every column, of leaves or of any queue."""
    own = np.array([amounts.get(name, 0) for name in tree.names], dtype=np.int64)
    return np.repeat(own[:, None], len(tree.columns), axis=1)


def _quota(queues: tuple[Queue, ...], columns: tuple[Column, ...], field: str, unset: int) -> Matrix:
    rows = np.full((len(queues), len(columns)), unset, dtype=np.int64)
    index = {column: number for number, column in enumerate(columns)}
    for row, queue in enumerate(queues):
        for quota in queue.quotas:
            value = getattr(quota, field)
            if value is not None:
                rows[row, index[quota.resource, quota.flavor]] = value
    return rows


def _guarantees(own: Matrix, above: Rows, levels: tuple[Rows, ...]) -> Matrix:
    """An unset guarantee is the sum of the children's (a leaf's is nothing)."""
    found = np.maximum(own, 0)
    for rows, children in reversed([*pairwise(levels)]):
        below = np.zeros_like(own)
        np.add.at(below, above[children], found[children])
        found[rows] = np.where(own[rows] < 0, below[rows], own[rows])
    return found


def _fair(book: Ledger, past: Matrix, history: Mapping[int, Fraction], *, zero_weight_last: bool) -> Matrix:
    fair = np.zeros((len(book.names), len(book.columns)), dtype=np.int64)
    want = np.minimum(book.request, book.limit)
    families: dict[int, list[int]] = {}
    for row, parent in enumerate(book.parents):
        families.setdefault(parent, []).append(row)
    for parent, rows in families.items():  # parents stand before their children
        asking = want[rows].max(axis=0) > 0
        weights = _Weights([book.queues[row] for row in rows])
        factor = history.get(parent, Fraction(0))
        priorities = [book.queues[row].priority for row in rows]
        for column, (resource, flavor) in enumerate(book.columns):
            if asking[column]:
                fair[rows, column] = divide_columns(
                    book.total[column] if parent < 0 else int(fair[parent, column]),
                    book.guaranteed[rows, column].tolist(),
                    want[rows, column].tolist(),
                    weights.of(resource, flavor, past[rows, column].tolist(), factor),
                    priorities,
                    unit_of(resource) if is_gpu(resource) else 1,
                    zero_weight_last=zero_weight_last,
                )
    return fair


class _Weights:
    """The weights of siblings, as whole numbers; made once where no quota has one of its own."""

    def __init__(self, queues: Sequence[Queue]) -> None:
        self._queues = queues
        self._particular = {
            (quota.resource, quota.flavor) for queue in queues for quota in queue.quotas if quota.weight is not None
        }
        self._common: list[int] | None = None

    def of(self, resource: str, flavor: str, past: Sequence[int], factor: Fraction) -> list[int]:
        """Corrected by past use, where it counts."""
        if factor and any(past):
            weights = [_weight(queue, resource, flavor) for queue in self._queues]
            return whole_weights(corrected_weights(weights, past, factor))
        if (resource, flavor) in self._particular:
            return whole_weights([_weight(queue, resource, flavor) for queue in self._queues])
        if self._common is None:
            self._common = whole_weights([Fraction(queue.weight) for queue in self._queues])
        return self._common


def _weight(queue: Queue, resource: str, flavor: str) -> Fraction:
    for quota in queue.quotas:
        if (quota.resource, quota.flavor) == (resource, flavor) and quota.weight is not None:
            return Fraction(quota.weight)
    return Fraction(queue.weight)
