"""The laws of dividing one amount among siblings, on random claims."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
from hypothesis import given

from scheduler.core.queues.divide import BOUNDLESS, Claim, corrected_weights, divide

amounts = st.integers(0, 40)
claims = st.builds(
    Claim,
    guaranteed=amounts,
    request=amounts,
    limit=st.one_of(st.just(BOUNDLESS), amounts),
    weight=st.fractions(0, 4, max_denominator=4),
    priority=st.integers(0, 2),
)
families = st.lists(claims, min_size=1, max_size=6)


@given(st.integers(0, 120), families)
def test_nobody_gets_more_than_it_wants_and_nothing_is_made_up(total: int, family: list[Claim]) -> None:
    shares = divide(total, family)
    assert all(0 <= share <= claim.want for share, claim in zip(shares, family, strict=True))
    assert sum(shares) <= total


@given(st.integers(0, 120), families)
def test_what_is_left_is_wanted_by_nobody(total: int, family: list[Claim]) -> None:
    shares = divide(total, family)
    assert sum(shares) == min(total, sum(claim.want for claim in family))


@given(st.integers(0, 120), families)
def test_guarantees_that_fit_together_are_met(total: int, family: list[Claim]) -> None:
    sure = [min(claim.guaranteed, claim.want) for claim in family]
    if sum(sure) <= total:
        assert all(share >= least for share, least in zip(divide(total, family), sure, strict=True))


@given(st.integers(0, 120), families, st.integers(0, 20))
def test_more_to_divide_takes_from_nobody_by_more_than_a_unit(total: int, family: list[Claim], more: int) -> None:
    """Largest remainders may move a single unit from one sibling to another; never more."""
    before, after = divide(total, family), divide(total + more, family)
    assert all(later >= earlier - 1 for earlier, later in zip(before, after, strict=True))


@given(st.integers(0, 60), st.integers(2, 5), st.integers(0, 40))
def test_equals_differ_by_at_most_one_unit_and_the_older_has_it(total: int, count: int, request: int) -> None:
    shares = divide(total, [Claim(0, request)] * count)
    assert shares == sorted(shares, reverse=True)
    assert max(shares) - min(shares) <= 1


@given(st.integers(0, 60), families)
def test_units_are_whole_unless_a_want_is_not(total: int, family: list[Claim]) -> None:
    """In units of 4, whoever holds a part of a unit is filled up, held to a guarantee, or has the last rest."""
    shares = divide(total, family, 4)
    odd = [
        index
        for index, claim in enumerate(family)
        if (shares[index] - min(claim.guaranteed, claim.want)) % 4 and shares[index] != claim.want
    ]
    assert len(odd) <= max(1, sum(min(claim.guaranteed, claim.want) > 0 for claim in family))


@given(st.lists(st.fractions(Fraction(1, 4), 4, max_denominator=4), min_size=1, max_size=5))
def test_past_use_in_proportion_to_weight_changes_no_proportion(weights: list[Fraction]) -> None:
    past = [int(weight * 12) for weight in weights]
    corrected = corrected_weights(weights, past, Fraction(3))
    assert [each / sum(corrected) for each in corrected] == [each / sum(weights) for each in weights]
