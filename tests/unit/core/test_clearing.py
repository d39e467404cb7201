"""Evictions for nobody: stale gangs, queues that drain, limits that were lowered."""

from __future__ import annotations

from msgspec.structs import replace

from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.policy import Taking
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU
from tests.unit.core.test_giving_way import gang
from tests.unit.core.world import TALKATIVE, Bench, group, node, pod


def lose(bench: Bench, *names: str) -> None:
    """The node takes pods along, and nobody makes new ones."""
    for name in names:
        del bench.pods[f"uid-{name}"]
    bench.tell(*(ev.PodGone(f"uid-{name}") for name in names))


def reasons(bench: Bench) -> dict[str, str]:
    return {each.name: each.reason for each in bench.performed(ef.MarkEvicted)}


def test_the_rest_of_a_gang_below_its_minimum_goes_after_its_grace() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("low", 4), pod("other"))
    lose(bench, "low-0")
    bench.tick(60)
    assert bench.evicted() == []
    bench.tick(1)
    bench.tick(1)
    assert sorted(bench.evicted()) == ["low-1", "low-2", "low-3"]
    assert reasons(bench)["low-1"] == "StaleGang"
    assert (bench.groups["low"].assignment, bench.groups["low"].evictions) == (None, 1)


def test_also_when_it_is_not_preemptible_and_by_the_grace_that_it_states() -> None:
    bench = Bench(node("n1"))
    low = replace(group("low", 2), preemptible=False, stale_grace_seconds=5.0)
    bench.see(low, pod("low-0", group="low"), pod("low-1", group="low"))
    lose(bench, "low-0")
    bench.tick(6)
    bench.tick(1)
    assert bench.evicted() == ["low-1"]


def test_a_gang_that_was_repaired_in_time_stays() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("low", 4))
    lose(bench, "low-0")
    bench.tick(30)
    bench.see(pod("low-9", group="low"))
    bench.tick(40)
    bench.tick(40)
    assert bench.evicted() == []
    assert bench.phase("low") == "Running"


def test_a_gang_that_ends_pod_by_pod_is_not_stale() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("low", 3))
    bench.see(replace(bench.pods["uid-low-0"], finished=True, succeeded=True, version="50"))
    lose(bench, "low-0")
    bench.tick(70)
    bench.tick(70)
    assert bench.evicted() == []


def test_an_elastic_gang_above_its_minimum_is_not_stale() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("low", 4, minimum=2))
    lose(bench, "low-0", "low-1")
    bench.tick(70)
    bench.tick(70)
    assert bench.evicted() == []


def test_a_successor_counts_the_grace_from_when_it_was_said_to_be_degraded() -> None:
    bench = Bench(node("n1"))
    bench.see(*gang("low", 4))
    lose(bench, "low-0")
    bench.tick(30)
    assert bench.phase("low") == "Degraded"
    successor = Bench(node("n1"))
    successor.now = bench.now
    successor.see(*bench.groups.values(), *bench.pods.values())
    successor.tick(31)
    successor.tick(1)
    assert sorted(successor.evicted()) == ["low-1", "low-2", "low-3"]


def drained(*queues: Queue) -> Bench:
    bench = Bench(node("n1"), queues=[Queue("default"), Queue("top"), Queue("a", parent="top")])
    bench.see(
        replace(group("g", 2), queue="a"),
        *(pod(f"g-{number}", group="g") for number in range(2)),
        *(pod("s", queue="a"), pod("firm", queue="a", preemptible=False), pod("other")),
    )
    bench.tell(*(ev.QueueSeen(queue) for queue in queues))
    bench.tick()
    bench.tick()
    return bench


def test_a_queue_that_drains_is_emptied_of_what_may_be_evicted() -> None:
    bench = drained(Queue("a", parent="top", state="Drain", generation=2))
    assert sorted(bench.evicted()) == ["g-0", "g-1", "s"]
    assert set(reasons(bench).values()) == {"Drained"}
    assert bench.groups["g"].assignment is None


def test_a_queue_above_that_drains_counts_as_well_and_one_on_hold_does_not() -> None:
    assert sorted(drained(Queue("top", state="Drain", generation=2)).evicted()) == ["g-0", "g-1", "s"]
    assert drained(Queue("a", parent="top", state="Hold", generation=2)).evicted() == []


def test_what_was_drained_waits_again_and_runs_when_the_queue_opens() -> None:
    bench = drained(Queue("a", parent="top", state="Drain", generation=2))
    bench.go("g-0", "g-1", "s")
    bench.see(pod("g-2", group="g"), pod("g-3", group="g"))
    bench.tick()
    assert bench.nodes_of("g-2", "g-3") == ["", ""]
    bench.tell(ev.QueueSeen(Queue("a", parent="top", generation=3)))
    bench.tick()
    assert bench.nodes_of("g-2", "g-3") == ["n1", "n1"]


def test_a_budget_slows_a_drain_and_does_not_stop_it() -> None:
    bench = Bench(node("n1"))
    bench.guarded["uid-s"] = "Cannot evict pod as it would violate the pod's disruption budget."
    bench.see(pod("s"))
    bench.tell(ev.QueueSeen(Queue("default", state="Drain", generation=2)))
    bench.tick()
    assert bench.evicted() == []
    bench.guarded.clear()
    bench.tick(2)
    assert bench.evicted() == ["s"]


def lowered(limit: int, *, enforce: bool) -> Bench:
    policy = replace(TALKATIVE, taking=Taking(enforce_limits=enforce))
    bench = Bench(node("n1", 20), policy=policy)
    bench.see(*gang("a", 5), *gang("b", 6), *gang("c", 9, gpus=1))
    bench.tell(ev.QueueSeen(Queue("default", quotas=(Quota(GPU, limit=limit * 1000),), generation=2)))
    bench.tick()
    bench.tick()
    bench.tick()
    return bench


def test_a_lowered_limit_is_enforced_only_if_the_policy_says_so() -> None:
    assert lowered(10, enforce=False).evicted() == []


def test_what_goes_is_the_best_set_that_is_not_above_the_excess() -> None:
    bench = lowered(10, enforce=True)
    assert sorted(bench.evicted()) == [f"c-{number}" for number in range(9)]
    assert set(reasons(bench).values()) == {"OverLimit"}
    (message, *_) = {each.message for each in bench.performed(ef.MarkEvicted)}
    assert message == "queue default runs 20 GPUs and its limit was lowered to 10"
