"""Improving a placement with CP-SAT: goal after goal, each with the earlier ones held at what they reached.

Yields a placement as soon as it beats the best so far by the plain reading of `scheduler.solver.check`, so whoever
listens always holds a plan that may stand. A bound is the best that a tier can reach given what the earlier tiers
reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from scheduler.model.plan import TierScore
from scheduler.solver.budget import Budget
from scheduler.solver.candidates import candidates, free_gangs, model_size
from scheduler.solver.check import better, broken, scores
from scheduler.solver.decompose import Decomposition, is_decomposable
from scheduler.solver.facade import Ended, Limits
from scheduler.solver.greedy import complete
from scheduler.solver.model import PlacementModel
from scheduler.solver.posting import Terms
from scheduler.solver.problem import Incumbent, SolveRequest, SolveResult

_SHARE_OF_ONE_GOAL = 0.7
"""Of the budget that is left, while other goals come after it."""

_ONE_MODEL_VARIABLES = 4000
"""Beyond it one model of everything rarely beats greedy in a second or two, and regions do."""


def _never() -> bool:
    return False


def solve(
    request: SolveRequest, *, stop: Callable[[], bool] = _never, clock: Callable[[], float] | None = None
) -> Iterator[SolveResult]:
    """Ever better results, the last with the final end; ends soon after ``stop`` becomes true.

    With a ``clock`` (seconds from any origin) the wall budget begins here; without one only searching counts.

    ``optimal``: every tier is proven; ``feasible``: something better than the start, or a proof for some tiers;
    ``deadline``: the budget ended before anything was learnt; ``skipped``: the model would be too large. The
    incumbent of the last result is None when nothing better than the start was found and no bound was proven.
    """
    problem = request.problem
    budget = Budget(request, clock)
    uppers = candidates(problem)
    if model_size(problem, uppers) > _ONE_MODEL_VARIABLES and is_decomposable(problem):
        yield from Decomposition(request, budget).run(stop)
        return
    free = free_gangs(problem, uppers, request.start, request.variables_max)
    if not free:
        yield SolveResult(None, "skipped")
        return
    model = PlacementModel(problem, uppers, free, request.start)
    for _ in model.post():
        if stop() or budget.is_spent:
            yield SolveResult(None, "deadline", len(model.cp))
            return
    yield from _Search(request, model, free, budget).run(stop)


class _Search:
    """The best placement so far, and the bounds proven so far."""

    def __init__(self, request: SolveRequest, model: PlacementModel, free: set[int], budget: Budget) -> None:
        self._model = model
        self._request = request
        self._free = free
        self._whole = len(free) == len(request.problem.gangs)
        self._best = Incumbent(request.start.puts, scores(request.problem, request.start.puts))
        self._found = False
        self._bounds: dict[str, int] = {}
        self._budget = budget

    def run(self, stop: Callable[[], bool]) -> Iterator[SolveResult]:
        goals = self._model.goals
        proven = 0
        for number, (tier, terms) in enumerate(goals):
            if stop() or self._budget.is_spent:
                break
            if not self._is_at_floor(tier, terms):
                limits = self._budget.limits(1.0 if number == len(goals) - 1 else _SHARE_OF_ONE_GOAL)
                for incumbent in self._improve(tier, terms, limits, stop):
                    yield SolveResult(incumbent, "feasible", len(self._model.cp))
            proven += self._bounds.get(tier) == -self._cost(tier)
            self._model.at_most(terms, self._cost(tier))
        end = "optimal" if proven == len(goals) else "feasible"
        if not self._found and not self._bounds:
            yield SolveResult(None, "deadline", len(self._model.cp))
        else:
            yield SolveResult(self._bounded(), end, len(self._model.cp))

    def _improve(self, tier: str, terms: Terms, limits: Limits, stop: Callable[[], bool]) -> Iterator[Incumbent]:
        """Searches for one goal; yields each better placement, and notes the bound."""
        cp = self._model.cp
        cp.minimise(terms)
        cp.hint(self._model.values(self._best.puts))
        for event in cp.search(limits, stop):
            if isinstance(event, Ended):
                self._budget.spend(event)
                if self._whole and event.end != "unknown":
                    self._bounds[tier] = -event.bound
            elif self._take(event.values):
                yield self._bounded()

    def _take(self, values: Sequence[int]) -> bool:
        """Whether a solution, completed by what still fits beside it, beats the best.

        One that does not expand is passed over. One that the plain check refuses would be a bug of a term.
        """
        problem, puts = self._request.problem, self._model.puts(values)
        if not better(scores(problem, puts), self._best.scores):
            return False
        assert not broken(problem, puts), "the model allowed what a rule forbids"
        completed = complete(problem, puts, self._free)
        if completed is None:
            return False
        self._best, self._found = completed, True
        return True

    def _is_at_floor(self, tier: str, terms: Terms) -> bool:
        """Whether not even every variable at its best end would do better: then there is nothing to search for."""
        floor = sum(min(0, coefficient) * self._model.upper(variable) for coefficient, variable in terms)
        if self._cost(tier) > floor:
            return False
        if self._whole:
            self._bounds[tier] = -floor
        return True

    def _cost(self, tier: str) -> int:
        return next(-score.value for score in self._best.scores if score.tier == tier)

    def _bounded(self) -> Incumbent:
        with_bounds = (TierScore(score.tier, score.value, self._bounds.get(score.tier)) for score in self._best.scores)
        return msgspec.structs.replace(self._best, scores=tuple(with_bounds))
