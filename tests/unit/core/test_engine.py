"""The engine, from events to effects."""

from __future__ import annotations

import msgspec

from scheduler.core.engine import Engine
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU, from_quantities
from scheduler.model.work import MemberSpec, Pod, PodGroup
from tests.unit.core.world import Bench, group, node, pod, shape

Work = list[Pod | PodGroup]


def gang(name: str, count: int, *, gpus: int = 1, minimum: int | None = None, required: str = "") -> Work:
    pods = [pod(f"{name}-{number}", group=name, gpus=gpus) for number in range(count)]
    return [group(name, count if minimum is None else minimum, required=required), *pods]


def test_a_single_pod_is_bound_with_uid_and_version() -> None:
    bench = Bench(node("n1"))
    bench.see(pod("a", version="7"))
    (bind,) = bench.performed(ef.Bind)
    assert (bind.name, bind.uid, bind.version, bind.node) == ("a", "uid-a", "7", "n1")


def test_nothing_is_asked_for_before_leading_and_synced() -> None:
    engine = Engine(Policy())
    seen: list[ev.Event] = [ev.NodeSeen(node("n1")), ev.QueueSeen(Queue("default")), ev.PodSeen(pod("a"))]
    assert engine.handle(seen, 1.0) == []
    assert engine.handle([ev.Leading(1)], 1.0) == []
    assert [type(each) for each in engine.handle([ev.Synced()], 1.0)] == [ef.Decide]


def test_a_gang_is_committed_held_and_then_bound_where_the_record_says() -> None:
    bench = Bench(node("n1", 4), node("n2", 4))
    bench.see(*gang("g", 8))
    kinds = [type(each).__name__ for each in bench.done]
    assert kinds.index("Commit") < kinds.index("Hold") < kinds.index("Bind")
    assert len(bench.performed(ef.Bind)) == 8
    record = bench.groups["g"].assignment
    assert record is not None
    assert sorted(each.count for place in record.places for each in place.nodes) == [4, 4]
    assert (bench.phase("g"), bench.groups["g"].scheduled) == ("Running", 8)


def test_a_gang_that_does_not_fit_is_never_bound_and_says_why_with_numbers() -> None:
    bench = Bench(node("n1", 8, "r1"), node("n2", 12, "r7"))
    bench.see(*gang("g", 16, required="rack"))
    bench.tick()
    assert not bench.performed(ef.Bind)
    assert not bench.performed(ef.Commit)
    status = bench.performed(ef.WriteStatus)[-1].status
    assert status.verdict_cause == "Blocked"
    assert status.verdict_message == "needs 16 GPUs in one rack; the best rack, r7, has 12, even if all were free"
    assert {mark.reason for mark in bench.performed(ef.MarkPod)} == {"Unschedulable"}


def test_an_incomplete_gang_waits_and_warns_only_after_its_patience() -> None:
    bench = Bench(node("n1"))
    bench.see(group("g", 4), pod("g-0", group="g"))
    bench.tick()
    assert bench.performed(ef.WriteStatus)[-1].status.verdict_message == "1 of at least 4 pods exist"
    assert {mark.reason for mark in bench.performed(ef.MarkPod)} == {"GangIncomplete"}
    assert not bench.performed(ef.Tell)
    bench.tick(61)
    assert [tell.warning for tell in bench.performed(ef.Tell)] == [True]
    bench.tick(61)
    assert len(bench.performed(ef.Tell)) == 1


def test_an_elastic_gang_starts_at_its_minimum_and_grows_by_another_commit() -> None:
    bench = Bench(node("n1", 3))
    bench.see(*gang("g", 5, minimum=2))
    assert len(bench.performed(ef.Bind)) == 3
    bench.tell(ev.NodeSeen(node("n2", 8)))
    bench.tick()
    assert len(bench.performed(ef.Bind)) == 5
    assert len(bench.performed(ef.Commit)) == 2
    assert bench.groups["g"].scheduled == 5


def test_a_pod_that_comes_back_under_another_name_takes_the_recorded_place() -> None:
    bench = Bench(node("n1", 4), node("n2", 8))
    bench.see(*gang("g", 4))
    before = bench.groups["g"].assignment
    lost = bench.pods["uid-g-2"]
    bench.tell(ev.PodGone(lost.uid))
    bench.see(pod("g-new", group="g"))
    assert bench.nodes_of("g-new") == [lost.node]
    assert bench.groups["g"].assignment == before


