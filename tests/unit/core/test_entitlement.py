"""Entitlement against tables worked out by hand, in whole GPUs: what each number of the tree is there for."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from scheduler.core.queues.divide import Claim, divide
from scheduler.core.queues.dominant import dominant_share
from scheduler.core.queues.ledger import Ledger, ledger
from scheduler.core.queues.service import service_key
from scheduler.core.taking.permission import Permission, may_reclaim
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import CPU, GPU, Matrix

COLUMN = (GPU, "")


def queue(
    name: str, parent: str = "", priority: int = 0, guaranteed: int | None = None, lendable: int | None = None
) -> Queue:
    amounts = [None if each is None else each * 1000 for each in (guaranteed, lendable)]
    return Queue(
        name, parent=parent, priority=priority, quotas=(Quota(GPU, guaranteed=amounts[0], lendable=amounts[1]),)
    )


def book(total: int, request: Mapping[str, int], *queues: Queue, firm: Mapping[str, int] | None = None) -> Ledger:
    """Requests are used, too."""
    amounts = {name: {COLUMN: each * 1000} for name, each in request.items()}
    held = {name: {COLUMN: each * 1000} for name, each in (firm or {}).items()}
    return ledger({each.name: each for each in queues}, {COLUMN: total * 1000}, amounts, amounts, firm=held)


def fair(tree: Ledger, name: str) -> int:
    return int(tree.fair[tree.row(name), tree.columns.index(COLUMN)]) // 1000


def gpus(count: int) -> Matrix:
    return np.array([count * 1000], dtype=np.int64)


def test_the_largest_remainder_has_the_unit_that_is_left_not_the_oldest() -> None:
    """Of 10, weights 1 and 2 have parts of 3 1/3 and 6 2/3: the second has the larger rest."""
    assert divide(10, [Claim(0, 99), Claim(0, 99, weight=Fraction(2))]) == [3, 7]


def test_children_divide_what_their_parent_is_entitled_to_not_the_whole() -> None:
    tree = book(12, {"a": 9, "b": 9, "c": 9}, queue("left"), queue("right"), queue("a", "left"), queue("b", "left"),
                queue("c", "right"))  # fmt: skip
    assert [fair(tree, name) for name in ("left", "right", "a", "b", "c")] == [6, 6, 3, 3, 6]


def test_an_unset_guarantee_is_the_sum_of_the_childrens_and_a_stated_zero_is_none() -> None:
    children = (queue("a", "unset", guaranteed=3), queue("b", "zero", guaranteed=3))
    tree = book(9, {}, queue("unset"), queue("zero", guaranteed=0), *children)
    assert tree.guaranteed[[tree.row("unset"), tree.row("zero")], 0].tolist() == [3000, 0]


def test_a_weight_of_one_resource_counts_for_that_resource_alone() -> None:
    heavy = Queue("heavy", quotas=(Quota(GPU, weight=3), Quota(CPU)))
    amounts = {name: {COLUMN: 99_000, (CPU, ""): 99_000} for name in ("heavy", "plain")}
    tree = ledger({"heavy": heavy, "plain": Queue("plain")}, {COLUMN: 8000, (CPU, ""): 8000}, amounts, amounts)
    shares = {column: tree.fair[:, index].tolist() for index, column in enumerate(tree.columns)}
    assert shares == {COLUMN: [6000, 2000], (CPU, ""): [4000, 4000]}


def test_what_a_guarantee_keeps_to_itself_cannot_be_borrowed_against() -> None:
    """10 in all, 5 of them guaranteed elsewhere and 1 of those lent: of 6 that could be lent, 3 are half."""
    tree = book(10, {"a": 5}, queue("a", guaranteed=2), queue("b", guaranteed=5, lendable=1))
    assert dominant_share(tree, tree.row("a")) == 500


def test_work_that_cannot_be_taken_back_may_fill_its_guarantee_and_not_exceed_it() -> None:
    queues = (queue("a", guaranteed=3), queue("b", guaranteed=1))
    tree = book(6, {"a": 2, "b": 4}, *queues, firm={"a": 2})
    rows = tree.row("a"), tree.row("b")
    assert may_reclaim(tree, *rows, gpus(1), preemptible=False) is Permission.GUARANTEE
    assert may_reclaim(tree, *rows, gpus(2), preemptible=False) is None


def test_filling_a_guarantee_exactly_is_inside_it() -> None:
    tree = book(9, {}, queue("a", guaranteed=2), queue("b", priority=5))
    assert service_key(tree, tree.row("a"), gpus(2)) < service_key(tree, tree.row("b"), gpus(2))
    assert service_key(tree, tree.row("a"), gpus(3)) > service_key(tree, tree.row("b"), gpus(3))
