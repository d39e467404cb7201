"""The series that are encoded are encoded whole: every id of the tables in the shared conformance notes has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scheduler.scenario.load import load_suite
from tests.shared import SHARED

HERE = Path(__file__).parent
SERIES = [
    ("kai.md", "kai", "AL"),
    ("kai.md", "kai", "CO"),
    ("kai.md", "kai", "FR"),
    ("kai.md", "kai", "FS"),
    ("kai.md", "kai", "MR"),
    ("kai.md", "kai", "PR"),
    ("kai.md", "kai", "QO"),
    ("kai.md", "kai", "RC"),
    ("kai.md", "kai", "RE"),
    ("kai.md", "kai", "TO"),
    ("peers.md", "kueue", "DR"),
    ("peers.md", "kueue", "TA"),
    ("peers.md", "volcano", "VA"),
]


LEFT_OUT = {"kai/PR": ("17",)}
"""Rows about NUMA zones, which nothing decides on."""

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
    elsewhere = LEFT_OUT.get(f"{project}/{series}", ())
    numbers = re.findall(rf"^\| {series}-(\d+) \|", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    wanted = {f"{project}/{series}-{number}" for number in numbers if number not in elsewhere}
    # A row that folds several upstream cases may be encoded as several: AL-10a, AL-10b.
    encoded = {re.sub(r"[a-z]$", "", row.scenario.id) for row in load_suite([HERE])}
    assert wanted
    assert wanted - encoded == set()
