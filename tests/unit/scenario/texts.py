"""Scenarios from text, for tests of the format."""

from __future__ import annotations

from pathlib import Path

from scheduler.scenario.load import load
from scheduler.scenario.problems import ScenarioError
from scheduler.scenario.scenario import Scenario


def scenario(directory: Path, text: str) -> Scenario:
    """The one scenario that a text holds."""
    path = directory / "row.yaml"
    path.write_text(text, encoding="utf-8")
    (row,) = load(path)
    return row.scenario


def problems(directory: Path, text: str) -> list[str]:
    """The faults of a text, each as ``line: key: words``."""
    path = directory / "row.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load(path)
    except ScenarioError as error:
        return [str(each).removeprefix(f"{path}:") for each in error.problems]
    return []
