"""The plain reading of a placement: which rules it breaks, and what it reaches. Shares no code with the CP-SAT
model."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.model.plan import Refusal, TierScore
from scheduler.solver.problem import Problem, Put
from scheduler.solver.terms.table import GOALS, RULES


def broken(problem: Problem, puts: Sequence[Put]) -> tuple[Refusal, ...]:
    """Everything a placement violates under the rules of the problem; empty when it may stand."""
    return tuple(refusal for name in problem.rules for refusal in RULES[name].broken(problem, puts))


def scores(problem: Problem, puts: Sequence[Put]) -> tuple[TierScore, ...]:
    """What a placement reaches, tier by tier in the order of the goals; larger is better, no bounds."""
    return tuple(
        TierScore(tier=tier, value=-cost) for name in problem.goals for tier, cost in GOALS[name].costs(problem, puts)
    )


def better(challenger: Sequence[TierScore], holder: Sequence[TierScore]) -> bool:
    """Whether a placement beats another of the same problem lexicographically."""
    return [score.value for score in challenger] > [score.value for score in holder]
