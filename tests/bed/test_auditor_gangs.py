"""Gangs under audit: their minimum, their commit record, and their required topology, each broken and held."""

from typing import Any

import pytest

from tests.bed.auditor_worlds.story import Story

TWO_NODES = {"n0": 1, "n1": 1}


def gang_of_two(**spec: Any) -> Story:
    """Two nodes of 8 GPUs in two racks, a gang of two pods, nothing recorded yet."""
    story = Story().topology(zone="zone", rack="rack")
    story.node("n0", labels={"zone": "z", "rack": "r0"}).node("n1", labels={"zone": "z", "rack": "r1"})
    return story.group("g", minMember=2, **spec).pods(2, "g")


# --- gangs -----------------------------------------------------------------------------------------------------------


def test_a_gang_bound_in_part_beyond_its_grace_is_reported() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").wait(11)
    assert story.violations() == [
        "gang minimum: podgroup team/g: 1 pods bound, but 1 of a minimum of 2 present, for 11.0 s (grace 10 s)"
    ]
    assert story.bind("n1", "g-1").violations() != []


def test_a_gang_completed_within_its_grace_is_silent() -> None:
    assert gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").wait(9).bind("n1", "g-1").wait(60).violations() == []


def test_a_gang_still_in_its_grace_when_the_audit_ends_is_a_note() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").wait(1)
    assert story.violations() == []
    assert ["1 of a minimum of 2 present, within the grace" in note for note in story.notes()] == [True]


def test_a_gang_that_others_hurt_is_degraded_which_is_a_note() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1").leave("g-1").gone("g-1").wait(11)
    assert story.violations() == []
    assert "degraded: others took 1 of its pods: 1 pods bound" in story.notes()[0]


def test_a_gang_that_others_hurt_while_it_is_bound_is_a_note_too() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").leave("g-1").gone("g-1").wait(11)
    assert (story.violations(), len(story.notes())) == ([], 1)


def test_a_minimum_that_others_raise_is_a_note() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1").group("g", minMember=3).wait(11)
    assert story.violations() == []
    assert "degraded: 2 pods bound, but 2 of a minimum of 3 present" in story.notes()[0]


def test_taking_more_from_a_gang_that_others_hurt_is_a_violation() -> None:
    story = Story().node("n0", gpus=3).group("g", minMember=3).pods(3, "g").record("g", {"n0": 3})
    story.bind("n0", "g-0", "g-1", "g-2").leave("g-2").gone("g-2")
    story.group("b", minMember=1).pod("b-0", "b").record("b", {"n0": 1}, victims=("g-1",)).leave("g-1").gone("g-1")
    story.bind("n0", "b-0").wait(11)
    assert "1 of a minimum of 3 present" in story.violations()[0]


def test_a_gang_that_the_scheduler_halves_is_a_violation() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1")
    story.group("b", minMember=1).pod("b-0", "b", gpus=8).record("b", {"n1": 1}, victims=("g-1",))
    story.leave("g-1").gone("g-1").bind("n1", "b-0").wait(11)
    assert [v[: len("gang minimum: podgroup team/g")] for v in story.violations()] == ["gang minimum: podgroup team/g"]


def test_succeeded_members_count_as_present() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1").phase("Succeeded", "g-0")
    assert (story.gone("g-0").wait(60).violations(), story.notes()) == ([], [])


def test_what_pods_of_a_namesake_asked_for_is_forgotten() -> None:
    def members(gpus: int, count: int) -> list[dict[str, Any]]:
        return [{"name": "main", "count": count, "template": {"requests": {"nvidia.com/gpu": gpus}}}]

    story = Story().node("n0").group("g", members=members(8, 1)).pod("g-0", "g", 8, "main").record("g", {"n0": 1})
    story.bind("n0", "g-0").leave("g-0").gone("g-0").group_gone("g")
    assert story.group("g", members=members(4, 2)).record("g", {"n0": 2}).violations() == []


MEMBERS = [{"name": "leader", "count": 1}, {"name": "worker", "count": 4, "minCount": 2}]


@pytest.mark.parametrize(
    ("spec", "labels", "short"),
    [
        ({"minMember": 2}, ["", ""], ""),
        ({"minMember": 3}, ["", ""], "2 of a minimum of 3 present"),
        ({"minMember": 0}, ["", ""], ""),
        ({"members": MEMBERS}, ["leader", "worker", "worker"], ""),
        ({"members": MEMBERS}, ["leader", "worker"], "2 of a minimum of 3 present"),
        ({"members": MEMBERS}, ["leader", "leader", "worker"], "1 of a minimum of 2 of member worker present"),
        ({"subGroups": [{"name": "a", "minMember": 1}, {"name": "b", "minMember": 1}]}, ["a", "b"], ""),
        (
            {"subGroups": [{"name": "a", "minMember": 1}, {"name": "b", "minMember": 1}]},
            ["a", "a"],
            "0 of a minimum of 1 present in subgroup b",
        ),
        ({"minSubGroup": 1, "subGroups": [{"name": "a", "minMember": 1}, {"name": "b", "minMember": 1}]}, ["a"], ""),
    ],
)
def test_the_minimum_is_what_the_podgroup_declares(spec: Any, labels: list[str], short: str) -> None:
    story = Story().node("n0").group("g", **spec)
    for index in range(4):
        story.pod(f"g-{index}", "g", subgroup=labels[index] if index < len(labels) else "")
    names = [member["name"] for member in spec.get("members", [])] or ["pods"]
    story.record("g", [{"member": name, "nodes": [{"name": "n0", "count": 4}]} for name in names])
    story.bind("n0", *(f"g-{index}" for index in range(len(labels)))).wait(11)
    assert [short in violation for violation in story.violations()] == ([True] if short else [])


