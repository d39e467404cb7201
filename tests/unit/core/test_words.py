"""Shares, the window, sentences and the pace of what is said: small pure parts of the core."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from scheduler.core.explain import Reason, loss_words, message
from scheduler.core.gangs.lifecycle import ARROWS, Phase, allowed
from scheduler.core.queues.backlog import Backlog, Backlogs
from scheduler.core.queues.ranking import Turns
from scheduler.core.queues.shares import QueueTree, admission_trouble, shares, tree_troubles
from scheduler.core.voice import Voice, pod_reason
from scheduler.core.window import window
from scheduler.model.bundle import Pending
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.policy import Limits, VerdictPace
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, GangKey, Member
from tests.unit.core.world import shape

RESOURCES = ("cpu", GPU)
ONE_GPU, TWO_GPUS = shape(1), shape(2)


def use(cpu: int, gpu: int) -> np.ndarray:
    return np.array([cpu, gpu], dtype=np.int64)


def test_room_is_limit_less_use_of_the_whole_subtree() -> None:
    tree = {
        "root": Queue("root", quotas=(Quota(GPU, limit=10_000),)),
        "a": Queue("a", parent="root", quotas=(Quota(GPU, limit=8000),)),
        "b": Queue("b", parent="root"),
    }
    found = shares(QueueTree(tree, RESOURCES), {("a", "", False): use(0, 3000), ("b", "", False): use(0, 4000)})
    assert {name: share.room for name, share in found.items()} == {"root": (-1, 3000), "a": (-1, 5000), "b": (-1, -1)}
    assert found["a"].parent == "root"


def test_room_is_never_below_nothing() -> None:
    found = shares(
        QueueTree({"a": Queue("a", quotas=(Quota(GPU, limit=1000),))}, RESOURCES), {("a", "", False): use(0, 3000)}
    )
    assert found["a"].room == (-1, 0)


@pytest.mark.parametrize(
    ("queues", "name", "code"),
    [
        ([Queue("a", parent="x")], "a", "UnknownParent"),
        ([Queue("a", parent="b"), Queue("b", parent="a")], "a", "ParentCycle"),
        ([Queue("a", parent="a")], "a", "ParentCycle"),
        ([Queue("a", quotas=(Quota(GPU, guaranteed=2000, limit=1000),))], "a", "LimitBelowGuarantee"),
        ([Queue("a"), Queue("b", parent="a")], "a", "NotALeaf"),
        ([Queue("a", state="Hold"), Queue("b", parent="a")], "b", "QueueHold"),
        ([Queue("a")], "", "NoQueue"),
        ([Queue("a")], "b", "UnknownQueue"),
    ],
)
def test_work_is_not_admitted(queues: list[Queue], name: str, code: str) -> None:
    tree = {queue.name: queue for queue in queues}
    trouble = admission_trouble(tree, tree_troubles(tree), name)
    assert trouble is not None
    assert trouble.code == code


def gang(name: str, priority: int = 0, arrived: float = 0.0, *, single: bool = False, of: Shape = ONE_GPU) -> Gang:
    return Gang(
        GangKey(name), name, "q", priority, arrived, (Member("m", of, 1, 1),), (Branch("", -1, 1),), single=single
    )


def backlog(*gangs: Gang) -> Backlog:
    (found,) = Backlogs().of(Pending(gangs).put_together()).values()
    return found


def test_priority_then_age_then_name() -> None:
    order = backlog(gang("d", 0, 1), gang("c", 0, 1), gang("b", 0, 0), gang("a", 9, 5)).gangs
    assert [each.key for each in order] == ["a", "b", "c", "d"]


def test_pods_of_bundles_stand_among_the_others_by_priority_age_and_name() -> None:
    work = [gang("d", 0, 1), gang("c", 0, 1, single=True), gang("e", 0, 1, single=True), gang("b", 0, 0)]
    work += [gang("a", 0, 1, single=True, of=TWO_GPUS), gang("f", 9, 5, single=True)]
    found = backlog(*work)
    assert [each.key for each in found.gangs] == ["f", "b", "a", "c", "d", "e"]
    assert [found.parts[part].members[0].shape for part in found.part] == [
        each.members[0].shape for each in found.gangs
    ]


def test_equal_single_pods_are_one_ask_at_the_rank_of_the_oldest() -> None:
    work = [gang("s1", single=True), gang("g", arrived=1), gang("s2", arrived=2, single=True)]
    work += [gang("s3", arrived=3, single=True, of=TWO_GPUS)]
    asks, left_out = window(Turns.alone(backlog(*work)), Limits())
    assert [(ask.gang.key, ask.gang.pods, [each.key for each in ask.singles]) for ask in asks] == [
        ("s1", 2, ["s1", "s2"]),
        ("g", 1, []),
        ("s3", 1, ["s3"]),
    ]
    assert left_out == []


def test_in_a_strict_queue_only_pods_that_follow_one_another_are_one_ask() -> None:
    work = [gang("s1", single=True), gang("s2", arrived=1, single=True), gang("g", arrived=2)]
    work += [gang("s3", arrived=3, single=True), gang("s4", arrived=4, single=True)]
    asks, _ = window(Turns.alone(backlog(*work)), Limits(), in_line={"q"})
    assert [[each.key for each in ask.singles] for ask in asks] == [["s1", "s2"], [], ["s3", "s4"]]


def test_pods_of_other_users_are_other_asks_where_users_count() -> None:
    work = [gang("s1", single=True), msgspec.structs.replace(gang("s2", arrived=1, single=True), user="eve")]
    in_turn = Turns.alone(backlog(*work))
    assert [ask.gang.pods for ask in window(in_turn, Limits())[0]] == [2]
    assert [ask.gang.pods for ask in window(in_turn, Limits(), by_user=True)[0]] == [1, 1]


def test_the_window_says_what_it_leaves_out() -> None:
    work = [gang("a"), gang("b", arrived=1), gang("s", arrived=2, single=True), gang("t", arrived=3, single=True)]
    asks, left_out = window(Turns.alone(backlog(*work)), Limits(window_gangs=1, window_singles=1))
    assert ([ask.gang.key for ask in asks], left_out) == (["a", "s"], ["b", "t"])


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (
            Refusal("required-topology", "NotEnough", 16_000, 12_000, GPU, "rack zone-1/r7"),
            "needs 16 GPUs in one rack; the best rack, r7, has 12 free",
        ),
        (Refusal("gang-minimum", "Incomplete", 4, 1), "1 of at least 4 pods exist"),
        (
            Refusal("filters", "NoEligibleNode", 1, where="412 nodes", counts=(("gpu-model", 300), ("taints", 112))),
            "none of 412 nodes may take its pods: 300 with another GPU model, 112 with a taint it does not tolerate",
        ),
        (
            Refusal("queue-limit", "OverLimit", 8000, 2000, GPU, "a"),
            "needs 8 GPUs; queue a may take 2 more within its limit",
        ),
        (
            Refusal("queue", "ParentCycle", where="hen -> egg -> hen"),
            "the parents of queue hen form a cycle: hen -> egg -> hen",
        ),
        (
            Refusal("taking", "Protected", counts=(("minimum-run-time", 1), ("not-preemptible", 2))),
            "running work may not be taken: 1 gang within its minimum run time, 2 gangs that are not preemptible",
        ),
        (Refusal("something", "New", 3, 1), "something New: needs 3 pods, has 1"),
    ],
)
def test_sentences(refusal: Refusal, words: str) -> None:
    assert message(Verdict(Cause.BLOCKED, (refusal,), proven=True)) == words


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict(Cause.BLOCKED, (Refusal("capacity", "NotEnough"),)), "Unschedulable"),
        (Verdict(Cause.BLOCKED, (Refusal("queue-limit", "OverLimit"),)), "QueueHeld"),
        (Verdict(Cause.INCOMPLETE), "GangIncomplete"),
        (Verdict(Cause.OUTRANKED), "QueueHeld"),
        (Verdict(Cause.INVALID), "SchedulerError"),
    ],
)
def test_autoscalers_see_unschedulable_only_for_what_no_node_can_hold(verdict: Verdict, reason: str) -> None:
    assert pod_reason(verdict) == reason


KEY = GangKey("a/b")
BLOCKED = Verdict(Cause.BLOCKED, (Refusal("capacity", "NotEnough", 2, 1),))
STILL_BLOCKED = Verdict(Cause.BLOCKED, (Refusal("capacity", "NotEnough", 2, 0),))


def test_a_verdict_is_said_after_a_wait_then_on_a_new_cause_else_rarely() -> None:
    voice = Voice(VerdictPace(first_seconds=1, repeat_seconds=30, writes_per_second=10))
    voice.note(KEY, BLOCKED, 100.0)
    assert voice.due(100.5) == []
    assert voice.due(101.0) == [KEY]
    voice.note(KEY, STILL_BLOCKED, 105.0)
    assert voice.due(106.0) == []
    assert voice.due(131.0) == [KEY]
    voice.note(KEY, Verdict(Cause.OUTRANKED), 132.0)
    assert voice.due(133.0) == [KEY]
    assert voice.due(500.0) == []


def test_a_sure_no_is_said_at_once_but_not_again_with_every_number() -> None:
    voice = Voice(VerdictPace(first_seconds=1, repeat_seconds=30, writes_per_second=10))
    voice.note(KEY, Verdict(Cause.INCOMPLETE), 99.5)
    voice.note(KEY, msgspec.structs.replace(BLOCKED, proven=True), 100.0)
    assert voice.due(100.0) == [KEY]
    voice.note(KEY, msgspec.structs.replace(STILL_BLOCKED, proven=True), 105.0)
    assert voice.due(106.0) == []
    assert voice.due(130.0) == [KEY]


def test_a_gang_is_not_told_that_pods_are_missing_while_they_are_being_created() -> None:
    voice = Voice(VerdictPace(first_seconds=1, incomplete_seconds=3, writes_per_second=10))
    for moment in range(100, 110):
        short = Refusal("gang-minimum", "Incomplete", needed=20, offered=moment - 100)
        voice.note(KEY, Verdict(Cause.INCOMPLETE, (short,)), float(moment))
        assert voice.due(moment + 0.9) == []
    assert voice.due(111.9) == []
    assert voice.due(112.0) == [KEY]


def test_words_are_rationed() -> None:
    voice = Voice(VerdictPace(first_seconds=0, writes_per_second=2))
    for number in range(5):
        voice.note(GangKey(f"a/{number}"), BLOCKED, 100.0)
    assert [len(voice.due(moment)) for moment in (100.0, 100.0, 101.0, 102.0)] == [2, 0, 2, 1]


def test_every_phase_leads_somewhere_and_knows_why() -> None:
    assert set(ARROWS) == set(Phase)
    assert all(reason for arrows in ARROWS.values() for reason in arrows.values())
    assert not allowed(Phase.DONE, Phase.RELEASING)


def test_of_single_pods_what_a_plan_says_is_noted_and_of_others_it_is_answered() -> None:
    voice = Voice(VerdictPace(first_seconds=1, repeat_seconds=30, writes_per_second=10))
    pods = [GangKey(f"pod/{number}") for number in range(3)]
    verdicts = {**dict.fromkeys(pods, BLOCKED), KEY: BLOCKED}
    assert voice.hear(verdicts, pods, 100.0) == [(KEY, BLOCKED)]
    assert voice.due(101.0) == pods
    assert voice.hear({**dict.fromkeys(pods[:2], STILL_BLOCKED), pods[2]: Verdict(Cause.PLACED)}, pods, 105.0) == []
    assert voice.due(131.0) == pods[:2]
    assert voice.hear(dict.fromkeys(pods, Verdict(Cause.OUTRANKED)), pods[:1], 132.0) == [
        (pod, Verdict(Cause.OUTRANKED)) for pod in pods[1:]
    ]
    assert voice.due(133.0) == pods[:1]


def test_what_is_said_already_is_not_said_again_when_it_was_something_else_in_between() -> None:
    voice = Voice(VerdictPace(first_seconds=1, repeat_seconds=30, writes_per_second=10))
    pod = GangKey("pod/one")
    for moment, verdict in ((100.0, BLOCKED), (102.0, STILL_BLOCKED), (103.0, BLOCKED)):
        voice.hear({pod: verdict}, {pod}, moment)
        assert voice.due(moment + 1) == ([pod] if moment == 100.0 else [])
    assert voice.due(500.0) == []
    voice.hear({pod: STILL_BLOCKED}, {pod}, 501.0)
    assert voice.due(501.0) == [pod]


@pytest.mark.parametrize(
    ("pods", "said", "words"),
    [
        (1, "gives its place to team/high", "one pod of team/low gives its place to team/high"),
        (2, "gives its place to team/high", "2 pods of team/low give their places to team/high"),
        (2, "queue q is draining", "2 pods of team/low: queue q is draining"),
    ],
)
def test_what_a_queue_is_told_of_a_loss(pods: int, said: str, words: str) -> None:
    assert loss_words(GangKey("team/low"), pods, Reason("Preempted", said))[1] == words
