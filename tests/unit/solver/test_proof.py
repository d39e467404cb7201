"""What is proven beside the relaxation: tighter where gangs are whole, never false, and over as soon as nobody asks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.topology import TopologyAsk
from scheduler.solver.facade import Limits, relax
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.parts.kinds import kinds
from scheduler.solver.parts.linear import proven_bound
from scheduler.solver.parts.pooled import Pooled, pooled
from scheduler.solver.parts.proof import Proof
from scheduler.solver.problem import Problem, SolveRequest
from tests.unit.solver.small import built, gang, node

RACK = TopologyAsk(required="rack")
BLOCK = TopologyAsk(required="block")
LIMITS = Limits(wall_seconds=10.0, work=2.0, proves=True)


def racks(count: int, asks: list[tuple[int, int, TopologyAsk]]) -> Problem:
    """Racks of three empty nodes of 8 GPUs, two racks to a block, and gangs of (pods, GPUs of each, ask)."""
    nodes = [node(f"n{at}", zone="z", block=f"b{at // 6}", rack=f"r{at // 3}") for at in range(3 * count)]
    return built(nodes, [gang(f"g{at}", pods, gpus, ask=ask) for at, (pods, gpus, ask) in enumerate(asks)]).problem


def proven(model: Pooled) -> int | None:
    with Proof(model.linear, model.value(0)) as proof:
        proof.start(LIMITS, lambda: False)
        taken = proof.take(wait=True)
    assert taken is not None
    return taken[0]


def test_half_a_gang_fills_no_rack() -> None:
    """Each rack holds one gang of two whole nodes; the relaxation puts half of another beside it."""
    problem = racks(4, [(2, 8, RACK)] * 4 + [(2, 7, RACK)] * 4)
    model = pooled(problem, kinds(problem))
    objective = model.value(0)
    relaxed = relax(model.linear, objective, 10.0)
    bound = proven(model)
    *_, exact = solve(SolveRequest(problem, place(problem), wall_seconds=20.0))
    assert relaxed is not None
    assert bound is not None
    assert exact.incumbent is not None
    assert exact.end == "optimal"
    optimum = exact.incumbent.scores[0].value
    assert optimum <= bound < optimum * 1.001 < proven_bound(model.linear, objective, relaxed.prices)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([2, 4, 5, 8]), st.sampled_from([RACK, BLOCK])),
        min_size=1,
        max_size=8,
    )
)
def test_nothing_that_is_served_exceeds_it(asks: list[tuple[int, int, TopologyAsk]]) -> None:
    problem = racks(3, asks)
    bound = proven(pooled(problem, kinds(problem)))
    *_, exact = solve(SolveRequest(problem, place(problem), wall_seconds=20.0))
    best = place(problem).scores if exact.incumbent is None else exact.incumbent.scores
    assert bound is not None
    assert bound >= best[0].value


def test_what_is_dropped_has_no_answer() -> None:
    problem = racks(4, [(2, 8, RACK)] * 4 + [(2, 7, RACK)] * 4)
    model = pooled(problem, kinds(problem))
    with Proof(model.linear, model.value(0)) as proof:
        proof.start(LIMITS, lambda: False)
        proof.drop()
        assert not proof.is_running
        assert proof.take(wait=True) is None


def test_a_search_that_nobody_waits_for_proves_nothing() -> None:
    """Stopped before it has begun, CP-SAT knows no bound, whatever number it answers with."""
    problem = racks(2, [(2, 8, RACK)] * 3)
    model = pooled(problem, kinds(problem))
    with Proof(model.linear, model.value(0)) as proof:
        assert not proof.is_running
        assert proof.take(wait=True) is None
        proof.start(Limits(wall_seconds=1e-9, proves=True), lambda: True)
        taken = proof.take(wait=True)
        assert taken is not None
        assert taken[0] is None
        assert proof.take() is None
