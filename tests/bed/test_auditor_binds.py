"""Binds and evictions under audit: once, to a node that may hold the pod; and nobody goes without a record."""

from typing import Any

import pytest

from tests.bed.auditor_worlds.story import Story

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


def test_what_the_log_tells_of_namesakes_before_the_audit_is_not_held_against_a_pod() -> None:
    def story(seconds: float) -> Story:
        story = Story(started=False).node("n0").pod("a").bind("n0", "a").asked("bind", "a", node="n9", uid="")
        return story.wait(seconds).listed()

    assert story(60).violations() == []
    assert story(0).violations() == ["double bind: pod team/a: the binding named n9, the pod shows n0"]


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


@pytest.mark.parametrize("reason", ["StaleGang", "OverLimit"])
def test_some_evictions_are_for_nobody_and_say_so(reason: str) -> None:
    assert beneficiary(victims=()).leave("v", reason=reason).violations() == []
    assert len(beneficiary(victims=()).leave("v", reason="Preempted").violations()) == 1


def test_what_a_draining_queue_runs_is_evicted_for_nobody() -> None:
    def story(state: str) -> Story:
        queues = Story().node("n0", gpus=1).queue("top", state=state).queue("a", parent="top")
        return queues.pod("v", queue="a").bind("n0", "v").leave("v", reason="Drained")

    assert story("Drain").violations() == []
    assert len(story("Hold").violations()) == 1


def test_what_is_not_preemptible_goes_only_with_the_rest_of_a_stale_gang() -> None:
    def story(reason: str) -> Story:
        gang = Story().node("n0", gpus=1).group("g", minMember=1, preemptible=False).pod("v", "g")
        gang = gang.record("g", {"n0": 1}).bind("n0", "v").group("b", minMember=1).pod("b-0", "b")
        return gang.record("b", {"n0": 1}, victims=("v",)).leave("v", reason=reason)

    assert story("StaleGang").violations() == []
    assert "eviction: pod team/v: is not preemptible and was evicted (Reclaimed)" in story("Reclaimed").violations()


def test_a_record_may_name_a_pod_that_others_have_begun_to_remove() -> None:
    story = beneficiary(victims=()).leave("v").record("b", {"n0": 1}, victims=("v",)).asked("evict", "v")
    assert story.violations() == []


def test_a_request_long_after_a_pod_was_gone_is_not_about_it() -> None:
    assert beneficiary(victims=()).leave("v").gone("v").wait(60).asked("evict", "v", uid="").violations() == []


def test_a_request_is_joined_with_the_pod_of_that_name_that_left_then() -> None:
    story = beneficiary(victims=("v",)).asked("evict", "v").leave("v").gone("v").wait(100)
    assert story.pod("v").leave("v").gone("v").violations() == []
    assert len(story.wait(100).pod("v").asked("evict", "v").leave("v").gone("v").violations()) == 1
