"""The solver and the whole decision reach the optimum that brute force finds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.oracle.brute import TooLargeError
from tests.oracle.compare import Outcome, compare
from tests.oracle.features import features
from tests.oracle.world import draw


def _compared(seed: int) -> Outcome | None:
    try:
        return compare(draw(seed))
    except TooLargeError:
        return None


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_same_optimum_as_trying_everything(first: int) -> None:
    outcomes = {seed: outcome for seed in range(first, first + 20) if (outcome := _compared(seed)) is not None}
    assert {seed: outcome.differs for seed, outcome in outcomes.items() if outcome.differs} == {}
    assert any(outcome.contended for outcome in outcomes.values())
    assert len(outcomes) > 15


def test_everything_that_can_be_asked_for_is_drawn() -> None:
    drawn = Counter(feature for seed in range(400) for feature in features(draw(seed)))
    assert len(drawn) == 21
    assert min(drawn.values()) > 5, drawn
