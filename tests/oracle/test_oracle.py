"""The solver and the whole decision reach the optimum that brute force finds."""

from __future__ import annotations

import pytest

from tests.oracle.compare import compare
from tests.oracle.world import draw


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_same_optimum_as_trying_everything(first: int) -> None:
    outcomes = {seed: compare(draw(seed)) for seed in range(first, first + 20)}
    assert {seed: outcome.differs for seed, outcome in outcomes.items() if outcome.differs} == {}
    assert any(outcome.contended for outcome in outcomes.values())
