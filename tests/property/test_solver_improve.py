"""CP-SAT's answers obey every rule, are never below greedy's, and are the optimum wherever it can be enumerated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import assume, given, settings

from scheduler.solver.build import Built
from scheduler.solver.check import better, broken, scores
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import Problem, Put, SolveRequest, SolveResult
from tests.property.solver_worlds import World, worlds

ENUMERABLE = 20_000
"""Placements of one world that are tried one by one."""


def _solved(problem: Problem) -> list[SolveResult]:
    return list(solve(SolveRequest(problem, place(problem), wall_seconds=20.0)))


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_every_answer_obeys_the_rules_and_beats_the_one_before(world: World) -> None:
    problem = world.build().problem
    best = place(problem).scores
    *improving, last = _solved(problem)
    assert last.end in ("optimal", "feasible")
    for result in improving:
        assert result.incumbent is not None
        assert broken(problem, result.incumbent.puts) == ()
        assert better(result.incumbent.scores, best)
        best = result.incumbent.scores
    if last.incumbent is not None:
        assert not better(best, last.incumbent.scores)
        reached = scores(problem, last.incumbent.puts)
        assert [(score.tier, score.value) for score in last.incumbent.scores] == [
            (score.tier, score.value) for score in reached
        ]
        gaps = [score for score in last.incumbent.scores if score.bound != score.value]
        assert (last.end == "optimal") == (not gaps)


@settings(max_examples=60, deadline=None)
@given(worlds(nodes_max=3, gangs_max=2))
def test_the_served_value_is_that_of_the_best_of_all_placements(world: World) -> None:
    built = world.build(goals=("served-value",))
    assume(_placements_count(built) <= ENUMERABLE)
    best = max(
        [score.value for score in scores(built.problem, puts)]
        for puts in _placements(built)
        if not broken(built.problem, puts)
    )
    last = _solved(built.problem)[-1].incumbent
    assert last is not None
    assert [score.value for score in last.scores] == best
    assert not isinstance(expand(built, last.puts), Unexpandable)


def _spreads(pods: int, nodes: int) -> list[tuple[int, ...]]:
    """Every way to put up to so many pods on nodes."""
    return [way for way in itertools.product(range(pods + 1), repeat=nodes) if sum(way) <= pods]


def _placements_count(built: Built) -> int:
    nodes = sum(len(rows) for rows in built.class_rows)
    total = 1
    for gang in built.problem.gangs:
        for member in gang.members:
            total *= len(_spreads(member.count, nodes)) if total <= ENUMERABLE else 1
    return total


def _placements(built: Built) -> Iterator[tuple[Put, ...]]:
    """All that fits the nodes' true free amounts, one by one."""
    node_class = {int(row): index for index, rows in enumerate(built.class_rows) for row in rows}
    rows = sorted(node_class)
    asks = [(gang, index) for gang, ask in enumerate(built.problem.gangs) for index in range(len(ask.members))]
    requests = np.array([built.problem.gangs[gang].members[index].request for gang, index in asks], dtype=np.int64)
    ways = [_spreads(built.problem.gangs[gang].members[index].count, len(rows)) for gang, index in asks]
    for way in itertools.product(*ways):
        used = np.array(way, dtype=np.int64).T.reshape(len(rows), len(asks)) @ requests
        if (used <= built.free[rows]).all():
            pods: dict[tuple[int, int, int], int] = {}
            for (gang, index), counts in zip(asks, way, strict=True):
                for row, count in zip(rows, counts, strict=True):
                    if count:
                        key = (gang, index, node_class[row])
                        pods[key] = pods.get(key, 0) + count
            yield tuple(Put(*key, count) for key, count in sorted(pods.items()))
