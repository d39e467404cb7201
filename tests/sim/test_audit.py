"""The audit sees each wrong there is: a rogue scheduler does one at a time, by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.sim import manifests
from scheduler.sim.audit import PARTLY_BOUND_SECONDS, UNTAKEN_SECONDS, Auditor
from scheduler.sim.audit_evictions import REPEAT_SECONDS
from scheduler.sim.ledger import GIVEN_SECONDS, REACTION_SECONDS
from scheduler.sim.liveness import complaints
from scheduler.sim.run import Simulation
from scheduler.wire import names
from scheduler.wire.requests import STRATEGIC, Request
from tests.sim.worlds import racks


def bind(world: Simulation, pod: str, node: str) -> None:
    body = {"metadata": {"name": pod}, "target": {"kind": "Node", "name": node}}
    world.ask("POST", f"/api/v1/namespaces/team/pods/{pod}/binding", body)


def record(
    world: Simulation, gang: str, *victims: str, made_from: str = "1", moves: tuple[str, ...] = (), **places: int
) -> None:
    """Write a record of ``worker`` pods by node name, which makes ``victims`` leave, and moves others to ``r0n1``."""
    nodes = [{"name": name, "count": count} for name, count in places.items()]
    made: dict[str, Any] = {"epoch": 1, "madeFrom": made_from, "decidedAt": "2027-01-15T08:00:00Z"}
    pods = {each["metadata"]["name"]: each["metadata"]["uid"] for each in world.server.objects.all("pods")}
    named = {name: {"uid": pods[name], "namespace": "team", "name": name} for name in (*victims, *moves)}
    there = [{"member": "worker", "nodes": [{"name": "r0n1", "count": len(moves)}]}]
    moved = [{"gang": "team/moved", "places": there, "pods": [named[name] for name in moves]}] if moves else []
    made |= {"places": [{"member": "worker", "nodes": nodes}], "victims": [named[name] for name in victims]}
    status: dict[str, Any] = {"assignment": {**made, "moves": moved}}
    path = f"/apis/muster.dev/v1alpha1/namespaces/team/podgroups/{gang}/status"
    world.ask("PATCH", path, {"status": status}, "application/merge-patch+json")


def release(world: Simulation, gang: str) -> None:
    path = f"/apis/muster.dev/v1alpha1/namespaces/team/podgroups/{gang}/status"
    world.ask("PATCH", path, {"status": {"assignment": None}}, "application/merge-patch+json")


def evict(world: Simulation, pod: str) -> None:
    """As the scheduler does, which says why first."""
    said = {"type": names.CONDITION_EVICTED, "status": "True", "reason": "Reclaimed", "message": ""}
    path = f"/api/v1/namespaces/team/pods/{pod}"
    for request in (
        Request("PATCH", f"{path}/status", msgspec.json.encode({"status": {"conditions": [said]}}), STRATEGIC),
        Request("POST", f"{path}/eviction", msgspec.json.encode({"metadata": {"name": pod}})),
    ):
        answer = world.server.handle(request, names.SCHEDULER)
        assert answer.status < 300, answer


def rules(world: Simulation) -> list[str]:
    return [violation.rule for violation in world.auditor.violations]


def test_a_gang_bound_on_its_record_is_right() -> None:
    world = racks()
    world.gang("g", 2, rack=True)
    record(world, "g", r0n0=1, r0n1=1)
    bind(world, "g-0", "r0n0")
    bind(world, "g-1", "r0n1")
    world.run(2 * PARTLY_BOUND_SECONDS)
    assert rules(world) == []


def test_over_commit() -> None:
    world = racks(gpus=8)
    world.add(manifests.pod("a", gpus=6), manifests.pod("b", gpus=6))
    bind(world, "a", "r0n0")
    assert rules(world) == []
    bind(world, "b", "r0n0")
    assert rules(world) == ["over-commit"]


def test_room_that_is_promised_to_a_gang_is_not_given_to_others() -> None:
    world = racks(gpus=8)
    world.gang("g", 2, gpus=4)
    record(world, "g", r0n0=2)
    world.add(manifests.pod("a", gpus=1))
    bind(world, "a", "r0n0")
    assert rules(world) == ["over-promise"]


def test_leaving_pods_hold_their_room_until_they_are_gone() -> None:
    world = racks(gpus=8)
    world.add(manifests.pod("a", gpus=6), manifests.pod("b", gpus=6), manifests.pod("c", gpus=6))
    bind(world, "a", "r0n0")
    world.run(5)
    world.remove("pods", "a")
    bind(world, "b", "r0n0")
    assert rules(world) == ["over-commit"]
    world.remove("pods", "b")
    world.run(10)
    bind(world, "c", "r0n0")
    assert rules(world) == ["over-commit"]


def test_a_pod_off_the_record() -> None:
    world = racks()
    world.gang("g", 2)
    record(world, "g", r0n0=1, r0n1=1)
    bind(world, "g-0", "r0n0")
    bind(world, "g-1", "r0n0")
    assert rules(world) == ["off-the-record"]


def test_a_gang_s_pod_bound_without_any_record() -> None:
    world = racks()
    world.gang("g", 2)
    bind(world, "g-0", "r0n0")
    assert rules(world) == ["off-the-record"]


def test_a_record_that_changes_without_a_release() -> None:
    world = racks()
    world.gang("g", 2, minimum=1)
    record(world, "g", r0n0=1)
    record(world, "g", r0n0=2)
    assert rules(world) == [], "it may grow"
    record(world, "g", r0n1=2)
    assert rules(world) == ["record-changed"]


@pytest.mark.parametrize(
    ("waited_seconds", "left", "expected"),
    [
        (UNTAKEN_SECONDS + 1, "r0n0", []),
        (UNTAKEN_SECONDS - 10, "r0n0", ["record-changed"]),
        (UNTAKEN_SECONDS + 1, "r0n1", ["record-changed"]),
    ],
)
def test_places_that_nobody_takes_for_long_are_given_back(
    waited_seconds: float, left: str, expected: list[str]
) -> None:
    """Those of others than stand, and no sooner."""
    world = racks()
    world.gang("g", 2, minimum=1)
    record(world, "g", r0n0=1, r0n1=1)
    bind(world, "g-0", "r0n0")
    world.run(waited_seconds)
    record(world, "g", **{left: 1})  # type: ignore[arg-type]
    assert rules(world) == expected


def test_places_on_a_node_that_takes_no_pods_are_given_back_by_those_who_have_not_taken_them() -> None:
    world = racks()
    world.gang("g", 2, minimum=1)
    record(world, "g", r0n0=1, r0n1=1)
    bind(world, "g-0", "r0n0")
    for name in ("r0n0", "r0n1"):
        world.change("nodes", name, {"spec": {"unschedulable": True}})
    record(world, "g", r0n0=1, r1n0=1)
    assert rules(world) == []
    record(world, "g", r1n0=2)
    assert rules(world) == ["record-changed"]


def test_a_decision_whose_victims_stay_is_taken_back() -> None:
    world = full_node()
    world.gang("new", 2, minimum=1, gpus=4, queue="b")
    record(world, "new", r0n1=1)
    bind(world, "new-0", "r0n1")
    record(world, "new", "other-0", r0n0=1, r0n1=1)
    record(world, "new", r0n1=1)
    assert rules(world) == []


def test_a_decision_that_spares_a_victim_keeps_no_place_of_those_it_gives_up() -> None:
    world = full_node()
    world.gang("new", 2, minimum=1, gpus=4, queue="b")
    record(world, "new", "other-0", r0n0=1, r0n1=1)
    record(world, "new", r0n0=1)
    assert rules(world) == ["record-changed", "over-promise"]


def test_the_place_of_one_who_left_for_another_is_his_gang_s_where_that_does_not_give_it_up() -> None:
    world = after_a_victim()
    world.run(GIVEN_SECONDS)
    bind(world, "new-0", "r0n0")
    assert rules(world) == ["over-promise"]


def test_a_place_that_was_added_a_moment_ago_has_not_waited() -> None:
    world = racks()
    world.gang("g", 3, minimum=1)
    record(world, "g", r0n0=1, r0n1=1)
    bind(world, "g-0", "r0n0")
    world.run(UNTAKEN_SECONDS + 1)
    record(world, "g", r0n0=1, r0n1=1, r1n0=1)
    world.run(2)
    record(world, "g", r0n0=1, r0n1=1)
    assert rules(world) == ["record-changed"]


def test_a_place_that_a_deleted_pod_leaves_to_its_gang_is_nobody_s_to_count_on() -> None:
    """Unless its gang goes too: then whoever makes others leave for that room does so in vain."""
    for leaves, expected in ((False, []), (True, ["needless-victim"])):
        world = full_node()
        world.change("queues", "a", {"spec": {"resources": [{"name": manifests.GPU, "guaranteed": "2"}]}})
        world.gang("new", 1, gpus=2, queue="b")
        world.remove("pods", "other-0")
        if leaves:
            world.remove("podgroups", "other")
        assert world.auditor.eviction.leaving_on("r0n0")[manifests.GPU] == (4000 if leaves else 0)
        record(world, "new", "old-0", r0n0=1)
        world.run(REACTION_SECONDS)
        assert rules(world) == expected


def test_a_required_rack() -> None:
    world = racks()
    world.gang("g", 2, rack=True)
    record(world, "g", r0n0=1, r1n0=1)
    assert rules(world) == ["topology"]


def test_a_queue_beyond_its_limit() -> None:
    world = racks()
    world.add(manifests.queue("small", gpu_limit=2))
    world.gang("g", 3, queue="small")
    record(world, "g", r0n0=3)
    assert rules(world) == ["queue-limit"]


def test_a_node_that_is_not_there() -> None:
    world = racks()
    world.add(manifests.pod("a"))
    bind(world, "a", "nowhere")
    assert rules(world) == ["no-such-node"]


def test_a_queue_with_more_firm_work_than_it_is_guaranteed() -> None:
    world = racks()
    world.add(manifests.queue("above", guaranteed=2), manifests.queue("small", parent="above", guaranteed=4))
    world.gang("g", 3, queue="small", preemptible=False)
    record(world, "g", r0n0=3)
    assert rules(world) == ["queue-guarantee"]


def full_node(priority: str = "low") -> Simulation:
    """Node r0n0 is full of `old` (two pods) and `other` (one); queue `a` is guaranteed 4 of the 8 GPUs that it uses."""
    world = racks(gpus=8)
    world.add(manifests.priority_class("high", 100), manifests.priority_class("low", 1))
    world.add(manifests.queue("a", guaranteed=4), manifests.queue("b", guaranteed=4))
    world.gang("old", 2, gpus=2, queue="a", priority=priority)
    world.gang("other", 1, gpus=4, queue="a", priority="low")
    record(world, "old", r0n0=2)
    record(world, "other", r0n0=1)
    for pod in ("old-0", "old-1", "other-0"):
        bind(world, pod, "r0n0")
    world.run(5)
    return world


def test_a_victim_beside_which_there_is_room() -> None:
    world = full_node()
    world.gang("new", 1, gpus=4, queue="b")
    record(world, "new", "other-0", r0n0=1)
    assert rules(world) == []
    world = full_node()
    world.gang("new", 1, gpus=2, queue="b")
    record(world, "new", "other-0", "old-0", r0n0=1)
    evict(world, "other-0")
    evict(world, "old-0")
    world.run(REACTION_SECONDS)
    assert rules(world) == ["needless-victim", "needless-victim"], "either of them would do"
    world = full_node()
    world.gang("new", 1, gpus=2, queue="b")
    world.gang("more", 1, gpus=4, queue="b")
    record(world, "new", "other-0", "old-0", r0n0=1)
    record(world, "more", r0n0=1)
    world.run(REACTION_SECONDS)
    assert rules(world) == [], "the rest is another's of the same plan"


def test_a_record_that_was_lost_on_its_way_had_its_room_before() -> None:
    world = full_node()
    world.auditor = Auditor(world.server, loses=True)
    world.gang("new", 1, gpus=2, queue="b")
    world.gang("before", 1, gpus=4, queue="b")
    record(world, "new", "other-0", "old-0", r0n0=1)
    world.run(REPEAT_SECONDS - 1)
    record(world, "before", r0n0=1)
    world.run(1)
    assert rules(world) == []


@pytest.mark.parametrize(("guaranteed", "expected"), [(3, []), (4, ["below-guarantee"])])
def test_victims_of_a_queue_that_comes_within_its_guarantee(guaranteed: int, expected: list[str]) -> None:
    """Of two units of 4 of the 8 GPUs that it uses the last may take it below, the first may not take it there."""
    world = full_node()
    world.change("queues", "a", {"spec": {"resources": [{"name": manifests.GPU, "guaranteed": str(guaranteed)}]}})
    world.gang("new", 2, gpus=4, queue="b")
    record(world, "new", "other-0", "old-0", "old-1", r0n0=2)
    world.run(REACTION_SECONDS)
    assert rules(world) == expected


def test_what_the_same_plan_gives_to_a_queue_may_be_written_a_moment_later() -> None:
    world = full_node()
    world.change("queues", "a", {"spec": {"resources": [{"name": manifests.GPU, "guaranteed": "4"}]}})
    world.gang("new", 2, gpus=4, queue="b")
    world.gang("more", 1, gpus=1, queue="a")
    record(world, "new", "other-0", "old-0", "old-1", r0n0=2)
    record(world, "more", r0n1=1)
    world.run(REACTION_SECONDS)
    assert rules(world) == []


def test_work_that_is_moved_stays_in_its_queue() -> None:
    """It uses what it did, so that another queue may take beside it."""
    world = full_node()
    world.change("queues", "a", {"spec": {"resources": [{"name": manifests.GPU, "guaranteed": "4"}]}})
    world.gang("new", 1, gpus=4, queue="b")
    world.gang("next", 1, gpus=4, queue="b")
    record(world, "new", moves=("old-0", "old-1"), r0n0=1)
    record(world, "next", "other-0", r0n0=1)
    world.run(REACTION_SECONDS)
    assert rules(world) == []


def test_who_is_asked_to_leave_for_a_record_that_is_gone_since_a_moment() -> None:
    """The request was on its way. Later there is no excuse."""
    world = full_node()
    world.gang("new", 1, gpus=4, queue="b")
    record(world, "new", "old-0", "old-1", r0n0=1)
    release(world, "new")
    world.run(REACTION_SECONDS / 2)
    evict(world, "old-0")
    assert rules(world) == []
    world.run(REACTION_SECONDS)
    evict(world, "old-1")
    assert rules(world) == ["unnamed-eviction"]


def after_a_victim() -> Simulation:
    """`other` has left for `new`, which is not bound yet."""
    world = full_node()
    world.gang("new", 1, gpus=4, queue="b")
    record(world, "new", "other-0", r0n0=1)
    evict(world, "other-0")
    world.run(10)
    return world


def test_the_place_of_one_who_left_for_another_is_that_one_s() -> None:
    """Also before the record of his own gang says so; once the other lets it be, it is his gang's again."""
    world = after_a_victim()
    bind(world, "new-0", "r0n0")
    assert rules(world) == []
    world = after_a_victim()
    release(world, "new")
    bind(world, "new-0", "r0n0")
    assert "over-promise" in rules(world)


