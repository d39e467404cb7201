"""How far a queue is above its guarantee, as one number: the dominant share, in thousandths of what could be lent.

Source: dominant resource fairness (Ghodsi et al., NSDI'11), in the form of Kueue's fair sharing.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.ledger import Ledger
from scheduler.model.resources import Matrix

NEVER = Fraction(BOUNDLESS)
"""The share of a queue of weight 0 that borrows anything: it comes last."""


def dominant_share(book: Ledger, row: int, more: Matrix | None = None) -> Fraction:
    """The largest, over resources, of use above guarantee to what its parent could lend, divided by weight; in
    thousandths. ``more`` [columns] is added to the use. Resources of which nothing can be lent do not count."""
    use = book.use[row] if more is None else book.use[row] + more
    above = np.maximum(use - book.guaranteed[row], 0)
    columns, could_lend = book.could_lend
    ratios = (
        Fraction(1000 * int(above[own].sum()), amount)
        for own, amount in zip(columns, could_lend[book.parents[row]].tolist(), strict=True)
        if amount
    )
    ratio = max(ratios, default=Fraction(0))
    if not ratio:
        return Fraction(0)
    weight = book.queues[row].weight
    return ratio / weight if weight else NEVER


def fill(book: Ledger, row: int, more: Matrix | None = None) -> Fraction:
    """The largest, over columns, of use to guarantee; a column with use and without a guarantee counts as `NEVER`."""
    use = book.use[row] if more is None else book.use[row] + more
    found = Fraction(0)
    for amount, guarantee in zip(use.tolist(), book.guaranteed[row].tolist(), strict=True):
        if amount > 0:
            found = max(found, Fraction(amount, guarantee) if guarantee else NEVER)
    return found
