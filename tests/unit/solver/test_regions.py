"""A region is a problem of its own, and what is reached inside is reached as a whole."""

from __future__ import annotations

import numpy as np

from scheduler.model.topology import TopologyAsk
from scheduler.solver.check import broken, scores
from scheduler.solver.greedy.greedy import place
from scheduler.solver.parts.regions import region
from scheduler.solver.problem import QueueRoom
from tests.unit.solver.small import built, gang, node

RACK = TopologyAsk(required="rack")
NODES = [node(f"n{number}", 8, zone="z", block="b", rack=f"r{number // 2}") for number in range(6)]


def test_what_stands_inside_is_its_start_and_the_rest_stays() -> None:
    gangs = [gang(name, 4, 2, ask=RACK) for name in ("a", "b", "c")]
    problem = built(NODES, gangs).problem
    own = region(problem, place(problem).puts, problem.class_domain[:, 0] == 0, ())
    assert scores(own.problem, own.start)[0].value > 0
    assert {own.gangs[put.gang] for put in own.start}.isdisjoint(put.gang for put in own.rest)


def test_restoring_the_start_gives_back_the_whole() -> None:
    gangs = [gang("a", 4, 2, ask=RACK), gang("b", 2, 8, ask=RACK), gang("wide", 20, 1)]
    problem = built(NODES, gangs).problem
    puts = place(problem).puts
    for rack in range(3):
        own = region(problem, puts, problem.class_domain[:, 0] == rack, ())
        assert set(own.restore(own.start)) == set(puts)


def test_a_gang_that_stands_on_both_sides_keeps_its_nodes() -> None:
    gangs = [gang("wide", 40, 1), gang("rack", 4, 1, ask=RACK)]
    problem = built(NODES, gangs).problem
    puts = place(problem).puts
    own = region(problem, puts, problem.class_domain[:, 0] == 0, ())
    assert 0 not in own.gangs
    used = sum(put.count for put in own.rest if problem.class_domain[put.node_class, 0] == 0)
    gpu = problem.resources.index("nvidia.com/gpu")
    free = (own.problem.class_free[:, gpu] * own.problem.class_nodes).sum()
    assert free == 16_000 - 1000 * used


def test_queues_have_left_what_the_rest_does_not_take() -> None:
    gangs = [gang("a", 4, 2, ask=RACK), gang("b", 4, 2, ask=RACK), gang("c", 4, 2, ask=RACK)]
    rooms = (QueueRoom(-1, (-1, -1, 16_000, -1)),)
    keys = {each.key: 0 for each in gangs}
    problem = built(NODES, gangs, rooms=rooms, queue_of_gang=keys).problem
    gpu = problem.resources.index("nvidia.com/gpu")
    puts = place(problem).puts
    assert len({put.gang for put in puts}) == 2
    own = region(problem, puts, np.isin(problem.class_domain[:, 0], [0]), [2])
    taken = sum(put.count * 2000 for put in own.rest)
    assert own.problem.queues[0].room[gpu] == 16_000 - taken
    assert broken(own.problem, own.start) == ()
