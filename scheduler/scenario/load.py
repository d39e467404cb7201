"""From files to scenarios; every fault of a file is reported at once, with line and remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scheduler.scenario.problems import Problem, ScenarioError, key_text
from scheduler.scenario.references import faults
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.yamlfile import Document, read_documents

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Row:
    """A scenario and where it stands."""

    path: Path
    line: int
    scenario: Scenario


def load(path: Path) -> tuple[Row, ...]:
    """The scenarios of one file, one per YAML document. Raises `ScenarioError` with every fault found in it."""
    rows: list[Row] = []
    problems: list[Problem] = []
    for document in read_documents(path):
        try:
            rows.append(Row(path, document.mark.line, _scenario(path, document)))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    if not rows:
        raise ScenarioError(
            [Problem(path, 0, "", "holds no scenario", "a scenario has at least id and nodes or queues")]
        )
    return tuple(rows)


def load_suite(paths: Iterable[Path]) -> tuple[Row, ...]:
    """The scenarios of files and of directories (searched below, in name order). Ids are unique in a suite."""
    rows: list[Row] = []
    problems: list[Problem] = []
    for path in _files(paths, problems):
        try:
            rows += load(path)
        except ScenarioError as error:
            problems += error.problems
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.scenario.id, row)
        if other is not row:
            fault = f"{row.scenario.id!r} stands already in {other.path}:{other.line}"
            problems.append(Problem(row.path, row.line, "id", fault, "give each scenario an id of its own"))
    if problems:
        raise ScenarioError(problems)
    return tuple(rows)


def _files(paths: Iterable[Path], problems: list[Problem]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        below = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
        if not below:
            problems.append(
                Problem(path, 0, "", "holds no scenario files", f"their names end in {' or '.join(SUFFIXES)}")
            )
        found += below
    return found


def _scenario(path: Path, document: Document) -> Scenario:
    try:
        scenario = Scenario.model_validate(document.value)
    except ValidationError as error:
        raise ScenarioError([_problem(path, document, each) for each in error.errors()]) from None
    broken = faults(scenario)
    if broken:
        raise ScenarioError(
            Problem(path, document.mark.nearest(each.location), key_text(each.location), each.fault, each.remedy)
            for each in broken
        )
    return scenario


def _problem(path: Path, document: Document, error: Any) -> Problem:
    context = error.get("ctx") or {}
    location = tuple(error["loc"])
    if location[:2] == ("topologies", 0) and isinstance(document.value, dict) and "topology" in document.value:
        location = ("topology", *location[2:])
    if error["type"] == "unknown_key" and "key" in context:
        location = (*location, context["key"])
    shown = _shown(location, document)
    line = document.mark.nearest(location)
    if error["type"] in ("fault", "unknown_key", "not_a_mapping"):
        return Problem(path, line, shown, error["msg"], "")
    return Problem(path, line, shown, _plain(error), _remedy(error))


def _shown(location: tuple[str | int, ...], document: Document) -> str:
    """The key as the file shows it: parts that only the forms know (union branches) are left out."""
    kept: list[str | int] = []
    mark = document.mark
    for index, part in enumerate(location):
        child = mark.children.get(part)
        if child is not None or index == len(location) - 1:
            kept.append(part)
            mark = child if child is not None else mark
    return key_text(kept)


def _plain(error: Any) -> str:
    if error["type"] == "missing":
        return "is missing"
    got = error.get("input")
    text = str(error["msg"])
    text = text[0].lower() + text[1:]
    return f"{text}, not {got!r}" if isinstance(got, str | int | float | bool) or got is None else text


def _remedy(error: Any) -> str:
    if error["type"] == "missing":
        return "add it"
    return {
        "string_type": "quote it",
        "int_type": "write a whole number",
        "bool_type": "write true or false",
        "tuple_type": "write a list",
        "dict_type": "write a mapping",
        "literal_error": "write one of these",
        "enum": "write one of these",
    }.get(str(error["type"]), "see docs/guide/scenarios.md")
