"""The part of docs/reference/conformance.md that says how many rows there are and which are not met: from the rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from scheduler.scenario.load import Row
from scheduler.scenario.scenario import TAGS, Scenario

BEGIN, END = "<!-- rows: python -m tests.conformance --markdown -->", "<!-- rows: end -->"


def page(rows: Sequence[Row]) -> str:
    """What the rows' own marks say; `test_rows` holds each row to its mark."""
    scenarios = [row.scenario for row in rows]
    differ = [each for each in scenarios if each.expected == "differ"]
    waiting = [each for each in scenarios if each.expected == "fail"]
    lines = [*_by_series(scenarios), "", f"{len(differ)} differ on purpose:", ""]
    lines += ["| row | why |", "|---|---|", *(f"| {each.id} | {each.reason} |" for each in differ), ""]
    if waiting:
        lines += [f"{len(waiting)} not met yet:", "", "| row | why | waits for |", "|---|---|---|"]
        lines += [*(f"| {each.id} | {each.reason} | {each.waits_for} |" for each in waiting), ""]
    else:
        lines += ["None is marked as not met yet.", ""]
    lines.append("Two readings, said in the file: " + ", ".join(two_readings(rows)) + ".")
    return "\n".join(lines)


def two_readings(rows: Sequence[Row]) -> list[str]:
    """The rows whose comments give two readings."""
    found = []
    for path in dict.fromkeys(Path(row.path) for row in rows):
        for document in path.read_text(encoding="utf-8").split("\n---\n"):
            named = re.search(r"^id: (\S+)", document, flags=re.MULTILINE)
            if named and re.search(r"^#.*\b[Tt]wo readings", document, flags=re.MULTILINE):
                found.append(named[1])
    return found


def between_marks(text: str) -> str:
    """What stands between the two marks of a page."""
    return text.split(BEGIN, 1)[1].split(END, 1)[0].removeprefix("\n").removesuffix("\n")


def _by_series(scenarios: Sequence[Scenario]) -> Iterable[str]:
    series = sorted({each.series for each in scenarios})
    yield "| series | rows | " + " | ".join(TAGS) + " |"
    yield "|---|---|" + "---|" * len(TAGS)
    for name in (*series, ""):
        own = [each for each in scenarios if name in ("", each.series)]
        counts = (sum(each.tag == tag for each in own) for tag in TAGS)
        yield f"| {name or 'all'} | {len(own)} | " + " | ".join(str(count or "") for count in counts) + " |"
