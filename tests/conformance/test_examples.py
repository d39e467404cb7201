"""The examples of the guide: each is as it says, and the guide names them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scheduler.scenario.load import Row, load_suite
from scheduler.scenario.run import choose_policy, run
from tests.conformance.test_rows import find

DOCS = Path(__file__).parents[2] / "docs"
ROWS = load_suite([DOCS / "scenarios"])


@pytest.mark.parametrize("row", ROWS, ids=[row.scenario.id for row in ROWS])
def test_example(row: Row) -> None:
    chosen = choose_policy(row.scenario.policy, find)
    outcome = run(row.scenario, chosen.policy, chosen.label)
    differences = "\n".join(str(each) for each in outcome.differences)
    assert outcome.status in ("pass", "expected-fail"), f"{outcome.status}\n{differences}"


def test_the_guide_names_every_example() -> None:
    guide = (DOCS / "guide" / "scenarios.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\.\./scenarios/([\w-]+)\.yaml", guide))
    assert named == {path.stem for path in (DOCS / "scenarios").glob("*.yaml")}