def test_recorded_places_are_reserved_until_their_pods_take_them() -> None:
    bench = Bench(node("n1", 8))
    bench.lose = [ef.Bind]
    bench.see(*gang("g", 8))
    bench.see(pod("late"))
    assert bench.nodes_of("late") == [""]
    assert len(bench.held) == 8


def test_a_successor_resumes_the_record_instead_of_deciding_again() -> None:
    bench = Bench(node("n1", 4, "r1"), node("n2", 4, "r2"), node("n3", 4, "r3"))
    bench.lose = [ef.Bind]
    bench.see(*gang("g", 4, required="rack"))
    record = bench.groups["g"].assignment
    assert record is not None
    successor = Bench(node("n1", 4, "r1"), node("n2", 4, "r2"), node("n3", 4, "r3"))
    successor.see(bench.groups["g"], *(each for each in bench.pods.values()))
    (place,) = record.places
    assert set(successor.nodes_of("g-0", "g-1", "g-2", "g-3")) == {each.node for each in place.nodes}
    assert not successor.performed(ef.Commit)


def test_a_lost_commit_is_sent_again_as_it_was() -> None:
    bench = Bench(node("n1"))
    bench.lose = [ef.Commit]
    bench.see(*gang("g", 2))
    (lost,) = bench.held
    bench.tell(ev.Failed(lost, 0, "no answer"))
    bench.lose = []
    bench.tick(2)
    assert bench.performed(ef.Commit) == [lost]
    assert len(bench.performed(ef.Bind)) == 2


def test_a_conflicting_commit_decides_again_on_the_newer_object() -> None:
    bench = Bench(node("n1"))
    bench.lose = [ef.Commit]
    bench.see(*gang("g", 2))
    (refused,) = bench.held
    bench.lose = []
    bench.tell(ev.Failed(refused, 409, "the object has been modified"))
    assert not bench.performed(ef.Commit)
    bench.see(group("g", 2, version="9"))
    assert [each.version for each in bench.performed(ef.Commit)] == ["9"]


def test_a_refused_bind_is_tried_again_once_the_pod_is_seen_changed() -> None:
    bench = Bench(node("n1", 1))
    bench.lose = [ef.Bind]
    bench.see(pod("a"))
    (refused,) = bench.held
    bench.tell(ev.Failed(refused, 409, "Precondition failed: ResourceVersion"))
    bench.see(pod("b"))
    assert bench.nodes_of("b") == [""], "the room of a bind that may have happened must stay taken"
    bench.lose = []
    bench.see(pod("a", version="2"))
    bench.tick()
    assert bench.nodes_of("a") == ["n1"]


def test_a_refused_bind_of_a_gang_is_tried_again_too() -> None:
    bench = Bench(node("n1", 2))
    bench.lose = [ef.Bind]
    bench.see(*gang("g", 2))
    first, second = bench.held
    bench.tell(ev.Done(first), ev.Failed(second, 409, "Precondition failed: ResourceVersion"))
    bench.lose = []
    assert isinstance(second, ef.Bind)
    bench.see(msgspec.structs.replace(bench.pods[second.uid], version="77"))
    assert [each.version for each in bench.performed(ef.Bind)] == ["77"]


def test_what_is_not_decided_on_is_refused_by_name() -> None:
    strange = msgspec.structs.replace(shape(), unmodelled=("required podAntiAffinity",))
    bench = Bench(node("n1"))
    bench.see(pod("a", shape=strange))
    bench.tick()
    (mark,) = bench.performed(ef.MarkPod)
    assert mark.reason == "SchedulerError"
    assert "required podAntiAffinity is not supported yet" in mark.message


def test_a_record_whose_node_is_gone_is_released_after_its_pods_are_bumped() -> None:
    bench = Bench(node("n1", 4), node("n2", 2))
    bench.lose = [ef.Hold]
    bench.see(*gang("g", 4))
    assert bench.groups["g"].assignment is not None
    (hold,) = bench.held
    bench.lose = []
    bench.tell(ev.Failed(hold, 500, "away"), ev.NodeGone("n1"), ev.NodeSeen(node("n3", 4)))
    bench.tick(2)
    kinds = [type(each).__name__ for each in bench.done]
    assert kinds.index("Bump") < kinds.index("Release") < len(kinds) - 1 - kinds[::-1].index("Commit")
    assert set(bench.nodes_of("g-0", "g-1", "g-2", "g-3")) == {"n3"}