def test_a_victim_of_higher_priority_in_the_own_queue() -> None:
    world = full_node("high")
    world.gang("new", 1, gpus=4, queue="a", priority="low")
    record(world, "new", "old-0", "old-1", r0n0=1)
    assert rules(world) == ["outranked"]


def test_work_that_leaves_twice_for_one_beneficiary() -> None:
    """The second time under another name, as controllers make it."""
    world = full_node()
    world.gang("new", 1, gpus=4, queue="b")
    for made_from, pod in (("1", "other-0"), ("2", "other-0.1")):
        record(world, "new", pod, made_from=made_from, r0n0=1)
        evict(world, pod)
        world.run(10)
        if made_from == "1":
            record(world, "new", made_from="3", r0n1=1)
            bind(world, "other-0.1", "r0n0")
            world.run(5)
    assert "evicted-twice" in rules(world)


def test_a_beneficiary_that_left_itself_takes_for_another_start() -> None:
    world = after_a_victim()
    bind(world, "new-0", "r0n0")
    world.gang("third", 1, gpus=4, queue="a")
    record(world, "third", "new-0", r0n0=1)
    evict(world, "new-0")
    world.run(10)
    bind(world, "other-0.1", "r0n0")
    record(world, "third")
    record(world, "new", "other-0.1", made_from="2", r0n0=1)
    evict(world, "other-0.1")
    assert "evicted-twice" not in rules(world)


