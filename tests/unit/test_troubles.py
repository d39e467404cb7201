"""The documentation of troubles has every row of the table of bad input, with the message as it is really said."""

from pathlib import Path

import pytest

from tests.e2e.bad_input import BAD_SETTINGS, BAD_STARTS, BAD_WORK, BadStart, BadWork

TROUBLES = Path(__file__).resolve().parents[2] / "docs" / "reference" / "troubles.md"


@pytest.mark.parametrize("row", [*BAD_WORK, *BAD_SETTINGS, *BAD_STARTS], ids=lambda row: row.id)
def test_users_find_the_message_in_the_documentation(row: BadWork | BadStart) -> None:
    lines = [line for line in TROUBLES.read_text().splitlines() if f'<a id="{row.id}"></a>' in line]
    assert len(lines) == 1, f"{TROUBLES.name} needs one row with the anchor {row.id}"
    assert f"`{row.said.format(policy='policy.yaml', missing='missing.yaml')}" in lines[0]
