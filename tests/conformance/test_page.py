"""docs/reference/conformance.md says what the rows say."""

from __future__ import annotations

import re

from tests.conformance.page import between_marks, page
from tests.conformance.test_rows import HERE, ROWS

TEXT = (HERE.parents[1] / "docs/reference/conformance.md").read_text(encoding="utf-8")


def test_the_page_is_rendered_from_the_rows() -> None:
    assert between_marks(TEXT) == page(ROWS), "python -m tests.conformance --markdown writes it again"


def test_what_is_better_than_upstream_is_what_the_rows_are_tagged() -> None:
    table = TEXT.split("Better than upstream", 1)[1]
    named = {
        each.rstrip("ab")
        for line in re.findall(r"^\| (\S+/\S[^|]*) \|", table, flags=re.MULTILINE)
        for each in _ids(line)
    }
    assert named == {row.scenario.id.rstrip("ab") for row in ROWS if row.scenario.tag == "X"}


def _ids(cell: str) -> list[str]:
    """ "open/XX-01, 02" names two rows of one series."""
    first, *others = cell.split(", ")
    series = first.rpartition("-")[0]
    return [first, *(each if "-" in each and "/" in each else f"{series}-{each.rpartition('-')[2]}" for each in others)]
