"""The series that are encoded are encoded whole: every id of the tables in the shared conformance notes has its row."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scheduler.scenario.load import load_suite

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("MUSTER_SHARED", HERE.parents[1].parent / "shared"))
SERIES = [
    ("kai.md", "kai", "AL"),
    ("kai.md", "kai", "FR"),
    ("kai.md", "kai", "FS"),
    ("kai.md", "kai", "RC"),
    ("kai.md", "kai", "TO"),
    ("peers.md", "kueue", "DR"),
    ("peers.md", "kueue", "TA"),
    ("peers.md", "volcano", "VA"),
]


PLACES = {"koordinator/KO": ("06", "10", "12"), "slurm/SL": ("06", "09", "11", "12", "13")}
"""Of these series the rows about places alone; the others are about quota and time."""


@pytest.mark.parametrize("series", PLACES)
def test_no_row_about_places_is_missing(series: str) -> None:
    encoded = {re.sub(r"[a-z]$", "", row.scenario.id) for row in load_suite([HERE])}
    assert {f"{series}-{number}" for number in PLACES[series]} - encoded == set()


@pytest.mark.parametrize(("notes", "project", "series"), SERIES)
def test_no_row_is_missing(notes: str, project: str, series: str) -> None:
    path = SHARED / "conformance" / notes
    if not path.exists():
        pytest.skip(f"{path} is absent; set MUSTER_SHARED")
    numbers = re.findall(rf"^\| {series}-(\d+) \|", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    wanted = {f"{project}/{series}-{number}" for number in numbers}
    # A row that folds several upstream cases may be encoded as several: AL-10a, AL-10b.
    encoded = {re.sub(r"[a-z]$", "", row.scenario.id) for row in load_suite([HERE])}
    assert wanted
    assert wanted - encoded == set()
