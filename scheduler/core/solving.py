"""Letting a solver improve on greedy, and taking from its answer only what stands up to the plain reading."""

from __future__ import annotations

import msgspec

from scheduler.core.drive import Part
from scheduler.model.plan import SolveEnd, TierScore
from scheduler.model.policy import SolverBudget
from scheduler.solver.build import Built
from scheduler.solver.check import better, broken, scores
from scheduler.solver.expand import Places, Unexpandable, expand
from scheduler.solver.problem import Incumbent, SolveRequest, SolveResult


def improved(
    built: Built, start: Incumbent, budget: SolverBudget, variables_max: int, band: str, *, patient: bool = False
) -> Part[tuple[Places | None, SolveEnd]]:
    """The places of a better plan for a whole problem (None: the start stays), and how the solve ended."""
    result = yield SolveRequest(
        built.problem, start, budget.wall_seconds, budget.work, budget.workers, budget.seed, variables_max, patient
    )
    assert result is not None, "a solve is answered with its result"
    floor = start.scores
    found = _better(built, floor, result)
    if found is None:
        return None, SolveEnd(band, result.end, _bounded(floor, result), result.variables)
    reached, places = found
    return places, SolveEnd(band, result.end, _bounded(reached, result), result.variables, used="solver")


def _better(
    built: Built, floor: tuple[TierScore, ...], result: SolveResult
) -> tuple[tuple[TierScore, ...], Places] | None:
    """The solver's plan where it keeps every rule, beats what is there and stands on nodes; what it claims to reach is
    computed again."""
    if result.incumbent is None or broken(built.problem, result.incumbent.puts):
        return None
    reached = scores(built.problem, result.incumbent.puts)
    if not better(reached, floor):
        return None
    places = expand(built, result.incumbent.puts)
    return None if isinstance(places, Unexpandable) else (reached, places)


def _bounded(reached: tuple[TierScore, ...], result: SolveResult) -> tuple[TierScore, ...]:
    """What a plan reaches, beside the bounds that the solver proved."""
    proven = {} if result.incumbent is None else {score.tier: score.bound for score in result.incumbent.scores}
    return tuple(msgspec.structs.replace(score, bound=proven.get(score.tier)) for score in reached)
