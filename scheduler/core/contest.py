"""Contested work: nothing of it is bound before a solver had its time, and most of it not long after.

The solver's time comes in two parts. After the first, short one, what greedy and the solver agree on is handed out:
what two plans made in different ways have in common, a better one rarely changes. What they place differently is what
the plan still turns on. Where the solver has found nothing better by then, and has not proven that there is nothing,
the older half is handed out. With that as it stands the improvement of the rest goes on, and new work may cut it short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from scheduler.core.draft import Draft, Places
from scheduler.core.drive import Part
from scheduler.core.solving import improved
from scheduler.core.window import Ask
from scheduler.model.plan import Plan, SolveEnd
from scheduler.model.policy import SolverBudget
from scheduler.solver.build import Built
from scheduler.solver.check import broken, scores
from scheduler.solver.contention import separable, without
from scheduler.solver.expand import contract
from scheduler.solver.problem import Incumbent, Put

Rebuild = Callable[[Sequence[Ask]], Built]
"""The problem of the asks that are still open, with everything that was handed out standing where it stands."""


def contest(
    version: int,
    built: Built,
    start: Incumbent,
    settled: Sequence[int],
    draft: Draft,
    budget: SolverBudget,
    variables_max: int,
    rebuild: Rebuild,
) -> Part[SolveEnd]:
    """Improves what is open of a draft; hands out a part of it early. Answers how the last solve ended."""
    rest, start = without(built, start, settled)
    band = "contested" if settled else "all"
    first = _first(budget) if separable(rest.problem) else budget
    others, end = yield from improved(rest, start, first, variables_max, band)
    contested = draft.open
    if others is None:
        placed = [index for index in contested if draft.places([index])[0]]
        firm = placed[: (len(placed) + 1) // 2]
    else:
        firm = [index for index, same in zip(contested, _alike(rest, start.puts, others), strict=True) if same]
        draft.put(contested, others)
        placed = [index for index in contested if draft.places([index])[0]]
    if first is budget or _is_final(end) or not firm or len(firm) == len(placed):
        return end
    yield Plan(version, draft.hand_out(firm), final=False)
    rest = rebuild([draft.asks[index] for index in draft.open])
    puts = contract(rest, draft.places(draft.open))
    assert puts is not None, "what was placed has no place in the problem that is left"
    assert not broken(rest.problem, puts), "a part of a plan breaks a rule that the whole does not"
    start = Incumbent(puts, scores(rest.problem, puts))
    later = msgspec.structs.replace(budget, wall_seconds=budget.wall_seconds - first.wall_seconds)
    others, end = yield from improved(rest, start, later, variables_max, "open", patient=True)
    if others is not None:
        draft.put(draft.open, others)
    return end


def _is_final(end: SolveEnd) -> bool:
    """Whether more time would bring no more value: it is proven, or nobody is there to search."""
    served = [score for score in end.scores if score.tier.startswith("served-value")]
    proven = bool(served) and all(score.bound is not None and score.bound <= score.value for score in served)
    return proven or end.end in ("optimal", "failed", "skipped")


def _first(budget: SolverBudget) -> SolverBudget:
    """What may be used before the first part is handed out; all of it where the answer must not depend on time."""
    if budget.work > 0 or budget.first_seconds >= budget.wall_seconds:
        return budget
    return msgspec.structs.replace(budget, wall_seconds=budget.first_seconds)


def _alike(built: Built, puts: Sequence[Put], places: Sequence[Places]) -> list[bool]:
    """Per gang, whether it has places in both plans and they are on the same kinds of nodes."""
    theirs = contract(built, places)
    assert theirs is not None, "a solver placed where nothing fits"
    mine_of, theirs_of = _counts(puts), _counts(theirs)
    return [gang in mine_of and mine_of[gang] == theirs_of.get(gang) for gang in range(len(built.gangs))]


def _counts(puts: Sequence[Put]) -> dict[int, dict[tuple[int, int], int]]:
    """Gang -> (member, class) -> pods."""
    found: dict[int, dict[tuple[int, int], int]] = {}
    for put in puts:
        found.setdefault(put.gang, {})[put.member, put.node_class] = put.count
    return found
