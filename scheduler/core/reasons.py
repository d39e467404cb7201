"""A verdict for everything that got no place: blocked even alone, with what blocks it, or outranked by what was placed.

Diagnoses are asked for as the decision needs them and remembered while it lasts; those that take a solve are few per
decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from scheduler.core.draft import Draft
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.policy import Limits, SolverBudget
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, GangKey
from scheduler.solver.asks.filters import Eligibility
from scheduler.solver.blocking.blocking import Bounds, exact
from scheduler.solver.blocking.diagnose import Asking, Search, diagnose, fits_alone
from scheduler.solver.build import Built


class Reasons:
    """What is known of the gangs of one built problem (by index), each by itself."""

    def __init__(self, built: Built, found: Mapping[Shape, Eligibility], budget: SolverBudget, limits: Limits) -> None:
        self.built = built
        self._bounds = Bounds(built, {shape: refused for shape, (_, refused) in found.items()})
        self._limits = limits
        self._search = Search(
            msgspec.structs.replace(
                budget,
                wall_seconds=min(budget.wall_seconds, limits.proof_seconds),
                work=min(budget.work, limits.proof_seconds),
            ),
            limits.proofs,
        )
        self._fits: dict[int, bool | None] = {}

    def impossible(self, gang: int) -> bool:
        """Whether it is certain that the gang fits nowhere, as far as that is known by now."""
        return self._bounds.refuse(gang) or self._fits.get(gang, True) is False

    def open(self, gang: int) -> bool:
        """Whether only a search can tell: nothing is known, and bounds are not the whole truth."""
        return gang not in self._fits and not self._bounds.refuse(gang) and not exact(self.built.problem, gang)

    def few_are_open(self, gangs: Sequence[int]) -> bool:
        """Whether it is worth while to search for all of these gangs, and to keep as much for their reasons."""
        return 2 * len(gangs) <= self._limits.proofs and all(self.open(gang) for gang in gangs)

    def take_time(self, draft: Draft) -> bool:
        """Whether some verdict that is still to be given waits for a solve."""
        unserved = (index for index in draft.unserved if draft.waiting(index))
        return self._search.solves_left > 0 and any(
            not self._bounds.refuse(index) and not exact(self.built.problem, index) for index in unserved
        )

    def fits(self, gang: int) -> Asking[bool | None]:
        """Whether a gang fits alone; None when nobody knows."""
        if gang not in self._fits:
            self._fits[gang] = yield from fits_alone(self.built, gang, self._bounds, self._search)
        return self._fits[gang]

    def _front(self, index: int, draft: Draft) -> Gang | None:
        """Who stands in front of it without a place, in a queue that serves strictly in order."""
        fronts = dict(self.built.problem.order)
        found = fronts.get(index)
        while found is not None and not draft.waiting(found):
            found = fronts.get(found)
        return None if found is None else draft.asks[found].gang

    def verdicts(self, draft: Draft, winners: tuple[GangKey, ...]) -> Asking[list[tuple[list[GangKey], Verdict]]]:
        """For every gang and every pod of a bundle that was handed no place, those of one ask together. Nobody's place
        waits for them any more, so new work may cut their solves short."""
        self._search.patient = True
        verdicts: list[tuple[list[GangKey], Verdict]] = []
        for number, index in enumerate(draft.unserved):
            waiting = draft.waiting(index)
            front = self._front(index, draft)
            if front is not None:
                refusal = Refusal("queue-order", "Waits", where=front.name)
                verdicts.append((waiting, Verdict(Cause.OUTRANKED, (refusal,), by=(front.key,))))
                continue
            if number >= self._limits.explain_gangs:
                verdict = Verdict(Cause.OUTRANKED, by=winners[:3])
            else:
                fits = yield from self.fits(index)
                found = yield from diagnose(self.built, index, self._bounds, self._search, fits)
                verdict = (
                    Verdict(Cause.OUTRANKED, by=winners)
                    if found.fits
                    else Verdict(Cause.BLOCKED, found.refusals, proven=found.proven)
                )
            verdicts.append((waiting, verdict))
        return verdicts
