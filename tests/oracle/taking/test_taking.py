"""The scheduler's victims and moves cost no more than the cheapest that trying everything finds."""

from __future__ import annotations

import pytest

from tests.oracle.taking.brute import TooLargeError
from tests.oracle.taking.compare import Outcome, compare
from tests.oracle.taking.world import draw


def _compared(seed: int) -> Outcome | None:
    try:
        return compare(draw(seed))
    except TooLargeError:
        return None


@pytest.mark.parametrize("first", range(0, 240, 60))
def test_same_cost_as_trying_everything(first: int) -> None:
    outcomes = {seed: outcome for seed in range(first, first + 60) if (outcome := _compared(seed)) is not None}
    assert {seed: outcome.differs for seed, outcome in outcomes.items() if outcome.differs} == {}
    assert sum(outcome.takes for outcome in outcomes.values()) > 10
