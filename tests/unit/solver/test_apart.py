"""Where counts do not expand to nodes, classes are taken apart: what is proven is proven of nodes, and of devices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.model.devices import DeviceAsk
from scheduler.solver import improve
from scheduler.solver.apart import Apart
from scheduler.solver.build import Built
from scheduler.solver.check import broken
from scheduler.solver.greedy.assign import unassignable
from scheduler.solver.greedy.greedy import place
from scheduler.solver.problem import Incumbent, Problem, Put, SolveRequest, SolveResult
from tests.unit.solver.parts import member
from tests.unit.solver.parts import problem as of_devices
from tests.unit.solver.small import built, gang, node

NOTHING = Incumbent((), ())


def last(problem: Problem, start: Incumbent = NOTHING) -> SolveResult:
    return [*improve.solve(SolveRequest(problem, start, wall_seconds=20.0))][-1]


@pytest.fixture
def crossed() -> Built:
    """Two nodes of 4 CPUs and 2 GPUs. In sum everything fits; but where ``tall`` is there are no CPUs left for anybody,
    and on the other node ``wide`` leaves no GPUs."""
    nodes = [node(name, 2, 4) for name in ("a", "b")]
    return built(nodes, [gang("tall", 1, 0, cpus=4), gang("wide", 1, 2), gang("even", 2, 1)])


def test_counts_that_fit_in_sum_but_on_no_node_do_not_pass_for_an_optimum(crossed: Built) -> None:
    problem = crossed.problem
    assert problem.class_nodes.tolist() == [2]
    everything = (Put(0, 0, 0, 1), Put(1, 0, 0, 1), Put(2, 0, 0, 2))
    assert broken(problem, everything) == ()
    assert unassignable(problem, everything) == [0]
    result = last(problem)
    assert result.end == "optimal"
    assert result.incumbent is not None
    assert {put.gang for put in result.incumbent.puts} == {1, 2}
    assert all(put.spots for put in result.incumbent.puts)


def test_where_a_class_is_too_large_to_take_apart_nothing_is_proven(
    crowded: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert last(crowded).end == "optimal"
    monkeypatch.setattr(improve, "_APART_VARIABLES", 0)
    assert last(crowded).end != "optimal"


@pytest.fixture
def crowded() -> Problem:
    """700, 500, 400 and 400 thousandths are two devices in sum, in every size of pieces, and do not fit onto two."""
    shares = [member(DeviceAsk(1, milli)) for milli in (700, 500, 400, 400)]
    case = of_devices([[1000, 1000]], shares)
    return replace(case, rules=("capacity", "devices", "gang-minimum"))


def test_devices_are_counted_one_by_one_where_sums_do_not_expand(crowded: Problem) -> None:
    everything = tuple(Put(gang, 0, 0, 1) for gang in range(4))
    assert broken(crowded, everything) == ()
    assert unassignable(crowded, everything) == [0]
    result = last(crowded)
    assert result.end == "optimal"
    assert result.incumbent is not None
    assert [score.value for score in result.incumbent.scores][:1] == [3000]
    assert all(put.held for put in result.incumbent.puts)


def test_what_greedy_does_not_find_on_devices_the_model_does() -> None:
    """Best fit puts 400 beside two of 250; four of 250 fill one device, and the others the other."""
    shares = [member(DeviceAsk(1, milli), count=count) for milli, count in ((250, 2), (400, 1), (300, 2), (250, 2))]
    case = replace(of_devices([[1000, 1000]], shares), rules=("capacity", "devices", "gang-minimum"))
    start = place(case)
    assert start.scores[0].value < 7000
    result = last(case, start)
    assert result.end == "optimal"
    assert result.incumbent is not None
    assert result.incumbent.scores[0].value == 7000


def test_pods_with_parts_of_several_devices_have_them_of_different_ones() -> None:
    pairs = [member(DeviceAsk(2, 400), count=3), member(DeviceAsk(1, 600)), member(gpus=1)]
    case = replace(of_devices([[1000, 1000, 1000, 1000, 200]], pairs), rules=("capacity", "devices", "gang-minimum"))
    result = last(case)
    assert result.end == "optimal"
    assert result.incumbent is not None
    for put in result.incumbent.puts:
        for _, held, _ in put.held:
            assert len({position for position, _ in held}) == len(held)


def test_a_placement_goes_inside_and_back_as_it_was(crossed: Built) -> None:
    start = place(crossed.problem).puts
    apart = Apart.of(crossed.problem, {0})
    assert apart.problem.class_nodes.tolist() == [1, 1]
    assert apart.outside(apart.inside(start)) == start
    assert not unassignable(apart.problem, apart.inside(start))
