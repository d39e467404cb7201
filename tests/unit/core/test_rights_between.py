"""Kueue's comparisons as rooms and floors, by numbers that can be followed by hand."""

from __future__ import annotations

import numpy as np

from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.ledger import Ledger, ledger
from scheduler.core.taking.rights_between import BORROWING, classic_rights, fair_rights
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU, Matrix


def _queue(name: str, parent: str = "", guaranteed: int = 0, weight: int = 1, age: int = 0) -> Queue:
    return Queue(name, parent=parent, quotas=(Quota(GPU, guaranteed=guaranteed),), weight=weight, created_seconds=age)


def _book(total: int, use: dict[str, int], *queues: Queue) -> Ledger:
    amounts = {name: {(GPU, ""): each} for name, each in use.items()}
    return ledger({queue.name: queue for queue in queues}, {(GPU, ""): total}, amounts, amounts)


def _amount(value: int) -> Matrix:
    return np.array([value])


def test_classic_stays_within_any_guarantee_on_the_line_up_to_the_branch() -> None:
    """q has no quota of its own, c above it has four: q may take while c stays within them."""
    book = _book(5, {"z": 4}, _queue("r", guaranteed=5), _queue("c", "r", 4), _queue("q", "c"), _queue("z", "r"))
    rights = classic_rights(book, book.row("q"), book.row("c"), _amount(3), borrows=False)
    assert [(right.name, [(room.row, room.most) for room in right.rooms]) for right in rights] == [
        ("Guarantee", [(book.row("q"), (0,))]),
        ("Guarantee", [(book.row("c"), (4,))]),
    ]
    assert rights[0].floors[book.row("z")] == (0,)


def test_classic_counts_the_common_ancestor_inside_a_larger_tree_and_borrows_where_it_may() -> None:
    tree = (_queue("r", guaranteed=5), _queue("c", "r", 4), _queue("q", "c"), _queue("k", "c"))
    book = _book(5, {"k": 1}, *tree)
    rights = classic_rights(book, book.row("q"), book.row("q"), _amount(3), borrows=True)
    assert [[room.row for room in right.rooms] for right in rights] == [[book.row("q")], [book.row("c")], []]
    assert rights[-1].name == BORROWING


def test_fair_compares_shares_after_with_those_of_every_sibling() -> None:
    """a would be 2 above 3 with weight 2, so 1/9: b is at the same share with 3 + 1."""
    book = _book(9, {"a": 3, "b": 6}, _queue("a", guaranteed=3, weight=2), _queue("b", guaranteed=3, age=1))
    initial, final = fair_rights(book, book.row("a"), (_amount(2),), ("InitialShare", "FinalShare"), ())
    assert (initial.floors[book.row("b")], initial.keep) == ((4,), False)
    assert (final.floors[book.row("b")], final.keep) == ((4,), True)
    assert [room.most for room in initial.rooms] == [(5,)]


def test_fair_rounds_towards_the_victim_where_it_stays_and_away_where_it_only_was_above() -> None:
    """a would be 1 above with weight 2, which is half a GPU of b."""
    book = _book(9, {"a": 3, "b": 6}, _queue("a", guaranteed=3, weight=2), _queue("b", guaranteed=3, age=1))
    initial, final = fair_rights(book, book.row("a"), (_amount(1),), ("InitialShare", "FinalShare"), ())
    assert (initial.floors[book.row("b")], final.floors[book.row("b")]) == ((3,), (4,))


def test_fair_compares_nothing_within_the_guarantee() -> None:
    book = _book(9, {"a": 2, "b": 7}, _queue("a", guaranteed=3), _queue("b", guaranteed=3, age=1))
    (only,) = fair_rights(book, book.row("a"), (_amount(1),), ("FinalShare",), ())
    assert (only.name, only.floors[book.row("b")], only.keep) == ("Guarantee", (3,), False)


def test_own_victims_lower_the_share_afterwards() -> None:
    book = _book(9, {"a": 3, "b": 6}, _queue("a", guaranteed=3), _queue("b", guaranteed=3, age=1))
    rights = fair_rights(book, book.row("a"), (_amount(4),), ("InitialShare",), (_amount(1), _amount(2)))
    assert {right.rooms[0].most: right.floors[book.row("b")] for right in rights} == {
        (7,): (7,),
        (6,): (6,),
        (5,): (5,),
        (4,): (4,),
    }


def test_a_weight_of_nothing_is_beyond_every_share_and_equal_to_its_like() -> None:
    tree = (_queue("a", weight=0), _queue("b", weight=0, age=1), _queue("c", age=2))
    book = _book(8, {"a": 8}, *tree)
    (by_b,) = fair_rights(book, book.row("b"), (_amount(4),), ("InitialShare",), ())
    assert (by_b.floors[book.row("a")], by_b.floors[book.row("c")]) == ((4,), (BOUNDLESS,))
    (by_c,) = fair_rights(book, book.row("c"), (_amount(4),), ("InitialShare",), ())
    assert by_c.floors[book.row("a")] == (0,)
