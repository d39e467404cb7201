"""What goes when a limit was lowered: as much as is too much, never more."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.leaving.over_limit import best_subset


def chosen(sizes: list[int], excess: int) -> list[int]:
    return [sizes[index] for index in best_subset(sizes, excess)]


def test_never_more_than_the_excess() -> None:
    assert chosen([10, 8], 8) == [8]


def test_the_largest_that_does_not_exceed_it() -> None:
    assert chosen([9, 11], 10) == [9]


def test_the_best_rather_than_the_first() -> None:
    assert chosen([5, 6, 9], 10) == [9]


def test_the_best_sum_of_several() -> None:
    assert chosen([5, 6, 3, 4], 8) == [5, 3]


def test_of_equal_sums_those_named_first() -> None:
    assert best_subset([2, 2, 2], 4) == [0, 1]


def test_nothing_when_everything_is_too_large() -> None:
    assert best_subset([9, 11], 8) == []


def test_amounts_in_bytes_are_no_trouble() -> None:
    gib = 2**30
    assert chosen([3 * gib, 5 * gib + 1, 2 * gib], 5 * gib) == [3 * gib, 2 * gib]


@given(st.lists(st.integers(0, 12), max_size=7), st.integers(0, 30))
def test_no_other_set_comes_closer(sizes: list[int], excess: int) -> None:
    sums = (sum(each) for count in range(len(sizes) + 1) for each in combinations(sizes, count))
    assert sum(chosen(sizes, excess)) == max(total for total in sums if total <= excess)
