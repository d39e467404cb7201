"""Improving a placement with CP-SAT: goal after goal, each with the earlier ones held at what they reached. Work with
parts of devices is put closer together first (`scheduler.solver.packing.repack`).

Yields a placement as soon as it beats the best so far by the plain reading of `scheduler.solver.check`, so whoever
listens always holds a plan that may stand. A bound is the best that a tier can reach given what the earlier tiers
reached. Where the best of the counts does not expand to nodes, its classes are taken apart and the goal is searched
again: what is proven is proven of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from scheduler.model.plan import TierScore
from scheduler.solver.apart import Apart
from scheduler.solver.budget import Budget
from scheduler.solver.candidates import Uppers, candidates, free_gangs, model_size
from scheduler.solver.check import better, broken, scores
from scheduler.solver.facade import Ended, Limits
from scheduler.solver.greedy.assign import unassignable
from scheduler.solver.greedy.greedy import complete
from scheduler.solver.model import PlacementModel
from scheduler.solver.packing.repack import repacked
from scheduler.solver.parts.decompose import Decomposition, is_decomposable
from scheduler.solver.posting import Terms
from scheduler.solver.problem import Incumbent, SolveRequest, SolveResult

_SHARE_OF_ONE_GOAL = 0.7
"""Of the budget that is left, while other goals come after it."""

_SHARE_OF_REPACKING = 0.5
"""Of the wall time, for putting shares closer together before the model is built."""

_ONE_MODEL_VARIABLES = 4000
"""Beyond it one model of everything rarely beats greedy in a second or two, and regions do."""

_APART_VARIABLES = 8000
"""Beyond it no further class is taken apart: a plan that does not expand is passed over, and nothing is proven."""


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
    budget = Budget(request, clock)
    closer = repacked(
        request.problem, request.start, stop=lambda: stop() or budget.share_left < 1 - _SHARE_OF_REPACKING
    )
    if closer is None:
        yield from _modelled(request, budget, stop)
        return
    yield SolveResult(closer, "feasible")
    for result in _modelled(msgspec.structs.replace(request, start=closer), budget, stop):
        yield result if result.incumbent is not None else SolveResult(closer, "feasible", result.variables)


def _modelled(request: SolveRequest, budget: Budget, stop: Callable[[], bool]) -> Iterator[SolveResult]:
    problem = request.problem
    uppers = candidates(problem)
    if model_size(problem, uppers) > _ONE_MODEL_VARIABLES and is_decomposable(problem):
        yield from Decomposition(request, budget).run(stop)
        return
    free = free_gangs(problem, uppers, request.start, request.variables_max)
    if not free:
        yield SolveResult(None, "skipped")
        return
    yield from _Search(request, uppers, free, budget).run(stop)


class _Search:
    """The best placement so far, and the bounds proven so far.

    The model is that of ``self._apart``; the best is a placement of the problem that was asked about.
    """

    def __init__(self, request: SolveRequest, uppers: list[list[Uppers]], free: set[int], budget: Budget) -> None:
        self._request = request
        self._free = free
        self._whole = len(free) == len(request.problem.gangs)
        self._best = Incumbent(request.start.puts, scores(request.problem, request.start.puts))
        self._found = False
        self._bounds: dict[str, int] = {}
        self._budget = budget
        self._singles: frozenset[int] = frozenset()
        self._crowded: set[int] = set()
        self._apart = Apart.of(request.problem, self._singles)
        self._model = PlacementModel(request.problem, uppers, free, request.start)

    def run(self, stop: Callable[[], bool]) -> Iterator[SolveResult]:
        if not self._posted(self._model, stop):
            yield SolveResult(None, "deadline", len(self._model.cp))
            return
        proven = 0
        tiers = [tier for tier, _ in self._model.goals]
        for number, tier in enumerate(tiers):
            if stop() or self._budget.is_spent:
                break
            if not self._is_at_floor(tier, self._model.goals[number][1]):
                share = 1.0 if number == len(tiers) - 1 else _SHARE_OF_ONE_GOAL
                for incumbent in self._improve(number, self._budget.limits(share), stop):
                    yield SolveResult(incumbent, "feasible", len(self._model.cp))
                while not self._is_proven(tier) and self._take_apart(number, stop):
                    for incumbent in self._improve(number, self._budget.limits(share), stop):
                        yield SolveResult(incumbent, "feasible", len(self._model.cp))
            proven += self._is_proven(tier)
            self._model.at_most(self._model.goals[number][1], self._cost(tier))
        end = "optimal" if proven == len(tiers) else "feasible"
        if not self._found and not self._bounds:
            yield SolveResult(None, "deadline", len(self._model.cp))
        else:
            yield SolveResult(self._bounded(), end, len(self._model.cp))

    def _posted(self, model: PlacementModel, stop: Callable[[], bool]) -> bool:
        """Whether a model stands before time is over."""
        return not any(stop() or self._budget.is_spent for _ in model.post())

    def _take_apart(self, number: int, stop: Callable[[], bool]) -> bool:
        """Takes apart the classes that did not expand while a goal was searched for, as far as the model stays small
        enough to be searched again; the goals before it stay as they are. False when nothing is to be done."""
        most = min(_APART_VARIABLES, self._request.variables_max)
        apart, uppers = self._apart, None
        singles = self._singles
        for each in sorted(self._crowded - singles):
            larger = Apart.of(self._request.problem, singles | {each})
            own = candidates(larger.problem)
            if model_size(larger.problem, own) <= most:
                apart, uppers, singles = larger, own, singles | {each}
        self._crowded = set()
        if uppers is None or stop() or self._budget.is_spent:
            return False
        start = msgspec.structs.replace(self._best, puts=apart.inside(self._best.puts))
        model = PlacementModel(apart.problem, uppers, self._free, start, apart.by_device)
        if not self._posted(model, stop):
            return False
        for tier, terms in model.goals[:number]:
            model.at_most(terms, self._cost(tier))
        self._apart, self._model, self._singles = apart, model, singles
        return True

    def _improve(self, number: int, limits: Limits, stop: Callable[[], bool]) -> Iterator[Incumbent]:
        """Searches for one goal; yields each better placement, and notes the bound."""
        cp = self._model.cp
        tier, terms = self._model.goals[number]
        cp.minimise(terms)
        cp.hint(self._model.values(self._apart.inside(self._best.puts)))
        for event in cp.search(limits, stop):
            if isinstance(event, Ended):
                self._budget.spend(event)
                if self._whole and event.end != "unknown":
                    self._bounds[tier] = -event.bound
            elif self._take(event.values):
                yield self._bounded()

    def _take(self, values: Sequence[int]) -> bool:
        """Whether a solution, completed by what still fits beside it, beats the best.

        Of one that does not expand the classes are noted. One that the plain check refuses would be a bug of a term.
        """
        problem, puts = self._apart.problem, self._model.puts(values)
        if not better(scores(problem, puts), self._best.scores):
            return False
        assert not broken(problem, puts), "the model allowed what a rule forbids"
        completed = complete(problem, puts, self._free)
        if completed is None:
            self._crowded.update(int(self._apart.class_of[each]) for each in unassignable(problem, puts))
            return False
        if problem.giving is not None and broken(problem, completed.puts):
            # Whoever comes back on the side is in the way of an entitlement: the puts as they are, with their nodes.
            completed = complete(problem, puts, ())
            assert completed is not None, "what was assigned before is assigned again"
        self._best, self._found = Incumbent(self._apart.outside(completed.puts), completed.scores), True
        return True

    def _is_proven(self, tier: str) -> bool:
        return self._bounds.get(tier) == -self._cost(tier)

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
