"""Parts of devices under audit."""

import pytest

from tests.bed.auditor_worlds.story import Story


def shares(*names: str) -> Story:
    story = Story().node("n0", gpus=2)
    for name in names:
        story.pod(name, gpus=0)
    return story


def test_parts_that_fit_are_silent() -> None:
    story = shares("a", "b", "c").hold("n0", a="0:500", b="0:500,1:500", c="1:125:1g.5gb@6")
    assert story.pod("d", gpus=0).violations() == []


def test_a_device_that_is_given_away_twice_is_reported_with_its_number() -> None:
    assert shares("a", "b").hold("n0", a="0:600", b="0:500").violations() == [
        "devices: node n0: device 0: 1100 of 1000 thousandths taken, after pod team/b was bound"
    ]


def test_a_share_beside_whole_devices_needs_a_device_of_its_own() -> None:
    story = shares("a").pod("w", gpus=2).bind("n0", "w")
    assert story.violations() == []
    assert story.hold("n0", a="1:100").violations() == [
        "devices: node n0: 2 whole devices and parts of 1 taken of 2, after pod team/a was bound"
    ]


def test_slices_that_overlap_are_reported_and_neighbours_are_not() -> None:
    assert shares("a", "b").hold("n0", a="0:500:3g.20gb@0", b="0:500:3g.20gb@4").violations() == []
    found = shares("a", "b").hold("n0", a="0:250:2g.10gb@0", b="0:125:1g.5gb@1").violations()
    assert found == ["devices: node n0: device 0: a and b share slot 1, after pod team/b was bound"]


def test_what_leaves_holds_its_part_until_it_is_gone() -> None:
    story = shares("a", "b").hold("n0", a="0:600").leave("a").hold("n0", b="0:600")
    assert len(story.violations()) == 1
    assert shares("a", "b").hold("n0", a="0:600").leave("a").gone("a").hold("n0", b="0:600").violations() == []


@pytest.mark.parametrize("held", ["0", "0:half", "gpu0:500"])
def test_an_annotation_that_names_no_device_is_reported(held: str) -> None:
    assert "names no part of a device" in shares("a").hold("n0", a=held).violations()[0]
