"""What entitles a gang to take from another queue, where a policy compares queues otherwise than by fair shares.

``kueue-classic``: who takes stays within a guarantee on his line; or he borrows and his queue lets him take while it
does. ``kueue-fair``: his branch's dominant share afterwards against the victim's, before and after each loss.
Source: Kueue's preemption (classical, hierarchical and fair), in the form of rooms and floors.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

import numpy as np

from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.permission import Permission
from scheduler.model.cluster import Mask
from scheduler.model.resources import Matrix
from scheduler.solver.giving import Right, Room

BORROWING = "Borrowing"
OWN_SETS_MAX = 16
"""Sets of own victims that are told apart, each with a share of its own afterwards."""


def classic_rights(book: Ledger, by: int, ours: int, ask: Matrix, *, borrows: bool) -> tuple[Right, ...]:
    """One for each queue on the taker's line that would stay within its guarantee: up to the branch, and the common
    ancestor where that one has a guarantee inside a larger tree. A last one where he may take while he borrows."""
    line = book.line(by)
    rows = line[: line.index(ours) + 1]
    common = book.parents[ours]
    if common >= 0 and book.parents[common] >= 0:
        rows = [*rows, common]
    floors = tuple(map(tuple, book.guaranteed.tolist()))
    asked = tuple(bool(each) for each in ask > 0)
    rights = [
        Right(Permission.GUARANTEE.value, (_room(row, book.guaranteed[row], ask),), floors, asked) for row in rows
    ]
    return (*rights, Right(BORROWING, (), floors, asked)) if borrows else tuple(rights)


def fair_rights(
    book: Ledger, ours: int, taken: Sequence[Matrix], rules: Sequence[str], own_victims: Sequence[Matrix]
) -> tuple[Right, ...]:
    """``taken`` [K] are the amounts that he may come to take, ``own_victims`` [K] what lower work of his own queue
    could leave to him, one by one.

    Each amount and each set of them makes another share of his branch afterwards, and so other floors: by
    ``InitialShare`` a unit goes while its branch has more than that, by ``FinalShare`` its branch has as much even when
    it is gone. Nothing is compared where he stays within his guarantee in what is short.
    """
    rights: dict[Right, None] = {}
    for ask in taken:
        asked = ask > 0
        short = _short(book, ask)
        for gone in _sums(own_victims, len(ask)):
            after = book.use[ours] + ask - gone
            rooms = (_room(ours, after, ask),)
            if bool((after <= book.guaranteed[ours])[short].all()):
                floors = tuple(map(tuple, book.guaranteed.tolist()))
                rights[Right(Permission.GUARANTEE.value, rooms, floors, tuple(short.tolist()))] = None
                continue
            for rule in rules:
                final = rule == "FinalShare"
                floors = _floors(book, ours, after, up=final)
                right = Right(Permission.FAIR_SHARE.value, rooms, floors, tuple(asked.tolist()), keep=final)
                rights[right] = None
    return tuple(rights)


def _short(book: Ledger, ask: Matrix) -> Mask:
    """Of what is asked for, the columns in which there is too little left; all of them where it is only scattered."""
    left = np.maximum(np.array(book.total) - book.use[book.children(-1)].sum(axis=0), 0)
    short: Mask = ask > left
    return short if short.any() else ask > 0


def _floors(book: Ledger, ours: int, after: Matrix, *, up: bool) -> tuple[tuple[int, ...], ...]:
    """[row][column] the use at which a sibling of ours has the share that ours has with ``after``; elsewhere the
    guarantee. Rounded up where a queue is to stay at it, down where it is to be above."""
    columns, could_lend = book.could_lend
    lend = could_lend[book.parents[ours]].tolist()
    above = np.maximum(after - book.guaranteed[ours], 0)
    ratio = max(
        (Fraction(int(above[own].sum()), amount) for own, amount in zip(columns, lend, strict=True) if amount),
        default=Fraction(0),
    )
    found = book.guaranteed.copy()
    weight = book.queues[ours].weight
    for row in book.children(book.parents[ours]):
        other = book.queues[row].weight
        if row == ours or not ratio or (weight and not other):
            continue
        if other and not weight:
            found[row] = BOUNDLESS
            continue
        share = ratio * other / weight if weight else ratio
        for own, amount in zip(columns, lend, strict=True):
            exact = share * amount
            found[row, own] = book.guaranteed[row, own] + (ceil(exact) if up else floor(exact))
    return tuple(map(tuple, found.tolist()))


def _sums(own_victims: Sequence[Matrix], width: int) -> list[Matrix]:
    """What different sets of own victims leave, nothing first; no more than `OWN_SETS_MAX`."""
    found: dict[tuple[int, ...], None] = {(0,) * width: None}
    for each in own_victims:
        for known in list(found):
            if len(found) < OWN_SETS_MAX:
                found.setdefault(tuple(a + int(b) for a, b in zip(known, each, strict=True)))
    return [np.array(each, dtype=np.int64) for each in found]


def _room(row: int, most: Matrix, ask: Matrix) -> Room:
    """What a queue may use in the columns that are asked for; elsewhere nothing binds."""
    return Room(row, tuple(np.where(ask > 0, most, BOUNDLESS).tolist()))
