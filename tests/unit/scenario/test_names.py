from __future__ import annotations

import pytest

from scheduler.scenario.names import MOST_NAMES, expand, fill, names


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("n0", ["n0"]),
        ("n[0-2]", ["n0", "n1", "n2"]),
        ("n[0,2,5-6]", ["n0", "n2", "n5", "n6"]),
        ("n[08-10]", ["n08", "n09", "n10"]),
        ("{a,b}1", ["a1", "b1"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
    ],
)
def test_a_pattern_stands_for_its_names_in_order(pattern: str, expected: list[str]) -> None:
    assert names(pattern) == expected


def test_what_a_range_became_can_be_repeated() -> None:
    assert [fill("rack-{2}", chosen) for _, chosen in expand("z[1-2]r[7-8]")] == ["rack-7", "rack-8"] * 2


@pytest.mark.parametrize("pattern", ["n[3-1]", "n[a-b]", "n[0-", "n0]", f"n[0-{MOST_NAMES}]", "n[0-999]m[0-999]"])
def test_a_range_that_makes_no_sense_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\["):
        names(pattern)


def test_a_reference_beyond_the_ranges_is_refused() -> None:
    with pytest.raises(ValueError, match="has 1 ranges"):
        fill("{2}", ("1",))