def test_gated_pods_are_not_attempted() -> None:
    bench = Bench(node("n1"))
    bench.see(pod("a", gated=True))
    assert not bench.performed(ef.Bind)
    bench.see(pod("a", version="2"))
    assert len(bench.performed(ef.Bind)) == 1


def test_templates_are_decided_before_their_pods_exist() -> None:
    bench = Bench(node("n1"))
    planned = group("g", 2, members=(MemberSpec("main", 2, None, shape()),))
    bench.see(planned)
    assert len(bench.performed(ef.Commit)) == 1
    assert not bench.performed(ef.Bind)
    bench.see(pod("g-0", group="g"), pod("g-1", group="g"))
    assert len(bench.performed(ef.Bind)) == 2


def test_a_member_without_a_minimum_is_needed_in_full() -> None:
    members = (MemberSpec("a", 4, 2, shape()), MemberSpec("b", 2, None, shape(2)))
    bench = Bench(node("n1", 5))
    bench.see(msgspec.structs.replace(group("g", 0, members=members), min_member=None))
    bench.tick()
    assert not bench.performed(ef.Commit), "4 pods of a alone are not enough: b is needed too"
    bench.tell(ev.NodeSeen(node("n1", 6)))
    bench.tick()
    (commit,) = bench.performed(ef.Commit)
    counts = {place.member: sum(each.count for each in place.nodes) for place in commit.assignment.places}
    assert counts == {"a": 2, "b": 2}


def test_a_record_whose_pods_never_come_is_released() -> None:
    bench = Bench(node("n1"))
    bench.see(group("g", 2, members=(MemberSpec("main", 2, None, shape()),)))
    bench.tick(30)
    assert not bench.performed(ef.Release)
    bench.tick(31)
    assert len(bench.performed(ef.Release)) == 1


def test_the_limit_of_a_queue_holds_over_single_pods_and_gangs() -> None:
    limited = Queue("default", quotas=(Quota(GPU, limit=5000),))
    bench = Bench(node("n1"), queues=[limited])
    bench.see(pod("a"), *gang("g", 4))
    bench.see(*gang("h", 2))
    bench.tick()
    assert len(bench.performed(ef.Bind)) == 5
    assert {mark.reason for mark in bench.performed(ef.MarkPod)} == {"QueueHeld"}


def test_work_without_a_queue_is_refused_by_name_and_the_rest_goes_on() -> None:
    bench = Bench(node("n1"))
    bench.see(pod("lost", queue="nowhere"), pod("fine"))
    bench.tick()
    (mark,) = bench.performed(ef.MarkPod)
    assert (mark.name, mark.reason, mark.message) == ("lost", "SchedulerError", "queue nowhere does not exist")
    assert bench.nodes_of("fine") == ["n1"]


def test_a_cycle_of_queues_becomes_their_condition() -> None:
    bench = Bench(node("n1"), queues=[Queue("a", parent="b"), Queue("b", parent="a"), Queue("default")])
    bench.tick()
    words = {each.name: each.conditions[0] for each in bench.performed(ef.WriteQueueStatus)}
    assert words["a"].reason == "ParentCycle"
    assert "a -> b -> a" in words["a"].message


def test_a_finished_gang_gives_its_record_back() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("g", 2))
    for name in ("g-0", "g-1"):
        done = msgspec.structs.replace(bench.pods[f"uid-{name}"], finished=True, succeeded=True, version="99")
        bench.see(done)
    assert (bench.phase("g"), bench.groups["g"].assignment) == ("Done", None)
    assert (bench.engine.store.free() == bench.engine.store.capacity()).all()


def test_deposed_means_silence() -> None:
    bench = Bench(node("n1"))
    bench.tell(ev.Deposed())
    bench.see(pod("a"))
    assert not bench.performed(ef.Bind)
    bench.tell(ev.Leading(2), ev.Synced())
    assert len(bench.performed(ef.Bind)) == 1


def templated(name: str, count: int) -> PodGroup:
    spec = MemberSpec("main", count, None, shape())
    return msgspec.structs.replace(group(name, 0, members=(spec,)), min_member=None)


