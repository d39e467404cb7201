"""Whether one gang could be placed alone, and if not, which of its asks stand in the way: a sure answer where there is
one.

Bounds first. Where unlike pods or a tree of branches leave them open, greedy: a placement it finds is proof that the
gang fits, but its "no" proves nothing. So a small solve of the gang alone follows, asked for by yielding it. From a
sure "no" one ask after the other is left out: those without which the gang would fit are the smallest set that blocks
it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from scheduler.model.plan import Refusal
from scheduler.model.policy import SolverBudget
from scheduler.solver.asks.relate import restrict
from scheduler.solver.blocking.blocking import Bounds, exact
from scheduler.solver.build import Built
from scheduler.solver.check import broken, scores
from scheduler.solver.greedy.greedy import place
from scheduler.solver.problem import KINDS, SPREAD, TOGETHER, GangAsk, Incumbent, Problem, SolveRequest, SolveResult
from scheduler.solver.tree import members_below, minima_below


class Diagnosis(msgspec.Struct, frozen=True):
    """``fits``: alone, on what is free, the gang would reach its minima (a bundle: one pod). ``refusals`` say why not;
    unless ``proven``, they are what is known and a placement may exist that was not found."""

    fits: bool
    proven: bool
    refusals: tuple[Refusal, ...] = ()


T = TypeVar("T")

Asking = Generator[SolveRequest, SolveResult, T]


class Search:
    """The solves that one decision may still spend on single gangs; ``patient`` ones may be cut short by new work."""

    def __init__(self, budget: SolverBudget, solves: int) -> None:
        self._budget = budget
        self.solves_left = solves
        self.patient = False

    def request(self, problem: Problem) -> SolveRequest | None:
        """A solve of a problem of one gang; None when there is none left."""
        if self.solves_left <= 0:
            return None
        self.solves_left -= 1
        budget = self._budget
        start = Incumbent((), scores(problem, ()))
        return SolveRequest(
            problem,
            start,
            budget.wall_seconds,
            budget.work,
            budget.workers,
            budget.seed,
            patient=self.patient,
        )


class Ask(msgspec.Struct, frozen=True):
    """One thing that may be left out: a queue's limit, the leader or one kind of relation to other pods (``branch``
    -1), the required level or the slices of a branch."""

    term: str
    branch: int = -1
    where: str = ""


def fits_alone(built: Built, index: int, bounds: Bounds, search: Search) -> Asking[bool | None]:
    """Whether one gang (by index) reaches its minima alone on what is free; None when nobody knows. A gang that other
    pending pods may make room for is never said to fit nowhere."""
    if bounds.of(index):
        return False
    if exact(built.problem, index):
        return True
    fits = yield from _fits(_alone(built.problem, index), search)
    return None if fits is False and _may_be_helped(built.problem, index) else fits


def _may_be_helped(problem: Problem, index: int) -> bool:
    """Whether pods of other gangs may make room for a gang: those that it wants near, or that level its domains."""
    return any(
        relation.kind in (TOGETHER, SPREAD)
        and any(gang == index for gang, _ in relation.carriers)
        and any(gang != index for gang, _ in relation.targets)
        for relation in problem.active
    )


def diagnose(built: Built, index: int, bounds: Bounds, search: Search, fits: bool | None) -> Asking[Diagnosis]:
    """The truth about one gang as far as it can be found, given what `fits_alone` says of it."""
    refused = bounds.of(index)
    gang = built.problem.gangs[index]
    if fits or refused:
        return Diagnosis(fits=bool(fits), proven=True, refusals=refused)
    alone = _alone(built.problem, index)
    blocking, proven = yield from _smallest(alone, _asks(built, index), search)
    needed = max(gang.branches[0].minimum, sum(minima_below(gang, 0).values()), 1)
    pods = _most_pods(alone, needed)
    refusals = tuple(
        Refusal(ask.term, "NotTogether", needed=needed, offered=pods, where=ask.where)
        for ask in blocking or [Ask("capacity", where="the fleet")]
    )
    return Diagnosis(fits=False, proven=fits is False and proven, refusals=refusals)


def _alone(problem: Problem, index: int) -> Problem:
    """The problem as if nobody else waited."""
    return replace(problem, gangs=(problem.gangs[index],), relations=restrict(problem.active, {index: 0}), order=())


def _fits(alone: Problem, search: Search) -> Asking[bool | None]:
    """Whether the only gang of a problem can be placed; None when nobody knows."""
    if place(alone).puts:
        return True
    request = search.request(replace(alone, goals=("served-value",)))
    if request is None:
        return None
    result = yield request
    if result.incumbent is not None and result.incumbent.puts:
        return True if not broken(request.problem, result.incumbent.puts) else None
    return False if result.end == "optimal" else None


def _smallest(alone: Problem, asks: Sequence[Ask], search: Search) -> Asking[tuple[list[Ask], bool]]:
    """Asks of which none can be left out of those that block, by deletion; and whether every step was certain.

    An ask is dropped for good when the gang does not fit without it either; what remains blocks together, and any
    proper part of it does not.
    """
    kept, proven = list(asks), True
    for ask in asks:
        others = [each for each in kept if each is not ask]
        fits = yield from _fits(_relaxed(alone, [each for each in asks if each not in others]), search)
        proven &= fits is not None
        if not fits:
            kept = others
    return kept, proven


def _asks(built: Built, index: int) -> list[Ask]:
    """What may be left out, the widest first, so that what remains names the narrowest."""
    problem, gang = built.problem, built.problem.gangs[index]
    asks = []
    if "queue-limit" in problem.rules and gang.queue >= 0:
        asks.append(Ask("queue-limit", where=built.queue_names[gang.queue] if built.queue_names else ""))
    kinds = {relation.kind for relation in restrict(problem.active, {index: 0})}
    asks += [Ask(kind) for kind in KINDS if kind in kinds]
    if "required-topology" in problem.rules:
        asks += [
            Ask("required-topology", number, problem.level_names[branch.required])
            for number, branch in enumerate(gang.branches)
            if branch.required >= 0
        ]
    if "slices" in problem.rules:
        asks += [
            Ask("slices", number, problem.level_names[branch.slices[0].level])
            for number, branch in enumerate(gang.branches)
            if branch.slices
        ]
    if "leader" in problem.rules and gang.leader >= 0 and any(branch.slices for branch in gang.branches):
        asks.append(Ask("leader"))
    return asks


def _relaxed(alone: Problem, dropped: Sequence[Ask]) -> Problem:
    gang = alone.gangs[0]
    free = {(ask.term, ask.branch) for ask in dropped}
    branches = []
    for number, branch in enumerate(gang.branches):
        if ("required-topology", number) in free:
            branch = msgspec.structs.replace(branch, required=-1, pinned=-1)
        if ("slices", number) in free:
            branch = msgspec.structs.replace(branch, slices=())
        branches.append(branch)
    queue = -1 if ("queue-limit", -1) in free else gang.queue
    leader = -1 if ("leader", -1) in free else gang.leader
    without = msgspec.structs.replace(gang, branches=tuple(branches), queue=queue, leader=leader)
    relations = tuple(relation for relation in alone.relations if (relation.kind, -1) not in free)
    return replace(alone, gangs=(without,), relations=relations)


def _most_pods(alone: Problem, needed: int) -> int:
    """How many pods greedy places together where fewer than ``needed`` are enough, by halving."""
    least, most = 0, needed - 1
    while least < most:
        pods = (least + most + 1) // 2
        if place(replace(alone, gangs=(_of_any(alone.gangs[0], pods),))).puts:
            least = pods
        else:
            most = pods - 1
    return least


def _of_any(gang: GangAsk, pods: int) -> GangAsk:
    """The same gang, content with so many pods of any of its members."""

    def least(number: int) -> int:
        return max(0, pods - gang.pods + sum(gang.members[member].count for member in members_below(gang, number)))

    return msgspec.structs.replace(
        gang,
        members=tuple(msgspec.structs.replace(member, minimum=0) for member in gang.members),
        branches=tuple(
            msgspec.structs.replace(branch, minimum=least(number), min_branches=0)
            for number, branch in enumerate(gang.branches)
        ),
    )
