"""Decomposition obeys every rule, never falls below its start, and proves nothing false, also on tiny worlds."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import assume, given, settings

from scheduler.model.policy import Policy
from scheduler.solver.budget import Budget
from scheduler.solver.check import better, broken, scores
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.parts.decompose import Decomposition, is_decomposable
from scheduler.solver.problem import Problem, SolveRequest, SolveResult
from tests.property.solver_worlds import World, levelled, worlds
from tests.unit.solver.small import built, gang, node


def _understood(world: World) -> Problem:
    """A drawn world without flavors, quota lines, relations and exclusive domains, which one model is kept for."""
    problem = world.build().problem
    gangs = tuple(
        msgspec.structs.replace(
            gang,
            flavors=(),
            branches=tuple(msgspec.structs.replace(branch, exclusive=-1) for branch in gang.branches),
        )
        for gang in problem.gangs
    )
    queues = tuple(msgspec.structs.replace(queue, lines=()) for queue in problem.queues)
    return replace(problem, gangs=gangs, queues=queues, flavors=(), class_flavor=None, relations=())


def _decomposed(problem: Problem) -> list[SolveResult]:
    request = SolveRequest(problem, place(problem), wall_seconds=5.0, workers=2)
    return list(Decomposition(request, Budget(request, None)).run(lambda: False))


@settings(max_examples=25, deadline=None)
@given(worlds(asks=levelled))
def test_every_answer_obeys_the_rules_and_none_is_below_the_one_before(world: World) -> None:
    problem = _understood(world)
    assume(is_decomposable(problem))
    best = place(problem).scores
    for result in _decomposed(problem):
        if result.incumbent is None:
            continue
        reached = scores(problem, result.incumbent.puts)
        assert broken(problem, result.incumbent.puts) == ()
        assert not better(best, reached)
        assert [score.value for score in result.incumbent.scores] == [score.value for score in reached]
        best = reached


@settings(max_examples=25, deadline=None)
@given(worlds(asks=levelled))
def test_no_bound_is_below_what_one_model_of_everything_reaches(world: World) -> None:
    problem = _understood(world)
    assume(is_decomposable(problem))
    *_, last = _decomposed(problem)
    assume(last.incumbent is not None)
    assert last.incumbent is not None
    *_, exact = solve(SolveRequest(problem, place(problem), wall_seconds=20.0))
    best = place(problem).scores if exact.incumbent is None else exact.incumbent.scores
    for ours, optimum in zip(last.incumbent.scores, best, strict=True):
        if ours.bound is not None:
            assert ours.bound >= optimum.value, ours.tier
        if ours.value != optimum.value:
            break  # later bounds hold given what the earlier tiers reached


def test_what_the_default_policy_asks_is_understood() -> None:
    """Else large problems would silently go back to one model of everything: a new rule is to be looked at there."""
    case = built([node("a", 8)], [gang("g", 2, 2)], policy=Policy())
    assert is_decomposable(case.problem)
