"""`muster decide`: what it prints and how it ends. These worlds place everything at once, so no solver is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scheduler.model.policy import Policy
from scheduler.scenario.command import decide_command

FITS = "id: x/A-01\nnodes: {n0: 2}\ngangs: [{name: a, gpu: 1}]\nexpect: {placed: [a]}\n"
DOES_NOT = "id: x/A-02\ntag: P\nnodes: {n0: 2, n1: 0}\ngangs: [{name: a, gpu: 1}]\nexpect: {pending: [a]}\n"
ON_PURPOSE = "expected: differ\ninstead: {where: {a: n0}}\nreason: better so\n"
MARK = "expected: fail\nreason: not yet\nwaitsFor: a rule\n"


def _file(directory: Path, *texts: str) -> list[Path]:
    path = directory / "rows.yaml"
    path.write_text("---\n".join(texts), encoding="utf-8")
    return [path]


@pytest.mark.parametrize(
    ("texts", "code", "line"),
    [
        ([FITS], 0, "pass  x/A-01 [S]"),
        ([DOES_NOT], 1, "FAIL  x/A-02 [P]\n      a: expected to wait, found 1 pods placed on n0 1"),
        ([DOES_NOT + MARK], 0, "xfail x/A-02 [P] not yet (waits for: a rule)"),
        ([FITS + MARK], 1, "FAIL  x/A-01 [S]\n      passes, but is marked 'expected: fail'"),
        (
            [FITS, DOES_NOT + MARK],
            0,
            "series  rows  passed  failed as expected  S    P\nx/A     2     1       1                   1/1  0/1",
        ),
        ([DOES_NOT + ON_PURPOSE], 0, "differ x/A-02 [P] better so"),
        ([FITS + ON_PURPOSE], 1, "FAIL  x/A-01 [S]\n      passes, but is marked 'expected: differ'"),
        (
            [DOES_NOT + ON_PURPOSE.replace("n0", "n1")],
            1,
            "FAIL  x/A-02 [P]\n      a: expected all pods on n1, found n0 1",
        ),
    ],
)
def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str], texts: list[str], code: int, line: str) -> None:
    assert decide_command(_file(tmp_path, *texts), True, "text", None) == code
    assert line in capsys.readouterr().out


def test_the_plan_as_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "id: x/1\nnodes: {n0: 2}\ngangs: [{name: a, pods: 2, gpu: 1}, {name: b, gpu: 5}]\n"
    assert decide_command(_file(tmp_path, text), False, "text", None) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["a", "default", "2", "of", "2", "2", "n0", "x2"] in lines
    assert any(line[:3] == ["b", "default", "Blocked"] for line in lines)


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_the_plan_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, parse: object) -> None:
    text = "id: x/1\nnodes: {n0: 2}\ngangs: [{name: a, pods: 2, gpu: 1}, {name: b, gpu: 5}]\n"
    assert decide_command(_file(tmp_path, text), False, output, None) == 0  # type: ignore[arg-type]
    data = parse(capsys.readouterr().out)  # type: ignore[operator]
    assert data["decisions"] == [
        {
            "gang": "a",
            "queue": "default",
            "places": [{"member": "pods", "nodes": {"n0": 2}}],
            "victims": [],
            "moves": [],
        }
    ]
    assert data["verdicts"]["a"]["cause"] == "Placed"
    assert data["verdicts"]["b"]["cause"] == "Blocked"
    assert data["verdicts"]["b"]["reasons"][0]["sentence"]
    assert data["solves"][0]["scores"]


@pytest.mark.parametrize(
    ("text", "policy", "words"),
    [
        ("id: x/1\nnods: 1\n", None, "rows.yaml:2: nods: is not a key of this form; did you mean 'nodes'?"),
        ("id: x/1\nnodes: {n0: 1}\n", "kay", "rows.yaml:1: policy: policy 'kay' does not exist"),
        ("id: x/1\nnodes: {n0: 1}\n", None, "rows.yaml:1: expects nothing; add expect"),
    ],
)
def test_bad_input_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, policy: str | None, words: str
) -> None:
    assert decide_command(_file(tmp_path, text), True, "text", policy) == 2
    assert words in capsys.readouterr().err


def test_policies_are_found_by_name_and_a_peers_missing_profile_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"default": Policy(), "mine": Policy(name="mine")}
    files = _file(tmp_path, FITS, FITS.replace("A-01", "A-02") + "policy: kai\n")
    assert decide_command(files, False, "text", None, known.get) == 0
    printed = capsys.readouterr().out
    assert "x/A-01  (policy default)" in printed
    assert "x/A-02  (policy default (kai is not written yet))" in printed
    assert decide_command(files, False, "text", "mine", known.get) == 0
    assert "(policy mine)" in capsys.readouterr().out


def test_reading_scenarios_does_not_load_the_solver() -> None:
    script = "import sys, scheduler.scenario.command; sys.exit('ortools' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[3]).returncode == 0
