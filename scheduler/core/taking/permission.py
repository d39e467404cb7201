"""May one queue take from another? The predicate alone: who is entitled, and who is above what is his.

Compared one level below the lowest common ancestor. The reclaimer either stays within its guarantee in everything it
asks for, and the victim's branch is above its guarantee in some of it; or it stays within its fair share, and the
victim's branch is above its own. The reclaimer's side holds at its leaf and at every ancestor below the common one.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from scheduler.core.queues.ledger import Ledger
from scheduler.model.cluster import Mask
from scheduler.model.resources import Matrix


class Permission(StrEnum):
    """Under what right something may be taken."""

    GUARANTEE = "Guarantee"
    FAIR_SHARE = "FairShare"


def may_reclaim(
    book: Ledger, by: int, victim: int, ask: Matrix, *, preemptible: bool = True, leaf_only: bool = False
) -> Permission | None:
    """Under which right ``by`` may take from ``victim`` *now* to place ``ask`` [columns]; None: it may not.

    ``leaf_only`` is the switch of the profile ``kai``: the guarantee is looked at in the reclaimer's leaf alone.
    Work that cannot be taken back itself has to stay within the guarantee at every ancestor.
    """
    own, other = branches(book, by, victim)
    if own is None or other is None:
        return None
    asked = ask > 0
    line = book.line(by)
    below = line[: line.index(own) + 1]
    if not preemptible and any((book.firm[row] + ask > book.guaranteed[row])[asked].any() for row in line):
        return None
    guaranteed = below[:1] if leaf_only else below
    if all((book.use[row] + ask <= book.guaranteed[row])[asked].all() for row in guaranteed) and _above(
        book.use[other], book.guaranteed[other], asked
    ):
        return Permission.GUARANTEE
    if all((book.use[row] + ask <= book.fair[row])[asked].all() for row in below) and _above(
        book.use[other], book.fair[other], asked
    ):
        return Permission.FAIR_SHARE
    return None


def branches(book: Ledger, by: int, victim: int) -> tuple[int | None, int | None]:
    """The ancestors of both queues one level below their lowest common one; None for whichever is that one itself."""
    ours, theirs = book.line(by), book.line(victim)
    own = next((row for row in reversed(ours) if row not in theirs), None)
    other = next((row for row in reversed(theirs) if row not in ours), None)
    return own, other


def _above(use: Matrix, bound: Matrix, asked: Mask) -> bool:
    return bool(np.any((use > bound) & asked))
