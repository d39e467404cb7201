"""What decisions make of the order of service: who is served when there is not enough for everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest

from scheduler.core.decide import decide
from scheduler.core.drive import run
from scheduler.core.engine import Engine
from scheduler.model import events as ev
from scheduler.model.cluster import Node, Snapshot
from scheduler.model.plan import Cause, Plan
from scheduler.model.policy import Entitlement, Policy, SolverBudget
from scheduler.model.queue import Counts, Queue, Quota
from scheduler.model.resources import GPU
from scheduler.model.selector import Requirement
from scheduler.model.work import Pod, PodGroup
from tests.unit.core.world import group, node, pod
from tests.unit.solver.small import solved

POLICY = Policy(budget=SolverBudget(work=2.0))
STRICT = msgspec.structs.replace(POLICY, entitlement=Entitlement(order="strict"))


def queue(name: str, guaranteed: int | None = None, lendable: int | None = None, **facts: object) -> Queue:
    amounts = [None if each is None else each * 1000 for each in (guaranteed, lendable)]
    return Queue(name, quotas=(Quota(GPU, guaranteed=amounts[0], lendable=amounts[1]),), **facts)  # type: ignore[arg-type]


def snapshot(*objects: Node | Pod | PodGroup, queues: Iterable[Queue]) -> Snapshot:
    engine = Engine(POLICY)
    events: list[ev.Event] = [ev.QueueSeen(each) for each in queues]
    for each in objects:
        if isinstance(each, Node):
            events.append(ev.NodeSeen(each))
        elif isinstance(each, Pod):
            events.append(ev.PodSeen(each))
        else:
            events.append(ev.PodGroupSeen(each))
    engine.handle([*events, ev.Leading(1), ev.Synced()], 0.0)
    return engine.snapshot()


def plan(seen: Snapshot, policy: Policy = POLICY) -> Plan:
    return run(decide(seen, policy, 0.0, policy.budget), solved)


def served(seen: Snapshot, policy: Policy = POLICY) -> Counter[str]:
    """Pods placed by queue."""
    queue_of = {gang.key: gang.queue for gang in seen.pending.all}
    return Counter(
        queue_of[decision.gang]
        for decision in plan(seen, policy).decisions
        for place in decision.places
        for each in place.nodes
        for _ in range(each.count)
    )


def jobs(queue_name: str, count: int, *, preempts: bool = True) -> list[Pod]:
    return [pod(f"{queue_name}-{number}", queue=queue_name, preempts=preempts) for number in range(count)]


def gang(name: str, queue_name: str, pods: int, queued_at_seconds: float = 0.0) -> list[PodGroup | Pod]:
    """One GPU per pod."""
    return [
        group(name, pods, queue=queue_name, queued_at_seconds=queued_at_seconds),
        *(pod(f"{name}-{number}", group=name) for number in range(pods)),
    ]


def test_one_cycle_admits_every_job_of_a_queue_that_there_is_room_for() -> None:
    nodes = [node(f"n{number}", 50) for number in range(10)]
    assert served(snapshot(*nodes, *jobs("a", 500), queues=[queue("a")])) == {"a": 500}


@pytest.mark.parametrize("policy", [POLICY, STRICT], ids=["value", "strict"])
def test_two_queues_share_evenly_in_one_cycle(policy: Policy) -> None:
    nodes = [node(f"n{number}", 50) for number in range(4)]
    seen = snapshot(*nodes, *jobs("a", 200), *jobs("b", 200), queues=[queue("a"), queue("b")])
    assert served(seen, policy) == {"a": 100, "b": 100}


def test_what_is_free_goes_to_whoever_has_less_even_where_others_are_above_their_share() -> None:
    """c holds 6 of 8: fair are 3, 3 and 2 and only 2 are free, one for each of the others."""
    running = [pod(f"c{number}", queue="c", node="n0") for number in range(6)]
    queues = [queue(name, created_seconds=float(at)) for at, name in enumerate("abc")]
    seen = snapshot(node("n0"), *running, *jobs("a", 3, preempts=False), *jobs("b", 3, preempts=False), queues=queues)
    assert served(seen) == {"a": 1, "b": 1}


def test_larger_jobs_of_one_queue_do_not_push_another_below_its_share() -> None:
    """Of 20 the shares are 10 and 10: two gangs of 5 in a, and of b's gangs of 7 one; by value alone b had 14."""
    work = [*gang("a1", "a", 5), *gang("a2", "a", 5), *gang("b1", "b", 7), *gang("b2", "b", 7)]
    nodes = [node("n0", 10), node("n1", 10)]
    assert served(snapshot(*nodes, *work, queues=[queue("a"), queue("b")])) == {"a": 10, "b": 7}


