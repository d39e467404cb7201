"""Every row of every conformance series, each under its own test id: `pytest tests/conformance -k kai/TO-10`."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.model.policy import Policy
from scheduler.policyfile import load
from scheduler.scenario.load import Row, load_suite
from scheduler.scenario.run import choose_policy, run
from tests.conformance.control_plane import play

HERE = Path(__file__).parent
ROWS = load_suite([HERE])
POLICIES = HERE.parents[1] / "policies"


def find(profile: str) -> Policy | None:
    path = POLICIES / f"{profile}.yaml"
    return load(path) if path.exists() else None


@pytest.mark.parametrize("row", ROWS, ids=[row.scenario.id for row in ROWS])
def test_row(row: Row) -> None:
    """Strict on both sides: a row marked `expected: fail` that passes is an error too, so no mark grows stale."""
    chosen = choose_policy(row.scenario.policy, find)
    outcome = run(row.scenario, chosen.policy, chosen.label, play)
    differences = "\n".join(str(each) for each in outcome.differences)
    if outcome.status == "expected-fail":
        pytest.xfail(f"{row.scenario.reason}; waits for: {row.scenario.waits_for}")
    assert outcome.status != "unexpected-pass", f"{row.path}:{row.line} passes: remove 'expected'"
    instead = "\n".join(str(each) for each in outcome.instead)
    assert outcome.status in ("pass", "differ"), f"{row.path}:{row.line}\n{instead or differences}"


def test_rows_that_wait_say_for_what() -> None:
    waiting = [row.scenario for row in ROWS if row.scenario.expected == "fail"]
    assert [scenario.id for scenario in waiting if not scenario.waits_for] == []


def test_every_row_states_its_source_and_an_expectation() -> None:
    assert [row.scenario.id for row in ROWS if not row.scenario.source or row.scenario.expect is None] == []
