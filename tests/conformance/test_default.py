"""KAI's strict rows hold under the default policy as well. Where they do not, the reason stands here."""

from __future__ import annotations

import pytest

from scheduler.scenario.load import Row
from scheduler.scenario.run import choose_policy, run
from tests.conformance.control_plane import play
from tests.conformance.test_rows import ROWS

EXCEPTIONS = {"kai/FS-05": "a queue of weight 0 shares what is left over last, instead of getting none of it"}

STRICT = [
    row
    for row in ROWS
    if row.scenario.id.startswith("kai/") and row.scenario.tag == "S" and row.scenario.expected == "pass"
]


@pytest.mark.parametrize("row", STRICT, ids=[row.scenario.id for row in STRICT])
def test_row_under_default(row: Row) -> None:
    switches = row.scenario.policy.model_copy(update={"profile": "default"})
    outcome = run(row.scenario, choose_policy(switches).policy, play_engine=play)
    differences = "\n".join(str(each) for each in outcome.differences)
    if row.scenario.id in EXCEPTIONS:
        assert outcome.differences, f"{row.scenario.id} holds under default: it is no exception any more"
        return
    assert not outcome.differences, f"{row.path}:{row.line}\n{differences}"


def test_exceptions_are_rows() -> None:
    assert EXCEPTIONS.keys() - {row.scenario.id for row in STRICT} == set()
