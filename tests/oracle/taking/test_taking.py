"""The scheduler's victims and moves cost no more than the cheapest that trying everything finds."""

from __future__ import annotations

import pytest

from tests.oracle.taking.compare import Outcome, compare
from tests.oracle.taking.world import draw


@pytest.mark.parametrize("first", [0, 100, 400, 500])
def test_same_cost_as_trying_everything(first: int) -> None:
    outcomes: dict[int, Outcome] = {seed: compare(draw(seed)) for seed in range(first, first + 100)}
    assert {seed: outcome.differs for seed, outcome in outcomes.items() if outcome.differs} == {}
    assert sum(outcome.takes for outcome in outcomes.values()) > 10
