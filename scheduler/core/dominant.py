"""How far a queue is above its guarantee, as one number: the dominant share, in thousandths of what could be lent.

Source: dominant resource fairness (Ghodsi et al., NSDI'11), in the form of Kueue's fair sharing.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from scheduler.core.divide import BOUNDLESS
from scheduler.core.ledger import Ledger
from scheduler.model.resources import Matrix

NEVER = Fraction(BOUNDLESS)
"""The share of a queue of weight 0 that borrows anything: it comes last."""


def lendable(book: Ledger, parent: int) -> dict[str, int]:
    """What the children of a queue (-1: of the top) could lend and borrow, per resource over all its flavors: the
    total less what guarantees keep to themselves, within the queue's own limit."""
    kept = np.where(book.lendable < BOUNDLESS, np.maximum(book.guaranteed - book.lendable, 0), 0)
    found: dict[str, int] = {}
    for column, (resource, _) in enumerate(book.columns):
        amount = book.total[column] - int(kept[:, column].sum())
        if parent >= 0:
            amount = min(amount, int(book.limit[parent, column]))
        found[resource] = found.get(resource, 0) + max(0, amount)
    return found


def dominant_share(book: Ledger, row: int, more: Matrix | None = None) -> Fraction:
    """The largest, over resources, of use above guarantee to what its parent could lend, divided by weight; in
    thousandths. ``more`` [columns] is added to the use. Resources of which nothing can be lent do not count."""
    use = book.use[row] if more is None else book.use[row] + more
    above: dict[str, int] = {}
    for column, (resource, _) in enumerate(book.columns):
        above[resource] = above.get(resource, 0) + max(0, int(use[column] - book.guaranteed[row, column]))
    could_lend = lendable(book, book.parents[row])
    ratio = max((Fraction(1000 * above[name], amount) for name, amount in could_lend.items() if amount), default=0)
    if not ratio:
        return Fraction(0)
    weight = book.queues[row].weight
    return Fraction(ratio) / weight if weight else NEVER


def fill(book: Ledger, row: int, more: Matrix | None = None) -> Fraction:
    """The largest, over columns, of use to guarantee; a column with use and without a guarantee counts as `NEVER`."""
    use = book.use[row] if more is None else book.use[row] + more
    found = Fraction(0)
    for amount, guarantee in zip(use.tolist(), book.guaranteed[row].tolist(), strict=True):
        if amount > 0:
            found = max(found, Fraction(amount, guarantee) if guarantee else NEVER)
    return found
