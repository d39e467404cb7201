"""Worlds that unfold come out the same when the whole engine plays them, with objects, effects and the auditor."""

from __future__ import annotations

import pytest

from scheduler.scenario.expectation import ExpectForm
from scheduler.scenario.load import Row
from scheduler.scenario.run import choose_policy
from tests.conformance.control_plane import play
from tests.conformance.test_rows import ROWS, find

SETTLES_SECONDS = 120.0

MORE_ON_THE_WAY = {"kueue/FI-06": "by final and initial shares some jobs come and go before the same end is reached"}

# Flavors and random terminations are not translated to objects.
UNFOLDING = [
    row
    for row in ROWS
    if row.scenario.unfolds
    and row.scenario.engine is None
    and row.scenario.expected == "pass"
    and not row.scenario.flavors
    and row.scenario.termination.up_to is None
]


@pytest.mark.parametrize("row", UNFOLDING, ids=[row.scenario.id for row in UNFOLDING])
def test_the_engine_comes_to_the_same_end(row: Row) -> None:
    scenario = row.scenario.model_copy(update={"engine": SETTLES_SECONDS})
    if row.scenario.id in MORE_ON_THE_WAY and scenario.expect is not None:
        end = ExpectForm(after="settled", use=scenario.expect.use, others="any")
        scenario = scenario.model_copy(update={"expect": end})
    found = play(scenario, choose_policy(scenario.policy, find).policy)
    assert [str(each) for each in found] == []
