"""Room of nodes and limits of queues under audit, what others cause, and that a legal history is silent."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bed.auditor_worlds.story import GPU, Story

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


def test_a_pod_that_was_created_with_a_node_was_not_put_there_by_the_scheduler() -> None:
    story = Story().node("n0", gpus=1).pod("a").bind("n0", "a").pod("b", nodeName="n0")
    assert (story.violations(), len(story.notes())) == ([], 1)


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


def test_a_place_stays_filled_when_its_decision_is_rewritten_and_is_open_again_when_it_is_decided_anew() -> None:
    def story(made_from: int) -> Story:
        story = Story().node("n0", gpus=1).node("n1").group("g", minMember=1).pods(2, "g")
        story.record("g", {"n0": 1, "n1": 1}, made_from=7).bind("n0", "g-0").phase("Succeeded", "g-0").gone("g-0")
        return story.record("g", {"n0": 1}, made_from=made_from).pod("a").bind("n0", "a")

    assert story(made_from=7).violations() == []
    assert len(story(made_from=8).violations()) == 1


def test_a_successors_record_is_filled_by_the_pods_that_run() -> None:
    story = Story().node("n0", gpus=1).group("g", minMember=1).pod("g-0", "g").record("g", {"n0": 1}).bind("n0", "g-0")
    assert story.record("g", {"n0": 1}).violations() == []


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


def test_a_limit_lowered_a_moment_before_the_bind_makes_it_a_note() -> None:
    def story(seconds: float) -> Story:
        story = Story().node("n0").queue("a", gpus=1).pod("p", queue="a").queue("a", gpus=0).wait(seconds)
        return story.bind("n0", "p")

    assert (story(0.5).violations(), len(story(0.5).notes())) == ([], 1)
    assert len(story(2).violations()) == 1


# --- the whole -------------------------------------------------------------------------------------------------------


def test_what_is_found_at_the_start_is_judged_for_room_only() -> None:
    story = Story(started=False).node("n0", gpus=1, ready=False).pod("a").pod("b").bind("n0", "a", "b").listed()
    assert story.violations() == [f"over-commit: node n0: {GPU}: 2 taken of 1 allocatable, after found at the start"]


def test_the_report_says_what_it_rests_on() -> None:
    report = (
        Story()
        .node("n0")
        .node("n1")
        .group("g", minMember=2)
        .pods(2, "g")
        .record("g", {"n0": 2})
        .bind("n0", "g-0", "g-1")
        .report()
    )
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
