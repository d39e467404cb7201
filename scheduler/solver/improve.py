"""Improving a placement with CP-SAT: goal after goal, each with the earlier ones held at what they reached.

Yields a placement as soon as it beats the best so far by the plain reading of `scheduler.solver.check`, so whoever
listens always holds a plan that may stand. A bound is the best that a tier can reach given what the earlier tiers
reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from scheduler.model.plan import TierScore
from scheduler.solver.candidates import candidates, free_gangs
from scheduler.solver.check import better, broken, scores
from scheduler.solver.facade import Ended, Found, Limits
from scheduler.solver.greedy import complete
from scheduler.solver.model import PlacementModel
from scheduler.solver.posting import Terms
from scheduler.solver.problem import Incumbent, SolveRequest, SolveResult

_SHARE_OF_ONE_GOAL = 0.7
"""Of the budget that is left, while other goals come after it."""


def _never() -> bool:
    return False


def solve(request: SolveRequest, *, stop: Callable[[], bool] = _never) -> Iterator[SolveResult]:
    """Ever better results, the last with the final end; ends soon after ``stop`` becomes true.

    ``optimal``: every tier is proven; ``feasible``: something better than the start, or a proof for some tiers;
    ``deadline``: the budget ended before anything was learnt; ``skipped``: the model would be too large. The
    incumbent of the last result is None when nothing better than the start was found and no bound was proven.
    """
    problem = request.problem
    uppers = candidates(problem)
    free = free_gangs(problem, uppers, request.start, request.variables_max)
    if not free:
        yield SolveResult(None, "skipped")
        return
    model = PlacementModel(problem, uppers, free, request.start)
    search = _Search(request, model, free)
    yield from search.run(stop)


class _Search:
    """The best placement so far, the bounds proven so far, and what is left of the budget."""

    def __init__(self, request: SolveRequest, model: PlacementModel, free: set[int]) -> None:
        self._model = model
        self._request = request
        self._free = free
        self._whole = len(free) == len(request.problem.gangs)
        self._best = Incumbent(request.start.puts, scores(request.problem, request.start.puts))
        self._found = False
        self._bounds: dict[str, int] = {}
        self._wall_left_seconds = request.wall_seconds
        self._work_left = request.work

    def run(self, stop: Callable[[], bool]) -> Iterator[SolveResult]:
        goals = self._model.goals
        proven = 0
        for number, (tier, terms) in enumerate(goals):
            if stop() or not self._has_budget():
                break
            optimal = self._is_at_floor(tier, terms)
            if not optimal:
                for event in self._improve(tier, terms, len(goals) - number, stop):
                    if isinstance(event, Ended):
                        optimal = event.end == "optimal"
                    else:
                        yield SolveResult(event, "feasible", len(self._model.cp))
            proven += optimal
            self._model.at_most(terms, self._cost(tier))
        end = "optimal" if proven == len(goals) and self._whole else "feasible"
        if not self._found and not self._bounds:
            yield SolveResult(None, "deadline", len(self._model.cp))
        else:
            yield SolveResult(self._bounded(), end, len(self._model.cp))

    def _improve(
        self, tier: str, terms: Terms, goals_left: int, stop: Callable[[], bool]
    ) -> Iterator[Incumbent | Ended]:
        """Searches for one goal; yields each better placement, at last how the search ended."""
        cp = self._model.cp
        cp.minimise(terms)
        cp.hint(self._model.values(self._best.puts))
        for event in cp.search(self._limits(goals_left), stop):
            if isinstance(event, Found):
                if self._take(event.values):
                    yield self._bounded()
                continue
            self._wall_left_seconds -= event.wall_seconds
            self._work_left -= event.work
            if self._whole and event.end != "unknown":
                self._bounds[tier] = -event.bound
            yield event

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

    def _has_budget(self) -> bool:
        return self._work_left > 0 if self._request.work > 0 else self._wall_left_seconds > 0

    def _limits(self, goals_left: int) -> Limits:
        share = 1.0 if goals_left == 1 else _SHARE_OF_ONE_GOAL
        return Limits(
            wall_seconds=self._wall_left_seconds * share,
            work=self._work_left * share if self._request.work > 0 else 0.0,
            workers=self._request.workers,
            seed=self._request.seed,
        )
