"""The queue tree in numbers: what each queue is guaranteed, may use, uses and asks for, and its fair share.

One column per (resource, flavor) that some queue, pod or node speaks of. Rows stand parents first, siblings older
first; amounts of an inner queue are totals of its subtree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from scheduler.core.divide import BOUNDLESS, Claim, corrected_weights, divide
from scheduler.model.queue import Queue
from scheduler.model.resources import Matrix, is_gpu, unit_of

Column = tuple[str, str]
"""(resource, flavor); an empty flavor is a quota line of its own."""

Amounts = Mapping[str, Mapping[Column, int]]
"""By queue and column, in smallest units."""


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

    def row(self, name: str) -> int:
        return self.names.index(name)

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
    decayed past use of any queue. Queues whose parent does not exist stand at the top; a cycle is left out."""
    names, parents = _ordered(queues)
    columns = _columns(queues, total, use, request)
    made = tuple(queues[name] for name in names)
    own_guarantee = _quota(made, columns, "guaranteed", -1)
    limit = _quota(made, columns, "limit", BOUNDLESS)
    book = Ledger(
        names=names,
        columns=columns,
        parents=parents,
        queues=made,
        total=tuple(total.get(column, 0) for column in columns),
        guaranteed=_guarantees(own_guarantee, parents),
        limit=limit,
        lendable=_quota(made, columns, "lendable", BOUNDLESS),
        use=_summed(_rows(names, columns, use), parents),
        firm=_summed(_rows(names, columns, firm or {}), parents),
        request=_summed(_rows(names, columns, request), parents, limit),
        fair=np.zeros((len(names), len(columns)), dtype=np.int64),
    )
    return replace(book, fair=_fair(book, past or {}, history_factor, zero_weight_last))


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


def _rows(names: tuple[str, ...], columns: tuple[Column, ...], amounts: Amounts) -> Matrix:
    rows = np.zeros((len(names), len(columns)), dtype=np.int64)
    index = {column: number for number, column in enumerate(columns)}
    for row, name in enumerate(names):
        for column, value in amounts.get(name, {}).items():
            rows[row, index[column]] = value
    return rows


def _quota(queues: tuple[Queue, ...], columns: tuple[Column, ...], field: str, unset: int) -> Matrix:
    rows = np.full((len(queues), len(columns)), unset, dtype=np.int64)
    index = {column: number for number, column in enumerate(columns)}
    for row, queue in enumerate(queues):
        for quota in queue.quotas:
            value = getattr(quota, field)
            if value is not None:
                rows[row, index[quota.resource, quota.flavor]] = value
    return rows


def _guarantees(own: Matrix, parents: tuple[int, ...]) -> Matrix:
    """An unset guarantee is the sum of the children's (a leaf's is nothing)."""
    found = own.copy()
    below = np.zeros_like(own)
    for row in reversed(range(len(parents))):
        found[row] = np.where(own[row] < 0, below[row], own[row])
        if parents[row] >= 0:
            below[parents[row]] += found[row]
    return found


def _summed(rows: Matrix, parents: tuple[int, ...], most: Matrix | None = None) -> Matrix:
    """Own amounts plus those of the subtree; with ``most`` no queue passes on more than its limit."""
    summed = rows.copy()
    for row in reversed(range(len(parents))):
        if parents[row] >= 0:
            summed[parents[row]] += summed[row] if most is None else np.minimum(summed[row], most[row])
    return summed


def _fair(book: Ledger, past: Mapping[str, int], factor: Fraction, zero_weight_last: bool) -> Matrix:
    fair = np.zeros((len(book.names), len(book.columns)), dtype=np.int64)
    families: dict[int, list[int]] = {}
    for row, parent in enumerate(book.parents):
        families.setdefault(parent, []).append(row)
    for parent, rows in families.items():  # parents stand before their children
        used = [past.get(book.names[row], 0) for row in rows]
        for column, (resource, flavor) in enumerate(book.columns):
            total = book.total[column] if parent < 0 else int(fair[parent, column])
            weights = corrected_weights([_weight(book.queues[row], resource, flavor) for row in rows], used, factor)
            claims = [
                Claim(
                    guaranteed=int(book.guaranteed[row, column]),
                    request=int(book.request[row, column]),
                    limit=int(book.limit[row, column]),
                    weight=weight,
                    priority=book.queues[row].priority,
                )
                for row, weight in zip(rows, weights, strict=True)
            ]
            unit = unit_of(resource) if is_gpu(resource) else 1
            fair[rows, column] = divide(total, claims, unit, zero_weight_last=zero_weight_last)
    return fair


def _weight(queue: Queue, resource: str, flavor: str) -> Fraction:
    for quota in queue.quotas:
        if (quota.resource, quota.flavor) == (resource, flavor) and quota.weight is not None:
            return Fraction(quota.weight)
    return Fraction(queue.weight)
