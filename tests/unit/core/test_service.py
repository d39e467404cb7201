"""The order of service on trees worked out by hand; asks are whole GPUs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.queues.ledger import Ledger, ledger
from scheduler.core.queues.service import Service, service_key
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU, Matrix

COLUMN = (GPU, "")


def queue(name: str, guaranteed: int, parent: str = "", priority: int = 0, created: float = 0.0) -> Queue:
    quota = Quota(GPU, guaranteed=guaranteed * 1000)
    return Queue(name, parent=parent, priority=priority, quotas=(quota,), created_seconds=created)


def book(use: Mapping[str, int], *queues: Queue, total: int = 20) -> Ledger:
    amounts = {name: {COLUMN: each * 1000} for name, each in use.items()}
    return ledger({each.name: each for each in queues}, {COLUMN: total * 1000}, amounts, amounts)


def gpus(count: int) -> Matrix:
    return np.array([count * 1000], dtype=np.int64)


def order(ledger_: Ledger, waiting: Mapping[str, list[int]]) -> list[str]:
    work = {
        name: [(f"{name}{number}", gpus(count)) for number, count in enumerate(each)] for name, each in waiting.items()
    }
    return list(Service(ledger_, work))


def test_inside_the_guarantee_goes_before_borrowing_whatever_the_priority() -> None:
    tree = book({"a": 2, "b": 0}, queue("a", 2, priority=5), queue("b", 2))
    assert order(tree, {"a": [1], "b": [1]}) == ["b0", "a0"]


def test_beyond_the_guarantee_priority_decides() -> None:
    tree = book({"a": 20, "b": 3}, queue("a", 2, priority=1), queue("b", 2), total=100)
    assert order(tree, {"b": [1], "a": [1]}) == ["a0", "b0"]


def test_what_was_picked_counts_before_the_next_is_picked() -> None:
    tree = book({}, *(queue(name, 1, created=at) for at, name in enumerate("abcd")))
    assert order(tree, {"a": [1, 1], "b": [1, 1], "c": [1], "d": [1]}) == ["a0", "b0", "c0", "d0", "a1", "b1"]


def test_the_parents_are_compared_before_their_children() -> None:
    tree = book({}, queue("d1", 1), queue("d2", 2), queue("a", 3, "d1"), queue("b", 2, "d1"), queue("c", 1, "d2"))
    assert order(tree, {"a": [1], "b": [1], "c": [1]})[0] == "c0"


def test_equal_after_placing_the_emptier_queue_is_first() -> None:
    tree = book({"a": 2}, queue("a", 3), queue("b", 2, created=1.0))
    assert order(tree, {"a": [1], "b": [2]}) == ["b0", "a0"]


def test_equal_before_and_after_the_smaller_ask_is_first() -> None:
    tree = book({"a": 2, "b": 1}, queue("a", 4), queue("b", 2, created=1.0))
    assert order(tree, {"a": [2], "b": [1]}) == ["b0", "a0"]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 3), max_size=3), min_size=3, max_size=3),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
)
def test_the_heaps_pick_what_comparing_all_queues_would(asks: list[list[int]], guarantees: list[int]) -> None:
    names = ("a", "b", "c")
    queues = [queue(name, guarantee) for name, guarantee in zip(names, guarantees, strict=True)]
    waiting = {name: list(each) for name, each in zip(names, asks, strict=True)}
    use = dict.fromkeys(names, 0)
    expected = []
    left = {name: list(each) for name, each in waiting.items()}
    while any(left.values()):
        tree = book(use, *queues)
        best = min(
            (name for name in names if left[name]),
            key=lambda name: service_key(tree, tree.row(name), gpus(left[name][0])),
        )
        expected.append(f"{best}{len(waiting[best]) - len(left[best])}")
        use[best] += left[best].pop(0)
    assert order(book({}, *queues), waiting) == expected
