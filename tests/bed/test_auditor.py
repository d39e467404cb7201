"""Each promise broken once, and nearly broken once; what others cause is a note; legal histories are silent."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bed.auditor_worlds.story import GPU, Story

TWO_NODES = {"n0": 1, "n1": 1}


def gang_of_two(**spec: Any) -> Story:
    """Two nodes of 8 GPUs in two racks, a gang of two pods, nothing recorded yet."""
    story = Story().topology(zone="zone", rack="rack")
    story.node("n0", labels={"zone": "z", "rack": "r0"}).node("n1", labels={"zone": "z", "rack": "r1"})
    return story.group("g", minMember=2, **spec).pods(2, "g")


# --- over-commit -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "resource", "taken"),
    [
        ({"gpus": 1}, GPU, "2 taken of 1 allocatable"),
        ({"cpu": "1500m"}, "cpu", "2 taken of 1.5 allocatable"),
        ({"pods": 1}, "pods", "2 taken of 1 allocatable"),
    ],
)
def test_a_bind_over_a_nodes_capacity_is_reported_with_the_numbers(node: Any, resource: str, taken: str) -> None:
    story = Story().node("n0", **node).pod("a").pod("b").bind("n0", "a", "b")
    assert story.violations() == [f"over-commit: node n0: {resource}: {taken}, after pod team/b was bound"]


def test_a_full_node_is_no_violation() -> None:
    assert Story().node("n0", gpus=2, cpu="2", pods=2).pod("a").pod("b").bind("n0", "a", "b").violations() == []


def test_a_leaving_pod_takes_room_until_it_is_gone() -> None:
    story = Story().node("n0", gpus=1).pod("a").bind("n0", "a").leave("a").pod("b").bind("n0", "b")
    assert story.violations() == [
        f"over-commit: node n0: {GPU}: 2 taken of 1 allocatable (1 pods still leaving), after pod team/b was bound"
    ]
    assert (
        Story().node("n0", gpus=1).pod("a").bind("n0", "a").leave("a").gone("a").pod("b").bind("n0", "b").violations()
        == []
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_takes_no_room(phase: str) -> None:
    assert (
        Story().node("n0", gpus=1).pod("a").bind("n0", "a").phase(phase, "a").pod("b").bind("n0", "b").violations()
        == []
    )


def test_pods_of_other_schedulers_take_room_but_break_no_promise() -> None:
    story = Story().node("n0", gpus=1).pod("a").bind("n0", "a").pod("f", schedulerName="other").bind("n0", "f")
    assert story.violations() == []
    assert story.notes() == [
        (
            f"over-commit: node n0: {GPU}: 2 taken of 1 allocatable, "
            "after pod team/f, which the scheduler did not bind, was put there"
        )
    ]
    assert story.wait(5).pod("b").bind("n0", "b").violations() == [
        f"over-commit: node n0: {GPU}: 3 taken of 1 allocatable, after pod team/b was bound"
    ]


def test_a_node_that_shrinks_is_a_note_and_so_is_the_bind_that_could_not_know() -> None:
    story = Story().node("n0", gpus=2).pod("a").bind("n0", "a").node("n0", gpus=1).pod("b").bind("n0", "b")
    assert (story.violations(), len(story.notes())) == ([], 1)
    late = Story().node("n0", gpus=2).pod("a").bind("n0", "a").node("n0", gpus=1).wait(2).pod("b").bind("n0", "b")
    assert len(late.violations()) == 1


def test_a_foreign_pod_that_came_a_moment_before_the_bind_makes_it_a_note() -> None:
    def story(seconds: float) -> Story:
        story = Story().node("n0", gpus=1).pod("f", schedulerName="other").pod("a").bind("n0", "f").wait(seconds)
        return story.bind("n0", "a")

    assert (story(0.5).violations(), len(story(0.5).notes())) == ([], 1)
    assert len(story(2).violations()) == 1


def test_a_pod_on_its_own_may_not_take_a_recorded_place() -> None:
    def story(gpus: int) -> Story:
        story = Story().node("n0", gpus=gpus).group("g", minMember=1).pod("g-0", "g").record("g", {"n0": 1})
        return story.pod("a").bind("n0", "a")

    assert story(gpus=1).violations() == [
        (
            f"over-commit: node n0: {GPU}: 2 committed (bound and recorded) of 1 allocatable, "
            "after the bind of pod team/a"
        )
    ]
    assert story(gpus=2).violations() == []


def test_two_records_for_one_place_are_reported_before_anything_is_bound() -> None:
    def story(gpus: int) -> Story:
        story = Story().node("n0", gpus=gpus).group("g", minMember=1).group("h", minMember=1)
        return story.pod("g-0", "g").pod("h-0", "h").record("g", {"n0": 1}).record("h", {"n0": 1})

    assert story(gpus=1).violations() == [
        (
            f"over-commit: node n0: {GPU}: 2 committed (bound and recorded) of 1 allocatable, "
            "after the record of podgroup team/h"
        )
    ]
    assert story(gpus=2).violations() == []


def test_a_place_counts_once_and_not_again_when_its_pod_has_ended() -> None:
    story = Story().node("n0", gpus=1).group("g", minMember=1).pod("g-0", "g").record("g", {"n0": 1}).bind("n0", "g-0")
    assert story.phase("Succeeded", "g-0").gone("g-0").pod("a").bind("n0", "a").violations() == []


def test_a_record_before_its_pods_counts_by_the_template() -> None:
    def story(gpus: int) -> Story:
        template = {"requests": {GPU: 4}}
        member = {"name": "main", "count": 2, "template": template}
        return Story().node("n0", gpus=gpus).group("g", members=[member]).record("g", {"n0": 2})

    assert story(gpus=7).violations() == [
        (
            f"over-commit: node n0: {GPU}: 8 committed (bound and recorded) of 7 allocatable, "
            "after the record of podgroup team/g"
        )
    ]
    assert story(gpus=8).violations() == []


def test_a_record_may_build_on_the_room_of_its_victims_but_its_bind_may_not() -> None:
    def story() -> Story:
        story = Story().node("n0", gpus=1).pod("v").bind("n0", "v").group("g", minMember=1).pod("g-0", "g")
        return story.record("g", {"n0": 1}, victims=("v",))

    assert story().leave("v").gone("v").bind("n0", "g-0").violations() == []
    assert "over-commit" in story().leave("v").bind("n0", "g-0").violations()[0]


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


def test_a_gang_that_the_scheduler_halves_is_a_violation() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1")
    story.group("b", minMember=1).pod("b-0", "b").record("b", {"n1": 1}, victims=("g-1",)).leave("g-1").gone("g-1")
    story.bind("n1", "b-0").wait(11)
    assert [v[: len("gang minimum: podgroup team/g")] for v in story.violations()] == ["gang minimum: podgroup team/g"]


def test_succeeded_members_count_as_present() -> None:
    story = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1").phase("Succeeded", "g-0")
    assert story.gone("g-0").wait(60).violations() == []


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


# --- binds -----------------------------------------------------------------------------------------------------------


def test_a_pod_that_changes_its_node_is_reported() -> None:
    story = Story().node("n0").node("n1").pod("a").bind("n0", "a").bind("n1", "a")
    assert story.violations() == ["double bind: pod team/a: moved from n0 to n1"]


def test_two_successful_bindings_of_one_pod_are_reported() -> None:
    story = Story().node("n0").pod("a").bind("n0", "a").asked("bind", "a", node="n0")
    assert story.violations() == []
    assert story.asked("bind", "a", node="n0", user="deposed").violations() == [
        "double bind: pod team/a: 2 bindings succeeded (to n0, n0; by deposed, muster)"
    ]


def test_a_pod_that_came_back_under_its_name_may_be_bound_again() -> None:
    story = Story().node("n0")
    for _ in range(2):
        story.pod("a").bind("n0", "a").asked("bind", "a", node="n0").leave("a").gone("a")
    assert story.violations() == []


def test_a_binding_to_another_node_than_the_pod_shows_is_reported() -> None:
    story = Story().node("n0").node("n1").pod("a").bind("n0", "a").asked("bind", "a", node="n1")
    assert story.violations() == ["double bind: pod team/a: the binding named n1, the pod shows n0"]


# --- placement -------------------------------------------------------------------------------------------------------

TAINT: dict[str, Any] = {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}
GATE = {"schedulingGates": [{"name": "wait"}]}


def required(key: str, operator: str, *values: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}]
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    }


@pytest.mark.parametrize(
    ("node", "pod", "message"),
    [
        (TAINT, {}, "taint k=v:NoSchedule is not tolerated"),
        (TAINT, {"tolerations": [{"key": "k", "value": "v"}]}, ""),
        (TAINT, {"tolerations": [{"key": "k", "value": "other"}]}, "taint k=v:NoSchedule is not tolerated"),
        (TAINT, {"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]}, ""),
        (TAINT, {"tolerations": [{"operator": "Exists"}]}, ""),
        (TAINT, {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}, "is not tolerated"),
        ({"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}, {}, ""),
        ({"unschedulable": True}, {}, "the node is unschedulable"),
        ({"ready": False}, {}, "the node is not ready"),
        (
            {"labels": {"gpu": "a100"}},
            {"nodeSelector": {"gpu": "h100"}},
            "nodeSelector wants gpu=h100, the node has a100",
        ),
        ({"labels": {"gpu": "h100"}}, {"nodeSelector": {"gpu": "h100"}}, ""),
        ({"labels": {"gpu": "a100"}}, required("gpu", "In", "h100", "b200"), "no term of the required node affinity"),
        ({"labels": {"gpu": "b200"}}, required("gpu", "In", "h100", "b200"), ""),
        ({"labels": {}}, required("gpu", "NotIn", "h100"), ""),
        ({"labels": {"n": "5"}}, required("n", "Gt", "5"), "no term of the required node affinity"),
        ({"labels": {"n": "6"}}, required("n", "Gt", "5"), ""),
        ({}, GATE, "bound while gated by wait"),
    ],
)
def test_a_bind_to_a_node_that_may_not_hold_the_pod_is_reported(node: Any, pod: Any, message: str) -> None:
    story = Story().node("n0", **node).wait(5).pod("a", **pod).bind("n0", "a")
    assert [message in violation for violation in story.violations()] == ([True] if message else [])


def test_a_node_that_changed_a_moment_before_the_bind_is_a_note() -> None:
    assert Story().node("n0").node("n0", ready=False).pod("a").bind("n0", "a").violations() == []
    assert len(Story().node("n0").node("n0", ready=False).wait(2).pod("a").bind("n0", "a").violations()) == 1


def test_what_happens_to_a_node_after_the_bind_is_nobodys_violation() -> None:
    assert Story().node("n0").pod("a").bind("n0", "a").node("n0", ready=False, **TAINT).wait(60).violations() == []


def test_a_node_that_does_not_exist_is_reported() -> None:
    assert "placement: pod team/a: bound to n9: there is no such node" in Story().pod("a").bind("n9", "a").violations()


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


# --- evictions -------------------------------------------------------------------------------------------------------


def beneficiary(victims: tuple[str, ...]) -> Story:
    story = Story().node("n0", gpus=1).pod("v").bind("n0", "v").group("b", minMember=1).pod("b-0", "b")
    return story.record("b", {"n0": 1}, victims=victims) if victims else story


@pytest.mark.parametrize("verb", ["evict", "delete"])
def test_an_eviction_that_no_record_names_is_reported(verb: str) -> None:
    story = beneficiary(victims=()).asked(verb, "v").leave("v")
    assert story.violations() == [
        (
            f"eviction: pod team/v: muster asked for it to go ({verb}), "
            "but no commit record then in force names it as a victim or moves its gang"
        )
    ]
    assert beneficiary(victims=("v",)).asked(verb, "v").leave("v").violations() == []
    assert beneficiary(victims=()).asked(verb, "v", user="somebody").leave("v").violations() == []


def test_a_record_that_was_released_before_names_nobody() -> None:
    assert len(beneficiary(victims=("v",)).release("b").asked("evict", "v").leave("v").violations()) == 1


def test_the_schedulers_own_condition_is_evidence_without_an_audit_log() -> None:
    assert len(beneficiary(victims=()).leave("v", evicted=True).violations()) == 1
    assert beneficiary(victims=("v",)).leave("v", evicted=True).violations() == []


def test_a_request_is_joined_with_the_pod_of_that_name_that_left_then() -> None:
    story = beneficiary(victims=("v",)).asked("evict", "v").leave("v").gone("v").wait(100)
    assert story.pod("v").leave("v").gone("v").violations() == []
    assert len(story.wait(100).pod("v").asked("evict", "v").leave("v").gone("v").violations()) == 1


# --- queues ----------------------------------------------------------------------------------------------------------


def test_a_bind_over_the_limit_of_a_queue_or_of_one_above_it_is_reported() -> None:
    def story(limit: int) -> Story:
        story = Story().node("n0").queue("top", gpus=limit).queue("a", parent="top").queue("b", gpus=8, parent="top")
        return story.pod("a-0", queue="a").pod("b-0", queue="b").bind("n0", "a-0", "b-0")

    assert story(limit=1).wait(5).violations() == [
        f"queue limit: queue top: {GPU}: 2 bound, limit 1, after pod team/b-0 was bound"
    ]
    assert story(limit=2).violations() == []


def test_the_podgroups_queue_beats_the_pods_label() -> None:
    def story(queue: str) -> Story:
        story = Story().node("n0").queue("small", gpus=0).queue("large", gpus=8).group("g", queue=queue, minMember=1)
        return story.pod("g-0", "g", queue="large").record("g", {"n0": 1}).bind("n0", "g-0")

    assert len(story("small").violations()) == 1
    assert story("large").violations() == []


def test_a_limit_lowered_below_what_runs_is_a_note() -> None:
    story = Story().node("n0").queue("a", gpus=2).pod("p", queue="a", gpus=2).bind("n0", "p").queue("a", gpus=1)
    assert story.violations() == []
    assert story.notes() == [f"queue limit: queue a: {GPU}: 2 bound, limit 1, after the queue changed"]
    assert len(story.wait(5).pod("q", queue="a").bind("n0", "q").violations()) == 1


# --- the whole -------------------------------------------------------------------------------------------------------


def test_what_is_found_at_the_start_is_judged_for_room_only() -> None:
    story = Story(started=False).node("n0", gpus=1, ready=False).pod("a").pod("b").bind("n0", "a", "b").listed()
    assert story.violations() == [f"over-commit: node n0: {GPU}: 2 taken of 1 allocatable, after found at the start"]


def test_the_report_says_what_it_rests_on() -> None:
    report = gang_of_two().record("g", TWO_NODES).bind("n0", "g-0").bind("n1", "g-1").report()
    seen = report.seen
    assert (seen.nodes, seen.pods, seen.binds, seen.gangs, seen.records) == (2, 2, 2, 1, 1)
    assert report.too_little(binds_min=2) == ""
    assert report.too_little(binds_min=3) == "the auditor saw 2 binds, fewer than the 3 it was told to expect"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_legal_history_is_silent(data: st.DataObject) -> None:
    """Gangs come, are recorded where there is room, bound, ended, evicted by record and replaced, in any order."""
    nodes = {f"n{index}": data.draw(st.integers(1, 4), label="gpus") for index in range(3)}
    story = Story().queue("q", gpus=sum(nodes.values()))
    for name, gpus in nodes.items():
        story.node(name, gpus=gpus)
    free = dict(nodes)
    unbound: dict[str, list[tuple[str, str]]] = {}
    running: dict[str, list[tuple[str, str]]] = {}
    for index in range(data.draw(st.integers(1, 12), label="steps")):
        action = data.draw(st.sampled_from(["arrive", "bind", "end", "evict", "wait"]), label="action")
        if action == "arrive" and (places := _fit(data, free)):
            gang = f"g{index}"
            story.group(gang, minMember=len(places), queue="q").pods(len(places), gang)
            story.record(gang, {node: places.count(node) for node in places})
            unbound[gang] = [(f"{gang}-{i}", node) for i, node in enumerate(places)]
        elif action == "bind" and unbound:
            gang = data.draw(st.sampled_from(sorted(unbound)))
            for pod, node in unbound[gang]:
                story.bind(node, pod).asked("bind", pod, node=node)
            running[gang] = unbound.pop(gang)
        elif action == "end" and running:
            for pod, node in running.pop(data.draw(st.sampled_from(sorted(running)))):
                story.phase("Succeeded", pod).gone(pod)
                free[node] += 1
        elif action == "evict" and running:
            victim = data.draw(st.sampled_from(sorted(running)))
            gone = running.pop(victim)
            _replace(story, f"g{index}", victim, gone)
            running[f"g{index}"] = [(f"g{index}-{i}", node) for i, (_, node) in enumerate(gone)]
        else:
            story.wait(data.draw(st.sampled_from([0.1, 20.0])))
    assert story.violations() == []


def _fit(data: st.DataObject, free: dict[str, int]) -> list[str]:
    """Nodes for a gang of a size that fits, one entry per pod; taken from ``free``."""
    room = [node for node, gpus in free.items() for _ in range(gpus)]
    places = data.draw(st.permutations(room))[: data.draw(st.integers(1, 4))] if room else []
    for node in places:
        free[node] -= 1
    return places


def _replace(story: Story, gang: str, victim: str, gone: list[tuple[str, str]]) -> None:
    """One gang takes the places of another: record, eviction, release of the victim's record, binds."""
    places = [node for _, node in gone]
    story.group(gang, minMember=len(gone), queue="q").pods(len(gone), gang)
    story.record(gang, {node: places.count(node) for node in places}, victims=tuple(pod for pod, _ in gone))
    for pod, _ in gone:
        story.asked("evict", pod).leave(pod)
    for pod, _ in gone:
        story.gone(pod)
    story.release(victim)
    for index, node in enumerate(places):
        story.bind(node, f"{gang}-{index}").asked("bind", f"{gang}-{index}", node=node)