def test_inside_a_queue_value_decides_or_strictly_the_turn() -> None:
    """5 are free: the first asks for 3 and the next for 5; another queue waits for what neither touches."""
    work = [*gang("first", "a", 3, queued_at_seconds=1.0), *gang("next", "a", 5, queued_at_seconds=2.0)]
    seen = snapshot(node("n0", 5), *work, queues=[queue("a")])
    assert served(seen) == {"a": 5}
    assert served(seen, STRICT) == {"a": 3}


def test_nobody_borrows_what_is_not_lendable() -> None:
    """Of 8, b keeps 3 of its 4 to itself; b itself still gets them all."""
    queues = [queue("a", 4), queue("b", 4, lendable=1)]
    assert served(snapshot(node("n0"), *jobs("a", 8), queues=queues)) == {"a": 5}
    assert served(snapshot(node("n0"), *jobs("b", 8), queues=queues)) == {"b": 8}
    both = snapshot(node("n0"), *jobs("a", 8), *jobs("b", 2), queues=queues)
    assert served(both) == {"a": 5, "b": 2}


def test_that_something_is_not_lent_is_said_with_numbers() -> None:
    seen = snapshot(node("n0"), *gang("g", "a", 6), queues=[queue("a", 4), queue("b", 4, lendable=1)])
    (verdict,) = plan(seen).verdicts.values()
    assert verdict.cause is Cause.BLOCKED
    found = verdict.refusals[0]
    assert (found.term, found.needed, found.offered, found.where) == ("lendable", 6000, 5000, "a")


@pytest.mark.parametrize(
    ("counts", "placed"),
    [(Counts(gangs=3), 3), (Counts(pods=2), 2), (Counts(user_gangs=2), 4), (Counts(user_resources=((GPU, 1000),)), 2)],
)
def test_a_queue_holds_no_more_than_it_counts(counts: Counts, placed: int) -> None:
    """Ten jobs of two users."""
    work = [pod(f"p{number}", queue="a", user="ann" if number < 6 else "ben") for number in range(10)]
    assert served(snapshot(node("n0", 16), *work, queues=[queue("a", counts=counts)])) == {"a": placed}


def test_what_is_held_already_counts() -> None:
    work = [pod("runs", queue="a", node="n0"), *jobs("a", 5)]
    assert served(snapshot(node("n0"), *work, queues=[queue("a", counts=Counts(gangs=3))])) == {"a": 2}


def test_nobody_passes_the_first_that_waits_in_a_strict_queue() -> None:
    work = [*gang("head", "a", 9, queued_at_seconds=1.0), *gang("next", "a", 2, queued_at_seconds=2.0)]
    strict = snapshot(node("n0"), *work, queues=[queue("a", order="StrictFIFO")])
    assert served(strict) == {}
    behind = next(verdict for key, verdict in plan(strict).verdicts.items() if key == "team/next")
    assert behind.by == ("team/head",)
    assert served(snapshot(node("n0"), *work, queues=[queue("a")])) == {"a": 2}


def test_single_pods_of_a_strict_queue_stop_where_one_does_not_fit() -> None:
    sizes = [1, 1, 9, 1]
    work = [pod(f"p{at}", gpus=gpus, queue="a", created_seconds=float(at)) for at, gpus in enumerate(sizes)]
    assert served(snapshot(node("n0"), *work, queues=[queue("a", order="StrictFIFO")])) == {"a": 2}


def test_a_queue_takes_only_namespaces_that_it_selects() -> None:
    chooses = queue("a", namespace_selector=(Requirement("org", "In", ("research",)),))
    objects: list[ev.Event] = [ev.NodeSeen(node("n0")), ev.QueueSeen(chooses), ev.Leading(1), ev.Synced()]
    engine = Engine(POLICY)
    engine.handle([*objects, ev.NamespaceSeen("team", "", (("org", "sales"),)), *map(ev.PodSeen, jobs("a", 2))], 0.0)
    refused = list(plan(engine.snapshot()).verdicts.values())
    assert [each.refusals[0].code for each in refused] == ["NamespaceNotSelected"] * 2
    engine.handle([ev.NamespaceSeen("team", "", (("org", "research"),))], 1.0)
    assert served(engine.snapshot()) == {"a": 2}


def test_of_like_pods_only_those_of_a_selected_namespace_are_taken() -> None:
    chooses = queue("a", namespace_selector=(Requirement("org", "In", ("research",)),))
    (inside,) = jobs("a", 1)
    outside = [msgspec.structs.replace(inside, uid=name, name=name, namespace=name) for name in ("early", "late")]
    seen: list[ev.Event] = [
        ev.NamespaceSeen("team", "", (("org", "research"),)),
        *map(ev.PodSeen, (outside[0], inside, outside[1])),
    ]
    engine = Engine(POLICY)
    engine.handle([ev.NodeSeen(node("n0")), ev.QueueSeen(chooses), ev.Leading(1), ev.Synced(), *seen], 0.0)
    decided = plan(engine.snapshot())
    assert [each.gang for each in decided.decisions] == [f"pod/{inside.uid}"]
