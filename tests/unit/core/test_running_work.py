"""What of running work a decision is shown, and that it is made anew only where something changed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.effects import Effect
from scheduler.model.events import Event
from scheduler.model.policy import Taking
from scheduler.model.relations import LabelSet
from scheduler.model.running import Guard, Running
from scheduler.model.work import MemberSpec
from tests.unit.core.test_giving_way import full, gang, take
from tests.unit.core.world import TALKATIVE, Bench, group, node, pod, shape


def running(bench: Bench) -> dict[str, Running]:
    return {each.name: each for each in bench.engine.snapshot().running}


def test_a_running_gang_is_shown_whole_with_its_minimum_and_its_pods() -> None:
    bench = Bench(node("n1"))
    low = replace(group("low", 2), movable=False, queued_at_seconds=7.0)
    bench.see(low, *(pod(f"low-{number}", group="low", started_seconds=50.0 + number) for number in range(4)))
    (found,) = bench.engine.snapshot().running
    (member,) = found.members
    assert (found.key, found.queue, member.count, found.branches[0].minimum) == ("team/low", "default", 4, 2)
    assert (found.movable, found.preemptible, found.waits, found.single) == (False, True, False, False)
    assert (found.arrived_seconds, found.started_seconds, found.saved_seconds) == (7.0, 50.0, 50.0)
    assert sorted((each.uid, each.node, each.member) for each in found.pods) == [
        (f"uid-low-{number}", "n1", member.name) for number in range(4)
    ]


def test_what_is_left_of_a_gang_stays_beside_those_that_have_ended() -> None:
    for required, movable in (("rack", False), ("", True)):
        bench = Bench(node("n1", rack="r1"))
        bench.see(group("low", 1, required=required), *(pod(f"low-{number}", group="low") for number in range(2)))
        assert running(bench)["team/low"].movable
        bench.see(replace(bench.pods["uid-low-0"], finished=True, succeeded=True, version="99"))
        assert running(bench)["team/low"].movable == movable


def test_a_single_pod_is_shown_by_itself_and_a_foreign_one_not_at_all() -> None:
    bench = Bench(node("n1"))
    bench.see(pod("a", preemptible=False, priority=5), replace(pod("b"), ours=False, node="n1"))
    (found,) = bench.engine.snapshot().running
    assert (found.key, found.single, found.preemptible, found.priority) == ("pod/uid-a", True, False, 5)


def test_a_gang_that_is_being_bound_is_not_asked_to_give_way() -> None:
    bench = Bench(node("n1"))
    bench.lose = [ef.Bind]
    bench.see(*gang("low", 2))
    assert running(bench) == {}


def test_those_named_by_a_record_leave_and_who_is_deleted_by_others_keeps_his_place_for_a_replacement() -> None:
    bench = full(minimum=2)
    bench.lose = [ef.MarkEvicted]
    take(bench, {"n1": 2}, "low-2", "low-3")
    found = {each.name: each.leaving for gang in bench.engine.snapshot().running for each in gang.pods}
    assert found == {"low-0": False, "low-1": False, "low-2": True, "low-3": True}
    bench.see(replace(bench.pods["uid-low-0"], leaving=True, leaves_seconds=bench.now + 30, version="5000"))
    found = {each.name: each.leaving for gang in bench.engine.snapshot().running for each in gang.pods}
    assert found == {"low-1": False, "low-2": True, "low-3": True}


class Handed(Bench):
    """Knows who was seen to leave when a record was handed over, before anything else was told: that is what a decision
    asked for in the same step sees."""

    left: tuple[str, ...] = ()

    def _perform(self, effect: Effect) -> list[Event]:
        if isinstance(effect, ef.Commit) and effect.name == "high":
            pods = [pod for gang in self.engine.snapshot().running for pod in gang.pods]
            self.left = tuple(sorted(pod.name for pod in pods if pod.leaving))
        return super()._perform(effect)


@pytest.mark.parametrize("grouped", [True, False], ids=["a gang", "single pods"])
def test_those_named_leave_from_the_step_on_in_which_their_record_is_accepted(grouped: bool) -> None:
    bench = Handed(node("n1", 4))
    bench.see(*(gang("low", 4, minimum=2) if grouped else [pod(f"low-{number}") for number in range(4)]))
    assert all(not each.leaving for gang in bench.engine.snapshot().running for each in gang.pods)
    bench.see(*gang("high", 2))
    take(bench, {"n1": 2}, "low-2", "low-3")
    assert bench.left == ("low-2", "low-3")


def test_a_pod_stuck_in_termination_is_neither_room_nor_victim() -> None:
    bench = Bench(node("n1"))
    bench.see(pod("a"))
    bench.see(replace(bench.pods["uid-a"], leaving=True, leaves_seconds=bench.now + 30, version="50"))
    bench.tick(30 + 299)
    assert running(bench)["team/a"].pods[0].leaving
    bench.tick(2)
    assert running(bench) == {}


def test_only_what_changed_is_made_anew() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("low", 2), pod("a"), pod("b"))
    before = running(bench)
    assert bench.engine.snapshot().running is bench.engine.snapshot().running
    bench.see(replace(bench.pods["uid-a"], started_seconds=90.0, version="50"))
    after = running(bench)
    assert after["team/a"].started_seconds == 90.0
    assert (after["team/b"] is before["team/b"], after["team/low"] is before["team/low"]) == (True, True)


def test_guards_of_a_pod_go_by_its_labels_and_namespace() -> None:
    bench = Bench(node("n1"))
    bench.see(pod("a", label_set=LabelSet("team", (("app", "x"),))), pod("b", label_set=LabelSet("other")))
    assert running(bench)["team/a"].pods[0].guards == ()
    bench.tell(ev.GuardSeen(Guard("team", "all", (), 3)))
    assert running(bench)["team/a"].pods[0].guards == ("team/all",)
    assert running(bench)["team/b"].pods[0].guards == ()
    assert bench.engine.snapshot().guards == {"team/all": 3}
    bench.tell(ev.GuardGone("team/all"))
    assert running(bench)["team/a"].pods[0].guards == ()


def test_work_is_lost_since_the_last_checkpoint() -> None:
    bench = Bench(node("n1"))
    at = bench.now
    annotated = replace(group("a", 1), saved_seconds=at + 5)
    promised = replace(group("b", 1), checkpoint_seconds=10.0)
    bench.see(annotated, promised, *(pod(f"{name}-0", group=name, started_seconds=at) for name in "ab"))
    bench.tick(37)
    assert (running(bench)["team/a"].saved_seconds, running(bench)["team/b"].saved_seconds) == (at + 5, at + 30)


def test_a_gang_of_templates_is_shown_with_what_its_templates_promise() -> None:
    bench = Bench(node("n1", 2))
    spec = MemberSpec("main", 4, 2, shape())
    bench.see(
        replace(group("g", 2), members=(spec,)), *(pod(f"g-{number}", group="g", member="main") for number in range(2))
    )
    found = running(bench)["team/g"]
    assert [(each.name, each.count, each.minimum) for each in found.members] == [("main", 4, 2)]
    assert (len(found.pods), found.waits) == (2, True)


def test_where_nobody_may_take_nothing_is_shown() -> None:
    bench = Bench(node("n1"), policy=replace(TALKATIVE, taking=Taking(preempt=False, reclaim=False, moves=False)))
    bench.see(pod("a"))
    assert bench.engine.snapshot().running == ()


def test_the_pods_of_a_gang_that_was_evicted_are_shown_until_they_are_gone() -> None:
    bench = full()
    take(bench, {"n1": 2}, *(f"low-{number}" for number in range(4)))
    leaving = [each for each in bench.engine.snapshot().running if each.pods[0].leaving]
    assert sorted(each.name for each in leaving) == [f"team/low-{number}" for number in range(4)]
    bench.go(*(f"low-{number}" for number in range(4)))
    assert "team/low" not in running(bench)


def test_what_waits_says_whether_when_and_for_whom_it_may_take() -> None:
    bench = Bench(node("n1", 0))
    bench.tell(ev.PriorityClassSeen("calm", 5, preempts=False))
    bench.see(replace(group("g", 1), priority_class="calm", delay_seconds=60.0, user="ann"), pod("g-0", group="g"))
    bench.see(group("h", 1), pod("h-0", group="h", preempts=False), pod("s", user="bob"), pod("t", preempts=False))
    found = {each.name: (each.preempts, each.delay_seconds, each.user) for each in bench.engine.snapshot().pending.all}
    assert found == {
        "team/g": (False, 60.0, "ann"),
        "team/h": (False, None, "team"),
        "team/s": (True, None, "bob"),
        "team/t": (False, None, "team"),
    }
