"""The brute force itself, on cases that can be solved by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.oracle.taking.brute import Plan, cheapest, cost_of
from tests.oracle.taking.entitled import entitled
from tests.oracle.taking.world import Node, Queue, Running, Waiting, World, draw

QUEUES = (
    Queue("org", "", None, None),
    Queue("one", "org", None, None),
    Queue("two", "org", None, None),
    Queue("a", "one", 2, None),
    Queue("b", "two", 2, None),
)


def world(*running: Running, pods: int = 2, queues: tuple[Queue, ...] = QUEUES, priority: int = 0) -> World:
    """Two nodes of two GPUs in two racks; ``taker`` waits in queue b."""
    nodes = (Node("n0", "r0", 2), Node("n1", "r1", 2))
    return World(nodes, queues, running, Waiting("taker", "b", priority, 1, pods))


def running(name: str, queue: str, on: tuple[int, ...], *, minimum: int | None = None, **facts: object) -> Running:
    least = sum(on) if minimum is None else minimum
    return replace(Running(name, queue, 0, 1, on, least, 0), **facts)  # type: ignore[arg-type]


def chosen(case: World) -> Plan:
    found = cheapest(case)
    assert found is not None
    assert cost_of(case, found[1]) == found[0]
    return found[1]


def test_shares_follow_guarantees_then_weights() -> None:
    queues = (
        Queue("org", "", None, None),
        Queue("d", "org", None, None),
        Queue("a", "d", 1, None, weight=2),
        Queue("b", "d", 1, None, weight=1),
        Queue("c", "d", 0, None, weight=0),
    )
    nodes = tuple(Node(f"n{each}", "r", 4) for each in range(2))
    asked = (running("a1", "a", (4, 1)), running("b1", "b", (0, 3)), running("c1", "c", (0, 0)))
    case = World(nodes, queues, asked, Waiting("taker", "a", 0, 1, 3))
    book = entitled(case)
    assert {name: book.fair[name] for name in ("d", "a", "b", "c")} == {"d": 8, "a": 5, "b": 3, "c": 0}
    assert book.guaranteed["d"] == 2


def test_surplus_goes_before_whole_gangs() -> None:
    case = world(running("whole", "a", (2, 0)), running("elastic", "a", (0, 2), minimum=1), pods=1)
    assert chosen(case).evicted == ((0, 0), (0, 1))


def test_nobody_goes_below_its_guarantee_unless_a_whole_gang_takes_it_there() -> None:
    small = world(running("g1", "a", (1, 1)), running("g2", "a", (1, 1)))
    assert chosen(small).evicted in (((1, 1), (0, 0)), ((0, 0), (1, 1)))
    assert cheapest(replace(small, waiting=replace(small.waiting, pods=3))) is None, "two taken, and the third is not"
    large = world(running("g1", "a", (2, 1)), running("g2", "b", (0, 1)), pods=1)
    assert chosen(large).evicted == ((2, 1), (0, 0)), "one GPU above its guarantee when it goes"


def test_a_taker_above_its_share_takes_nothing_from_others() -> None:
    case = world(running("g1", "a", (2, 0)), running("g2", "b", (0, 2)), pods=1)
    assert cheapest(case) is None
    within = replace(case, waiting=replace(case.waiting, priority=1))
    assert chosen(within).evicted == ((0, 0), (0, 2)), "its own queue's work of lower priority may go"


def test_a_move_costs_less_than_an_eviction() -> None:
    case = world(running("g1", "a", (1, 1)))
    case = replace(case, waiting=replace(case.waiting, gpus=2, pods=1))
    plan = chosen(case)
    assert plan.evicted == ((0, 0),)
    assert plan.after in (((2, 0),), ((0, 2),))
    assert cheapest(replace(case, moves=False)) is None, "it holds no more than its guarantee"


def test_a_budget_that_is_spent_protects() -> None:
    guarded = running("g1", "a", (2, 0), guard="pdb")
    case = replace(world(guarded, running("g2", "a", (0, 2), started_seconds=0)), guards=(("pdb", 1),))
    assert chosen(case).evicted == ((0, 0), (0, 2))
    with pytest.raises(AssertionError, match="disruption budget"):
        cost_of(case, Plan(((2, 0), (0, 0)), ((0, 0), (0, 2)), (2, 0)))


def _is_small(case: World) -> bool:
    return len(case.running) < 6


def test_the_cheapest_of_drawn_worlds_is_legal_and_costs_what_it_says() -> None:
    found = {seed: cheapest(draw(seed)) for seed in range(300) if _is_small(draw(seed))}
    plans = {seed: each for seed, each in found.items() if each is not None}
    assert all(cost_of(draw(seed), plan) == cost for seed, (cost, plan) in plans.items())
    assert sum(any(map(any, plan.evicted)) for _, plan in plans.values()) > 50
    assert any(cost[-1] for cost, _ in plans.values()), "somebody moves"
