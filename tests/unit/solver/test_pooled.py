"""The pooled model forbids no plan, and knows that a gang which breaks large pieces does so as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Gang
from scheduler.solver.facade import relax
from scheduler.solver.greedy.greedy import place_in_order
from scheduler.solver.parts.kinds import kinds
from scheduler.solver.parts.linear import proven_bound
from scheduler.solver.parts.pooled import pooled
from scheduler.solver.parts.realise import hint
from scheduler.solver.problem import Problem
from tests.unit.solver.small import built, gang, node

RACK = TopologyAsk(required="rack")
BLOCK = TopologyAsk(required="block")


def fleet(free: list[int], gangs: list[Gang]) -> Problem:
    """Racks of three nodes with so many free GPUs, two racks to a block."""
    nodes = [
        node(f"n{number}", zone="z", block=f"b{number // 6}", rack=f"r{number // 3}") for number in range(len(free))
    ]
    used = {f"n{number}": {"nvidia.com/gpu": 8 - gpus} for number, gpus in enumerate(free)}
    return built(nodes, gangs, used=used).problem


def bound_share(problem: Problem) -> float:
    """What is proven to be served at most, as a share of all that is asked for."""
    model = pooled(problem, kinds(problem))
    objective = model.value(0)
    relaxed = relax(model.linear, objective, 10.0)
    assert relaxed is not None
    return proven_bound(model.linear, objective, relaxed.prices) / int(objective @ model.linear.uppers)


def test_a_gang_of_small_pods_takes_large_pieces_as_a_whole() -> None:
    """Nine GPUs a rack, in three pairs and three that are single. Half a gang of six small pods would fill the single
    ones of each rack and leave all six pairs; a whole one leaves four of them."""
    small, pairs = gang("small", 6, 1, ask=RACK), [gang(f"pair-{number}", 1, 2) for number in range(6)]
    whole = bound_share(fleet([3] * 6, [small, *pairs]))
    assert 14 / 18 <= whole < 15.1 / 18
    assert bound_share(fleet([3] * 6, [gang("anywhere", 6, 1), *pairs])) >= 0.999  # all of it fits where it may spread


@pytest.mark.parametrize(("pods", "used_up"), [(18, True), (17, False)])
def test_all_is_used_where_nothing_of_a_resource_is_left(pods: int, used_up: bool) -> None:
    """Eighteen nodes with three GPUs left, and pods of three."""
    problem = fleet([3] * 18, [gang(f"g{number}", 1, 3) for number in range(pods)])
    model = pooled(problem, kinds(problem))
    relaxed = relax(model.linear, model.value(0), 10.0)
    assert relaxed is not None
    assert model.uses_all(relaxed.values) == used_up


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_rows_hold_for_whatever_greedy_places(data: st.DataObject) -> None:
    free = data.draw(st.lists(st.integers(0, 8), min_size=6, max_size=12), label="free GPUs of each node")
    asks = st.tuples(st.integers(1, 6), st.sampled_from([1, 2, 3, 4]), st.sampled_from([RACK, RACK, BLOCK, None]))
    drawn = data.draw(st.lists(asks, min_size=1, max_size=8), label="pods, GPUs of each, ask")
    problem = fleet(free, [gang(f"g{number}", pods, gpus, ask=ask) for number, (pods, gpus, ask) in enumerate(drawn)])
    order = data.draw(st.permutations(range(len(problem.gangs))), label="order")
    model = pooled(problem, kinds(problem))
    linear, values = model.linear, np.array(hint(model, place_in_order(problem, order).puts), dtype=np.int64)
    sums = np.bincount(linear.rows, weights=values[linear.columns] * linear.coefficients, minlength=len(linear.bounds))
    assert (sums <= linear.bounds).all()
    assert (values <= linear.uppers).all()
