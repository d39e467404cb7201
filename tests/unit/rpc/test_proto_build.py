"""The checks on the .proto sources catch what they are there for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = "proto/muster/solver/v1/solver.proto"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of everything that the checks look at, to be harmed."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "scheduler/rpc/pb", tmp_path / "scheduler/rpc/pb", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def build(tree: Path, action: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(tree / "proto/build.py"), action]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def change(tree: Path, old: str, new: str) -> None:
    source = tree / SOURCE
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))


def test_the_sources_and_what_is_made_from_them_are_in_order(tree: Path) -> None:
    done = build(tree, "check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("repeated sint32 parent = 1;", "repeated sint32 parent = 99;", 'Previously present field "1"'),
        ("repeated sint32 count = 2;", "repeated int32 count = 2;", "changed type"),
        ("uint64 variables = 3;", "", 'Previously present field "3"'),
        ("END_OPTIMAL = 1", "END_OPTIMAL = 6", 'Previously present enum value "1"'),
        ("returns (stream SolveResponse)", "returns (SolveResponse)", "server streaming"),
    ],
)
@pytest.mark.parametrize("action", ["check", "accept"])
def test_a_change_that_breaks_others_is_refused(tree: Path, action: str, old: str, new: str, complaint: str) -> None:
    change(tree, old, new)
    if action == "check":
        build(tree, "generate")
        subprocess.run([Path(sys.executable).with_name("buf"), "format", "-w", "proto"], cwd=tree, check=True)
    done = build(tree, action)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_an_addition_is_accepted_once_the_code_is_generated(tree: Path) -> None:
    change(tree, "  uint64 variables = 3;", "  uint64 variables = 3;\n  uint64 constraints = 4;")
    done = build(tree, "check")
    assert "scheduler/rpc/pb is not what the sources give: muster/solver/v1/solver_pb2.py" in done.stderr
    assert build(tree, "generate").returncode == 0
    assert build(tree, "check").returncode == 0
    assert build(tree, "accept").returncode == 0
    change(tree, "  uint64 constraints = 4;", "  uint64 constraints = 5;")
    assert build(tree, "accept").returncode != 0


def test_generated_code_that_was_edited_is_noticed(tree: Path) -> None:
    with (tree / "scheduler/rpc/pb/muster/solver/v1/solver_pb2.pyi").open("a") as stub:
        stub.write("# by hand\n")
    assert "solver_pb2.pyi" in build(tree, "check").stderr
