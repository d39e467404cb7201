"""Bad settings, row by row: `muster run` ends with code 2 and the remedy, before it connects to anything."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scheduler.__main__ import app
from tests.e2e.bad_input import BAD_SETTINGS, BadStart


@pytest.mark.parametrize("row", BAD_SETTINGS, ids=lambda row: row.id)
def test_bad_settings_end_with_code_2_and_a_remedy(tmp_path: Path, row: BadStart) -> None:
    policy, missing = tmp_path / "policy.yaml", tmp_path / "missing.yaml"
    policy.write_text(row.policy)
    arguments = [each.format(policy=policy, missing=missing) for each in row.arguments]
    ended = CliRunner().invoke(app, ["run", *arguments])
    assert ended.exit_code == 2
    assert f"muster: {row.said.format(policy=policy, missing=missing)}" in ended.stderr
    assert ended.stdout == ""


def test_all_troubles_of_a_policy_are_told_at_once(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: two\nbugdet: {}\nrules: [gravity]\n")
    ended = CliRunner().invoke(app, ["run", "--policy", str(policy)])
    assert "policy.yaml:2: bugdet" in ended.stderr
    assert "policy.yaml:3: rules: unknown rule 'gravity'" in ended.stderr