def test_finished_work_is_not_planned_again_from_its_templates() -> None:
    bench = Bench(node("n1"))
    bench.see(templated("g", 2), pod("g-0", group="g"), pod("g-1", group="g"))
    for name in ("g-0", "g-1"):
        bench.see(msgspec.structs.replace(bench.pods[f"uid-{name}"], finished=True, succeeded=True, version="99"))
    bench.tell(ev.PodGone("uid-g-0"), ev.PodGone("uid-g-1"))
    bench.tick(100)
    assert len(bench.performed(ef.Commit)) == 1
    assert bench.groups["g"].assignment is None


def test_a_gang_is_not_begun_with_fewer_pods_than_its_minimum() -> None:
    bench = Bench(node("n1"))
    bench.see(templated("g", 4), pod("g-0", group="g"))
    assert len(bench.performed(ef.Commit)) == 1
    assert not bench.performed(ef.Bind)
    bench.see(*(pod(f"g-{number}", group="g") for number in (1, 2, 3)))
    assert len(bench.performed(ef.Bind)) == 4


def test_a_place_taken_by_somebody_else_is_given_up_before_anything_is_bound() -> None:
    bench = Bench(node("n1", 4), node("n2", 0))
    bench.see(templated("g", 4))
    stranger = msgspec.structs.replace(pod("x", gpus=2, node="n1"), ours=False)
    bench.see(stranger)
    bench.see(*(pod(f"g-{number}", group="g") for number in range(4)))
    bench.tick()
    assert not bench.performed(ef.Bind)
    assert len(bench.performed(ef.Release)) == 1


def test_a_cordoned_place_is_given_up_before_anything_is_bound() -> None:
    bench = Bench(node("n1", 4))
    bench.see(templated("g", 4))
    bench.tell(ev.NodeSeen(node("n1", 4, unschedulable=True)))
    bench.see(*(pod(f"g-{number}", group="g") for number in range(4)))
    bench.tick()
    assert not bench.performed(ef.Bind)


def test_growth_that_meets_a_conflict_is_decided_again() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("g", 2, minimum=2))
    bench.lose = [ef.Commit]
    bench.see(pod("g-9", group="g"))
    (growth,) = bench.held
    bench.lose = []
    bench.tell(ev.Failed(growth, 409, "the object has been modified"))
    bench.see(msgspec.structs.replace(bench.groups["g"], version="99999"))
    bench.tick()
    assert bench.nodes_of("g-9") == ["n1"]


def test_leadership_that_comes_back_finds_what_others_did_meanwhile() -> None:
    bench = Bench(node("n1"))
    bench.lose = [ef.Bind]
    bench.see(*gang("g", 2))
    bench.tell(ev.Deposed())
    bench.lose = []
    bench.groups["g"] = msgspec.structs.replace(bench.groups["g"], assignment=None, version="5000")
    bench.tell(ev.PodGroupSeen(bench.groups["g"]), ev.Leading(3), ev.Synced())
    assert bench.nodes_of("g-0", "g-1") == ["n1", "n1"]


def test_a_pod_that_changes_its_group_leaves_the_old_one() -> None:
    bench = Bench(node("n1"))
    bench.see(group("g", 2), group("h", 1), pod("a", group="g"))
    bench.see(pod("a", group="h", version="2"))
    bench.tell(ev.PodGone("uid-a"), ev.QueueSeen(Queue("default", version="2")))
    bench.tick()
    assert bench.engine.store.members_of == {}


def test_the_finalizers_of_others_stay() -> None:
    bench = Bench(node("n1"))
    bench.see(msgspec.structs.replace(group("g", 1), finalizers=("other/one",)), pod("g-0", group="g"))
    (hold,) = bench.performed(ef.Hold)
    assert hold.finalizers == ("other/one", "muster.dev/pod-group")


def test_an_absurd_request_harms_nobody_else() -> None:
    absurd = msgspec.structs.replace(shape(), requests=from_quantities({"cpu": "10P", "memory": "16Ei", "pods": 1}))
    bench = Bench(node("n1"))
    bench.see(pod("absurd", shape=absurd), pod("fine"))
    bench.see(*(msgspec.structs.replace(pod(f"x{n}", shape=absurd, node="n1"), ours=False) for n in range(3)))
    assert bench.nodes_of("absurd", "fine") == ["", "n1"]
    assert (bench.engine.store.free()[0, :2] < 0).all()


