"""Room made with a model: victims, moves and places in one problem, from the best that is known on."""

from __future__ import annotations

from scheduler.core.drive import Part
from scheduler.core.solving import improved
from scheduler.core.taking.devices import on_devices
from scheduler.core.taking.ground import MaskOf
from scheduler.core.taking.kit import Kit, View
from scheduler.core.taking.outcome import Outcome
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.plan import all_places, giveaway
from scheduler.core.taking.problem import taking_problem
from scheduler.model.plan import SolveEnd, TierScore
from scheduler.model.policy import Policy, SolverBudget
from scheduler.solver.check import broken as broken_rules
from scheduler.solver.check import scores
from scheduler.solver.expand import contract
from scheduler.solver.problem import Incumbent

_COSTS = "giving-way/"


def modelled(
    picture: Picture, view: View, kit: Kit, known: Outcome | None, policy: Policy, budget: SolverBudget, mask_of: MaskOf
) -> Part[tuple[Outcome | None, SolveEnd | None]]:
    """(the best that a solver finds, how its search ended): no outcome where it finds nothing better than what is
    ``known``, no end where it is not asked."""
    gang, roster = view.waiting.gang, picture.roster
    seats = int(kit.in_play.sum())
    spread = len(picture.snapshot.nodes) if kit.may_move.any() else 1
    if seats * spread > policy.limits.model_variables:
        return None, None
    problem = taking_problem(
        picture.snapshot,
        roster,
        picture.use_by,
        view.book,
        gang,
        kit.rights,
        kit.may_move,
        policy,
        mask_of,
        picture.charge,
        kit.tiers,
        kit.weights,
        picture.holds,
    )
    if problem is None or broken_rules(problem.built.problem, problem.stay):
        return None, None
    stay = scores(problem.built.problem, problem.stay)
    start = Incumbent(problem.stay, stay)
    if known is not None:
        puts = contract(problem.built, all_places(problem, roster, known.places, known.gives))
        if puts is not None and not broken_rules(problem.built.problem, puts):
            start = Incumbent(puts, scores(problem.built.problem, puts))
    places, end = yield from improved(problem.built, start, budget, policy.limits.model_variables, "taking")
    costs = tuple(_in_all(score, own) for score, own in zip(end.scores, stay, strict=True) if _is_cost(score))
    proven = all(score.bound is not None and score.bound <= score.value for score in costs)
    if places is None:
        if known is None or start.puts is problem.stay:
            return None, end
        return Outcome(known.places, known.gives, costs, proven, cleared=True), end
    if not places[0]:
        return None, end
    own, gives = places[0], giveaway(problem, roster, places)
    if picture.snapshot.devices is not None:
        physical = on_devices(picture.snapshot, roster, gang, own, gives, kit.may_move, policy, mask_of)
        if physical is None:
            return None, end
        proven = proven and (physical[1].moved == gives.moved).all()
        own, gives = physical
    return Outcome(own, gives, costs, bool(proven), cleared=False), end


def _is_cost(score: TierScore) -> bool:
    return score.tier.startswith(_COSTS)


def _in_all(score: TierScore, stay: TierScore) -> TierScore:
    """A tier of the model, which counts what is kept, as what is lost (negative, larger is better)."""
    bound = None if score.bound is None else min(0, score.bound - stay.value)
    return TierScore(score.tier.removeprefix(_COSTS), score.value - stay.value, bound)