def test_without_a_declared_minimum_all_pods_are_needed() -> None:
    story = Story().node("n0").group("g").pods(3, "g").record("g", {"n0": 3}).bind("n0", "g-0", "g-1").wait(11)
    assert ["2 of a minimum of 3 present" in v for v in story.violations()] == [True]
    assert story.bind("n0", "g-2").wait(11).phase("Failed", "g-0").wait(11).report().violations != []


# --- commit records --------------------------------------------------------------------------------------------------


def test_a_gang_bound_without_a_record_is_reported() -> None:
    assert gang_of_two().bind("n0", "g-0").violations() == [
        "commit record: pod team/g-0: bound to n0 while podgroup team/g had no commit record"
    ]


def test_a_record_written_after_the_bind_is_too_late_and_a_released_one_is_none() -> None:
    assert len(gang_of_two().bind("n0", "g-0").record("g", TWO_NODES).bind("n1", "g-1").violations()) == 1
    assert len(gang_of_two().record("g", TWO_NODES).release("g").bind("n0", "g-0").violations()) == 1


def test_a_bind_beside_the_record_is_reported() -> None:
    assert gang_of_two().record("g", {"n0": 2}).bind("n0", "g-0").bind("n1", "g-1").violations() == [
        "commit record: pod team/g-1: bound to n1, for which the record of podgroup team/g has no place; it names n0"
    ]


def test_more_pods_on_a_node_than_recorded_are_reported() -> None:
    assert gang_of_two().record("g", TWO_NODES).bind("n0", "g-0", "g-1").violations() == [
        "commit record: pod team/g-1: 2 pods of podgroup team/g run on n0, where its record has places for 1"
    ]


def test_places_of_one_member_are_not_anothers() -> None:
    def story(swapped: bool) -> Story:
        members = [{"name": "leader", "count": 1}, {"name": "worker", "count": 1}]
        story = Story().node("n0").node("n1").group("g", members=members)
        story.pod("l", "g", subgroup="leader").pod("w", "g", subgroup="worker")
        places = [
            {"member": "leader", "nodes": [{"name": "n0", "count": 1}]},
            {"member": "worker", "nodes": [{"name": "n1", "count": 1}]},
        ]
        return story.record("g", places).bind("n1" if swapped else "n0", "l").bind("n0" if swapped else "n1", "w")

    assert len(story(swapped=True).violations()) == 2
    assert story(swapped=False).violations() == []


def test_a_moved_gang_may_go_where_its_beneficiary_says() -> None:
    def story(to: str) -> Story:
        story = Story().node("n0", gpus=1).node("n1", gpus=1).node("n2", gpus=1)
        story.group("m", minMember=1).pod("m-0", "m").record("m", {"n0": 1}).bind("n0", "m-0")
        story.group("b", minMember=1).pod("b-0", "b").record("b", {"n0": 1}, moves={"m": {"n1": 1}})
        story.leave("m-0", evicted=True).gone("m-0").pod("m-1", "m").bind("n0", "b-0")
        return story.bind(to, "m-1")

    assert story("n1").violations() == []
    assert "has no place; it names n1" in story("n2").violations()[0]


# --- required topology -----------------------------------------------------------------------------------------------


def test_a_gang_over_two_domains_of_its_required_level_is_reported() -> None:
    def story(level: str) -> Story:
        return gang_of_two(topology={"required": level}).record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1")

    assert story("rack").violations() == [
        "topology: podgroup team/g: must run in one rack, but has 1 in z/r0, 1 in z/r1 (g-1)"
    ]
    assert story("zone").violations() == []
    assert "has no level block" in story("block").violations()[0]


def test_a_subgroups_required_level_binds_only_its_own_pods() -> None:
    def story(first: str, second: str) -> Story:
        story = Story().topology(rack="rack").node("n0", labels={"rack": "r0"}).node("n1", labels={"rack": "r1"})
        branch = {"minMember": 1, "topology": {"required": "rack"}}
        story.group("g", subGroups=[{"name": "a", **branch}, {"name": "b", **branch}])
        story.pod("g-0", "g", subgroup=first).pod("g-1", "g", subgroup=second)
        return story.record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1")

    assert "subgroup a must run in one rack" in story("a", "a").violations()[0]
    assert story("a", "b").violations() == []