def test_a_deleted_succeeded_pod_does_not_open_its_place_again() -> None:
    bench = Bench(node("n1", 2))
    bench.see(*gang("g", 2, minimum=1))
    bench.see(msgspec.structs.replace(bench.pods["uid-g-0"], finished=True, succeeded=True, version="50"))
    bench.see(pod("other"))
    assert bench.nodes_of("other") == ["n1"]
    bench.tell(ev.PodGone("uid-g-0"))
    bench.see(pod("g-9", group="g"))
    bench.tick()
    assert bench.nodes_of("g-9") == [""]
    assert (bench.engine.store.free() >= 0).all()


def test_a_record_covers_pods_that_stood_there_before_it() -> None:
    bench = Bench(node("n1", 4))
    bench.see(group("g", 2), pod("g-0", group="g", node="n1"), pod("g-1", group="g"))
    record = bench.groups["g"].assignment
    assert record is not None
    assert [(each.node, each.count) for place in record.places for each in place.nodes] == [("n1", 2)]
    assert len(bench.performed(ef.Commit)) == 1


def test_a_gang_bound_by_somebody_else_is_running() -> None:
    bench = Bench(node("n1", 4))
    bench.see(group("g", 1), pod("g-0", group="g", node="n1"))
    bench.tick()
    assert bench.phase("g") == "Running"


def test_a_conflict_is_not_answered_by_the_same_write_until_something_changes() -> None:
    bench = Bench(node("n1"))
    bench.lose = [ef.Hold]
    bench.see(*gang("g", 2))
    (hold,) = bench.held
    bench.tell(ev.Failed(hold, 409, "the object has been modified"))
    assert len(bench.held) == 1
    bench.tick(2)
    assert len(bench.held) == 2


def test_a_cycle_that_appears_while_deciding_harms_nobody() -> None:
    bench = Bench(node("n1"), queues=[Queue("default"), Queue("a"), Queue("b", parent="a")])
    cycle = Queue("a", parent="b", version="2", quotas=(Quota(GPU, limit=1000),))
    bench.tell(ev.PodSeen(pod("x", queue="b")), ev.QueueSeen(cycle))
    bench.see(pod("fine"))
    bench.tick()
    assert bench.nodes_of("fine") == ["n1"]


def test_limits_of_ancestors_count_the_whole_subtree() -> None:
    queues = [Queue("root", quotas=(Quota(GPU, limit=3000),)), Queue("a", parent="root"), Queue("b", parent="root")]
    bench = Bench(node("n1"), queues=queues)
    bench.see(*(pod(f"a{n}", queue="a") for n in range(2)))
    bench.see(*(pod(f"b{n}", queue="b") for n in range(2)))
    assert len(bench.performed(ef.Bind)) == 3


def test_room_that_another_scheduler_is_making_for_its_pod_is_left_to_it() -> None:
    bench = Bench(node("n1", 4), node("n2", 4))
    foreign = msgspec.structs.replace(pod("theirs", shape=shape(3)), ours=False, nominated="n1")
    bench.see(foreign)
    bench.see(*gang("g", 2, gpus=2))
    assert bench.nodes_of("g-0", "g-1") == ["n2", "n2"]
    bench.see(msgspec.structs.replace(foreign, nominated="", version="2"))
    bench.see(*gang("h", 2, gpus=2))
    assert bench.nodes_of("h-0", "h-1") == ["n1", "n1"]


def test_a_plan_that_says_when_is_made_anew_then_and_not_before() -> None:
    engine = Engine(Policy())
    engine.handle([ev.NodeSeen(node("n1", 1)), ev.QueueSeen(Queue("default")), ev.Leading(1), ev.Synced()], 0.0)
    (asked,) = [each for each in engine.handle([ev.PodSeen(pod("a", gpus=2))], 0.0) if isinstance(each, ef.Decide)]
    engine.handle([ev.Planned(Plan(asked.version, again_at_seconds=30.0))], 0.0)
    assert not any(isinstance(each, ef.Decide) for each in engine.handle([ev.Ticked()], 29.0))
    assert any(isinstance(each, ef.Decide) for each in engine.handle([ev.Ticked()], 30.0))