def test_a_beneficiary_whose_node_failed_takes_for_another_start() -> None:
    world = after_a_victim()
    world.change("nodes", "r0n0", {"spec": {"unschedulable": True}})
    release(world, "new")
    world.change("nodes", "r0n0", {"spec": {"unschedulable": False}})
    bind(world, "other-0.1", "r0n0")
    world.run(5)
    record(world, "new", "other-0.1", made_from="2", r0n0=1)
    evict(world, "other-0.1")
    assert "evicted-twice" not in rules(world)


def test_a_place_whose_pod_succeeded_and_is_gone_is_nobodys() -> None:
    world = racks(gpus=8)
    world.gang("g", 2, gpus=4, run_seconds=2.0)
    record(world, "g", r0n0=2)
    bind(world, "g-0", "r0n0")
    bind(world, "g-1", "r0n0")
    world.run(10)
    world.remove("pods", "g-0")
    world.add(manifests.pod("a", gpus=8))
    bind(world, "a", "r0n0")
    record(world, "g", r0n0=1)
    assert rules(world) == []


@pytest.mark.parametrize(("later_seconds", "expected"), [(0.5, []), (REACTION_SECONDS + 1, ["record-changed"])])
def test_a_place_may_be_spent_while_a_record_that_keeps_it_is_on_its_way(
    later_seconds: float, expected: list[str]
) -> None:
    world = racks(gpus=8)
    world.gang("g", 2, minimum=1, gpus=4, run_seconds=2.0)
    record(world, "g", r0n0=1)
    bind(world, "g-0", "r0n0")
    world.run(10)
    world.remove("pods", "g-0")
    world.run(later_seconds)
    record(world, "g", made_from="2", r0n0=1, r0n1=1)
    bind(world, "g-1", "r0n1")
    record(world, "g", made_from="2", r0n1=1)
    assert rules(world) == expected


@pytest.mark.parametrize(("minimum", "expected"), [(2, ["gang-partly-bound"]), (1, [])])
def test_a_gang_partly_bound_beyond_its_grace(minimum: int, expected: list[str]) -> None:
    world = racks()
    world.gang("g", 2, minimum=minimum)
    record(world, "g", r0n0=2)
    bind(world, "g-0", "r0n0")
    world.run(PARTLY_BOUND_SECONDS - 5)
    assert rules(world) == []
    world.run(10)
    assert rules(world) == expected


def test_work_that_waits_without_a_word_or_though_it_fits_is_complained_of() -> None:
    world = racks()
    world.gang("g", 2)
    world.add(manifests.pod("a"))
    found = complaints(world.server.objects)
    assert found == ["team/g waits without a verdict", "pod team/a waits without a reason"]

    verdict = {"cause": "Blocked", "message": "no room", "since": "2027-01-15T08:00:00Z"}
    path = "/apis/muster.dev/v1alpha1/namespaces/team/podgroups/g/status"
    world.ask("PATCH", path, {"status": {"verdict": verdict}}, "application/merge-patch+json")
    world.remove("pods", "a")
    assert complaints(world.server.objects) == ["team/g fits and waits (Blocked: no room)"]
