"""The series that are encoded are encoded whole: every id of the tables in the shared conformance notes has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scheduler.scenario.load import load_suite
from tests.shared import SHARED

HERE = Path(__file__).parent
ENCODED = {re.sub(r"[a-z]$", "", row.scenario.id) for row in load_suite([HERE])}
"""A row that folds several upstream cases may be encoded as several: AL-10a, AL-10b."""

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
    ("kai.md", "kai", "ST"),
    ("kai.md", "kai", "TO"),
    ("peers.md", "koordinator", "KO"),
    ("peers.md", "kueue", "CP"),
    ("peers.md", "kueue", "DR"),
    ("peers.md", "kueue", "FI"),
    ("peers.md", "kueue", "FS"),
    ("peers.md", "kueue", "HC"),
    ("peers.md", "kueue", "SC"),
    ("peers.md", "kueue", "TA"),
    ("peers.md", "open", "XX"),
    ("peers.md", "sp", "CO"),
    ("peers.md", "sp", "CS"),
    ("peers.md", "volcano", "VA"),
    ("peers.md", "volcano", "VB"),
    ("peers.md", "volcano", "VC"),
    ("peers.md", "volcano", "VP"),
    ("peers.md", "volcano", "VR"),
    ("peers.md", "yunikorn", "YK"),
]


LEFT_OUT = {"kai/PR": ("17",), "open/XX": ("08", "10", "11")}
"""Rows about NUMA zones, repair and time, which nothing decides on yet."""

PLACES = {"slurm/SL": ("06", "09", "11", "12", "13")}
"""Of these series the rows about places alone; the others are about time."""


@pytest.mark.parametrize("series", PLACES)
def test_no_row_about_places_is_missing(series: str) -> None:
    assert {f"{series}-{number}" for number in PLACES[series]} - ENCODED == set()


@pytest.mark.parametrize(("notes", "project", "series"), SERIES)
def test_no_row_is_missing(notes: str, project: str, series: str) -> None:
    path = SHARED / "conformance" / notes
    if not path.exists():
        pytest.skip(f"{path} is absent; set MUSTER_SHARED")
    elsewhere = LEFT_OUT.get(f"{project}/{series}", ())
    numbers = re.findall(rf"^\| {series}-(\d+) \|", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    wanted = {f"{project}/{series}-{number}" for number in numbers if number not in elsewhere}
    assert wanted
    assert wanted - ENCODED == set()
