"""``muster decide``: plans of scenario files, printed, and with ``--check`` compared with what the files expect."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml

from scheduler.scenario.load import Row, load_suite
from scheduler.scenario.problems import Problem, ScenarioError
from scheduler.scenario.progress import told_while_deciding
from scheduler.scenario.run import ChosenPolicy, FindPolicy, Outcome, PlayEngine, choose_policy, only_default, run
from scheduler.scenario.scenario import TAGS, PolicyForm
from scheduler.scenario.show import as_data, as_text

Output = Literal["text", "yaml", "json"]

AS_EXPECTED, NOT_AS_EXPECTED, BAD_INPUT = 0, 1, 2


def decide_command(
    files: list[Path],
    check: bool,
    output: Output,
    policy: str | None,
    find_policy: FindPolicy = only_default,
    play_engine: PlayEngine | None = None,
) -> int:
    """Decide every scenario of files and directories; ``policy`` takes the place of what the files name. Scenarios that
    are about the whole engine are left out, unless ``play_engine`` plays them.

    The answer is the exit code: 0, 1 (with ``check``: a row fails, or passes unexpectedly), 2 (bad input, on stderr).
    """
    try:
        rows = load_suite(files)
        chosen = [_policy(row, policy, find_policy) for row in rows]
    except ScenarioError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return BAD_INPUT
    without = [row for row in rows if row.scenario.expect is None]
    if check and without and len(without) == len(rows):
        row = without[0]
        print(Problem(row.path, row.line, "", "expects nothing", "add expect, or leave --check out"), file=sys.stderr)
        return BAD_INPUT
    outcomes = []
    for row, each in zip(rows, chosen, strict=True):
        with told_while_deciding(row.scenario.id):
            outcome = run(row.scenario, each.policy, each.label, play_engine)
        outcomes.append(outcome)
        if output == "text":
            print("\n".join(_lines(outcome)) if check else as_text(outcome) + "\n")
    if output != "text":
        _print_data(outcomes, output)
    elif check and len(outcomes) > 1:
        print("\n".join(_summary(outcomes)))
    broken = any(outcome.status in ("fail", "unexpected-pass") for outcome in outcomes)
    return NOT_AS_EXPECTED if check and broken else AS_EXPECTED


def _policy(row: Row, policy: str | None, find: FindPolicy) -> ChosenPolicy:
    form = row.scenario.policy if policy is None else PolicyForm(profile=policy)
    try:
        return choose_policy(form, find)
    except ValueError as error:
        remedy = "name a file of policies/ without its suffix"
        raise ScenarioError([Problem(row.path, row.line, "policy", str(error), remedy)]) from None


def _lines(outcome: Outcome) -> list[str]:
    """One line per row; a difference more takes a line of its own."""
    scenario = outcome.scenario
    head = f"{scenario.id} [{scenario.tag}]"
    match outcome.status:
        case "fail":
            return [f"FAIL  {head}", *(f"      {each}" for each in outcome.instead or outcome.differences)]
        case "unexpected-pass":
            return [f"FAIL  {head}", f"      passes, but is marked 'expected: {scenario.expected}'; remove the mark"]
        case "differ":
            return [f"differ {head} {scenario.reason}"]
        case "expected-fail":
            waits = f" (waits for: {scenario.waits_for})" if scenario.waits_for else ""
            return [f"xfail {head} {scenario.reason}{waits}"]
        case "left":
            return [f"-     {head} is about the whole engine: `make conformance` plays it on a simulated control plane"]
        case "decided":
            return [f"-     {head} expects nothing"]
        case _:
            return [f"pass  {head}"]


STATUSES = {
    "pass": "passed",
    "differ": "differ on purpose",
    "fail": "FAILED",
    "unexpected-pass": "PASSED UNEXPECTEDLY",
    "expected-fail": "failed as expected",
    "decided": "without expectation",
    "left": "not played",
}


def _summary(outcomes: Sequence[Outcome]) -> list[str]:
    """A table of series by status and tag (passed of all), then of everything."""
    by_series: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_series.setdefault(outcome.scenario.series, []).append(outcome)
    statuses = [status for status in STATUSES if any(outcome.status == status for outcome in outcomes)]
    tags = [tag for tag in TAGS if any(outcome.scenario.tag == tag for outcome in outcomes)]
    rows = [["series", "rows", *(STATUSES[status] for status in statuses), *tags]]
    for series, own in (*sorted(by_series.items()), ("all", list(outcomes))):
        counts = Counter(outcome.status for outcome in own)
        rows.append(
            [
                series,
                str(len(own)),
                *(str(counts[status] or "") for status in statuses),
                *(_passed(own, t) for t in tags),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
    ]
    return [*lines, *(f"{tag}: {meaning}" for tag, meaning in TAGS.items() if tag in tags)]


def _passed(outcomes: Sequence[Outcome], tag: str) -> str:
    own = [outcome.status for outcome in outcomes if outcome.scenario.tag == tag]
    return f"{own.count('pass')}/{len(own)}" if own else ""


def _print_data(outcomes: Sequence[Outcome], output: Output) -> None:
    data = [as_data(outcome) for outcome in outcomes]
    if output == "json":
        print(json.dumps(data[0] if len(data) == 1 else data, indent=2))
    else:
        print(yaml.safe_dump_all(data, sort_keys=False), end="")
