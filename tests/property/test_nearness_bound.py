"""What nearness costs those served at least: never more than a placement costs, and the truth for each gang alone."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.policy import Policy
from scheduler.model.topology import TopologyAsk
from scheduler.solver.greedy.greedy import place_in_order
from scheduler.solver.parts.nearness import fewest_of_served
from scheduler.solver.problem import Problem
from scheduler.solver.terms import preferred_topology
from tests.unit.solver.small import built, gang, node

NEAR = TopologyAsk(required="block", preferred="rack")
RACKS_OF_BLOCK, NODES_OF_RACK = 3, 2

Free = list[int]
"""Free GPUs of each node: two nodes to a rack, three racks to a block."""

frees = st.lists(st.integers(0, 8), min_size=12, max_size=12)
asks = st.lists(st.tuples(st.integers(1, 8), st.sampled_from([1, 2, 3, 4, 8])), min_size=1, max_size=5)


def fleet(free: Free, drawn: list[tuple[int, int]]) -> Problem:
    """Gangs of (pods, GPUs of each) that must be in one block and want few racks of it."""
    nodes = []
    for number in range(len(free)):
        rack = number // NODES_OF_RACK
        nodes.append(node(f"n{number}", zone="z", block=f"b{rack // RACKS_OF_BLOCK}", rack=f"r{rack}"))
    used = {f"n{number}": {"nvidia.com/gpu": 8 - gpus} for number, gpus in enumerate(free)}
    gangs = [gang(f"g{number}", pods, gpus, ask=NEAR) for number, (pods, gpus) in enumerate(drawn)]
    return built(nodes, gangs, used=used, policy=Policy()).problem


def fewest_racks(free: Free, pods: int, gpus: int) -> int:
    """By trying every set of racks of every block; 0 where no block holds them."""
    fits = [
        sum(free[NODES_OF_RACK * rack + each] // gpus for each in range(NODES_OF_RACK))
        for rack in range(len(free) // NODES_OF_RACK)
    ]
    blocks = [fits[at : at + RACKS_OF_BLOCK] for at in range(0, len(fits), RACKS_OF_BLOCK)]
    for count in range(1, RACKS_OF_BLOCK + 1):
        if any(sum(racks) >= pods for block in blocks for racks in combinations(block, count)):
            return count
    return 0


@settings(max_examples=80, deadline=None)
@given(frees, asks, st.data())
def test_no_placement_costs_less(free: Free, drawn: list[tuple[int, int]], data: st.DataObject) -> None:
    problem = fleet(free, drawn)
    puts = place_in_order(problem, data.draw(st.permutations(range(len(problem.gangs))), label="order")).puts
    cost = dict(preferred_topology.costs(problem, puts))[preferred_topology.NAME]
    assert fewest_of_served(problem, puts) <= cost


@settings(max_examples=80, deadline=None)
@given(frees, st.integers(1, 8), st.sampled_from([1, 2, 3, 4, 8]))
def test_it_is_the_fewest_racks_that_hold_a_gang(free: Free, pods: int, gpus: int) -> None:
    problem = fleet(free, [(pods, gpus)])
    puts = place_in_order(problem, [0]).puts if problem.gangs else ()
    assert fewest_of_served(problem, puts) == (fewest_racks(free, pods, gpus) if puts else 0)
