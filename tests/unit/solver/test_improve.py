"""CP-SAT finds what greedy's order misses, says how good it is, and keeps to its budget."""

from __future__ import annotations

import itertools
import subprocess
import sys

import msgspec
import pytest

from scheduler.model.policy import Policy
from scheduler.model.topology import TopologyAsk
from scheduler.solver.build import Built
from scheduler.solver.check import better
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.unit.solver.small import built, gang, node, pods_by_node

RACK = TopologyAsk(required="rack")


def request(case: Built, **changes: float) -> SolveRequest:
    plain = SolveRequest(case.problem, place(case.problem), wall_seconds=20.0)
    return msgspec.structs.replace(plain, **changes)


def last(case: Built, **changes: float) -> SolveResult:
    return [*solve(request(case, **changes))][-1]


@pytest.fixture
def crowded() -> Built:
    """Greedy serves the first and leaves 3 GPUs idle; the other two fill the fleet."""
    return built([node("a", 4), node("b", 4)], [gang("first", 5), gang("second", 4), gang("third", 4)])


def test_the_best_served_value_is_found_proven_and_expands(crowded: Built) -> None:
    result = last(crowded)
    assert result.end == "optimal"
    assert result.incumbent is not None
    assert result.incumbent.scores[0].value == result.incumbent.scores[0].bound == 8000
    places = expand(crowded, result.incumbent.puts)
    assert not isinstance(places, Unexpandable)
    assert set(pods_by_node(crowded, places)) == {"second", "third"}


def test_a_higher_tier_is_never_paid_for_by_a_lower_one() -> None:
    gangs = [gang("high", 5, priority=1), gang("second", 4), gang("third", 4)]
    result = last(built([node("a", 4), node("b", 4)], gangs))
    assert result.incumbent is not None
    assert [score.value for score in result.incumbent.scores[:2]] == [5000, 0]


def test_the_minima_of_all_come_before_the_surplus_of_any() -> None:
    case = built([node("a", 4)], [gang("elastic", 4, minimum=1), gang("rigid", 3)])
    result = last(case)
    assert result.incumbent is not None
    assert {put.gang: put.count for put in result.incumbent.puts} == {0: 1, 1: 3}
    assert [score.tier for score in result.incumbent.scores] == ["served-value/0", "served-value/0/surplus", "packing"]


def test_fewer_domains_are_better_where_they_are_preferred() -> None:
    nodes = [node(name, 2, zone="z", block="b", rack=rack) for name, rack in (("a", "x"), ("b", "y"), ("c", "y"))]
    case = built(nodes, [gang("filler", 2), gang("close", 4, ask=TopologyAsk(preferred="rack"))])
    result = last(case)
    assert result.incumbent is not None
    by_tier = {score.tier: score.value for score in result.incumbent.scores}
    assert by_tier["preferred-topology"] == -(1 + 4 + 16)  # a rack, a block, a zone


def test_a_told_stop_ends_it_before_it_begins(crowded: Built) -> None:
    (result,) = solve(request(crowded), stop=lambda: True)
    assert (result.incumbent, result.end) == (None, "deadline")


def test_the_wall_budget_begins_at_the_call_where_a_clock_is_given(crowded: Built) -> None:
    ticks = itertools.count()
    (result,) = solve(request(crowded, wall_seconds=3.0), clock=lambda: float(next(ticks)))
    assert (result.incumbent, result.end) == (None, "deadline"), "posting the model took the whole budget"


def test_a_model_that_would_be_too_large_is_skipped(crowded: Built) -> None:
    assert last(crowded, variables_max=1) == SolveResult(None, "skipped")


def test_where_only_a_part_fits_the_rest_keeps_its_places() -> None:
    nodes = [node(f"n{number}", 4, zone="z", block="b", rack=f"r{number}") for number in range(8)]
    gangs = [gang(f"g{number}", 4, ask=RACK) for number in range(7)] + [gang("late", 5)]
    case = built(nodes, gangs)
    start = place(case.problem)
    result = last(case, variables_max=60)
    assert result.variables <= 90
    assert result.end in ("feasible", "deadline")
    if result.incumbent is not None:
        assert not better(start.scores, result.incumbent.scores)
        assert all(score.bound is None for score in result.incumbent.scores)


def test_an_empty_problem_is_solved() -> None:
    case = built([node("a", 1)], [gang("g", 1, 2)], policy=Policy(filters=()))
    assert case.problem.class_count == 0
    assert last(case).end == "optimal"


def test_nothing_that_the_core_imports_loads_the_solver_library() -> None:
    program = (
        "import sys\n"
        "from scheduler.solver.greedy import assign\n"
        "from scheduler.solver.blocking import blocking\n"
        "from scheduler.solver import build\n"
        "from scheduler.solver import candidates\n"
        "from scheduler.solver import check\n"
        "from scheduler.solver import expand\n"
        "from scheduler.solver.asks import filters\n"
        "from scheduler.solver.greedy import greedy\n"
        "from scheduler.solver import posting\n"
        "assert not any(name.split('.')[0] == 'ortools' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
