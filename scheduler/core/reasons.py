"""A verdict for everything that got no place: blocked even alone, with what blocks it, or outranked by what was placed.

Diagnoses are asked for as the decision needs them and remembered while it lasts; those that take a solve are few per
decision.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import msgspec

from scheduler.core.draft import Draft
from scheduler.model.plan import Cause, Verdict
from scheduler.model.policy import Limits, SolverBudget
from scheduler.model.shape import Shape
from scheduler.model.work import GangKey
from scheduler.solver.blocking import Bounds, exact
from scheduler.solver.build import Built
from scheduler.solver.diagnose import Diagnosing, Diagnosis, diagnose
from scheduler.solver.filters import Eligibility
from scheduler.solver.problem import SolveRequest, SolveResult


class Reasons:
    """What is known of the gangs of one built problem (by index), each by itself."""

    def __init__(self, built: Built, found: Mapping[Shape, Eligibility], budget: SolverBudget, limits: Limits) -> None:
        self.built = built
        self._bounds = Bounds(built, {shape: refused for shape, (_, refused) in found.items()})
        self._budget = msgspec.structs.replace(
            budget,
            wall_seconds=min(budget.wall_seconds, limits.proof_seconds),
            work=min(budget.work, limits.proof_seconds),
        )
        self._limits = limits
        self._proofs_left = limits.proofs
        self._known: dict[int, Diagnosis] = {}

    def impossible(self, gang: int) -> bool:
        """Whether it is certain that the gang fits nowhere, as far as that is known by now."""
        known = self._known.get(gang)
        return bool(self._bounds.of(gang)) or (known is not None and known.proven and not known.fits)

    def open(self, gang: int) -> bool:
        """Whether only a search can tell: nothing is known, and bounds are not the whole truth."""
        return gang not in self._known and not self._bounds.of(gang) and not exact(self.built.problem, gang)

    def take_time(self, draft: Draft) -> bool:
        """Whether some verdict that is still to be given waits for a solve."""
        return self._proofs_left > 0 and any(self.open(index) and draft.waiting(index) for index in draft.unserved)

    def diagnosis(self, gang: int) -> Diagnosing:
        if gang not in self._known:
            solves = self.open(gang) and self._proofs_left > 0
            self._proofs_left -= solves
            self._known[gang] = yield from diagnose(self.built, gang, self._bounds, self._budget if solves else None)
        return self._known[gang]

    def verdicts(
        self, draft: Draft, winners: tuple[GangKey, ...]
    ) -> Generator[SolveRequest, SolveResult, dict[GangKey, Verdict]]:
        """For every gang and every pod of a bundle that was handed no place."""
        verdicts: dict[GangKey, Verdict] = {}
        for number, index in enumerate(draft.unserved):
            waiting = draft.waiting(index)
            if number >= self._limits.explain_gangs:
                verdict = Verdict(Cause.OUTRANKED, by=winners[:3])
            else:
                found = yield from self.diagnosis(index)
                verdict = (
                    Verdict(Cause.OUTRANKED, by=winners)
                    if found.fits
                    else Verdict(Cause.BLOCKED, found.refusals, proven=found.proven)
                )
            verdicts.update(dict.fromkeys(waiting, verdict))
        return verdicts
