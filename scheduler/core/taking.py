"""Taking back: what waits and does not fit on what is free may ask running work to give way.

Gang after gang in the order of service, each with one problem of its places, its victims and the moves; what one leaves
over is there for the next. Nothing is evicted unless its plan places the gang it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import msgspec
import numpy as np

from scheduler.core.demand import requests_of
from scheduler.core.drive import Part
from scheduler.core.entitled import Entitled
from scheduler.core.rights import OWN_QUEUE, Rights, rights_of
from scheduler.core.roster import Charged, Roster, charged
from scheduler.core.solving import improved
from scheduler.core.store import taken_by
from scheduler.core.taking_plan import Giveaway, Places, add_need, awaited, giveaway, moves, victim
from scheduler.core.taking_problem import taking_problem
from scheduler.core.taking_split import Split
from scheduler.model.cluster import Mask, Snapshot, UseKey
from scheduler.model.plan import Decision, Loss, Refusal, SolveEnd, Taken, TierScore
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.resources import Matrix, vector
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, GangKey, Member, NodeCount, Place
from scheduler.solver.check import broken as broken_rules
from scheduler.solver.check import scores
from scheduler.solver.problem import Incumbent

MOVE = "Move"
SOLVER_RETRY_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class Waiting:
    """One gang without places, or equal single pods as one; ``singles`` are those then, oldest first."""

    gang: Gang
    singles: tuple[Gang, ...] = ()


@dataclass(eq=False)
class Took:
    decisions: list[Decision] = field(default_factory=list)
    refusals: dict[GangKey, tuple[Refusal, ...]] = field(default_factory=dict)
    solves: list[SolveEnd] = field(default_factory=list)
    changes_seconds: float = inf
    """Until time alone may change the answer."""


def taking(
    snapshot: Snapshot,
    entitled: Entitled,
    waiting: Sequence[Waiting],
    policy: Policy,
    now_seconds: float,
    budget: SolverBudget,
    mask_of: Callable[[Shape], Mask],
) -> Part[Took]:
    """Decisions with victims and moves for some of what waits, in order; ``snapshot`` has what was placed before."""
    found = Took()
    taker = _Taker(snapshot, entitled, policy, now_seconds, budget, mask_of)
    for each in waiting:
        yield from taker.take(each, found)
    return found


class _Taker:
    def __init__(
        self,
        snapshot: Snapshot,
        entitled: Entitled,
        policy: Policy,
        now_seconds: float,
        budget: SolverBudget,
        mask_of: Callable[[Shape], Mask],
    ) -> None:
        self._snapshot = snapshot
        self._book = replace(entitled.book, use=entitled.book.use.copy(), firm=entitled.book.firm.copy())
        self._policy = policy
        self._now = now_seconds
        self._budget = budget
        self._mask_of = mask_of
        self._charged: Charged = charged(self._book, snapshot.resources)
        self._roster = Roster.of(snapshot, self._book)
        self._use_by: dict[UseKey, Matrix] = {key: total.copy() for key, total in snapshot.use_by.items()}
        for pod in np.flatnonzero(self._roster.leaving).tolist():
            self._discharge(pod)

    def take(self, waiting: Waiting, found: Took) -> Part[None]:
        gang, roster = waiting.gang, self._roster
        charge = np.sum([self._charge(member) for member in gang.members], axis=0)
        rights = rights_of(gang, charge, self._book, roster, self._snapshot.guards, self._policy, self._now)
        found.changes_seconds = min(found.changes_seconds, rights.changes_seconds)
        may_move = self._may_move(gang, rights)
        if not (rights.lane >= 0).any() and not may_move.any() and not roster.leaving.any():
            return
        problem = taking_problem(
            self._snapshot,
            roster,
            self._use_by,
            self._book,
            gang,
            rights,
            may_move,
            self._policy,
            self._mask_of,
            self._charge,
            self._now,
        )
        if problem is None or broken_rules(problem.built.problem, problem.stay):
            return
        start = Incumbent(problem.stay, scores(problem.built.problem, problem.stay))
        places, end = yield from improved(
            problem.built, start, self._budget, self._policy.limits.model_variables, "taking"
        )
        found.solves.append(end)
        if end.end in ("skipped", "failed"):  # nobody was there to search
            found.changes_seconds = min(found.changes_seconds, SOLVER_RETRY_SECONDS)
        if places is None or not places[0]:
            return
        gives = giveaway(problem, roster, places)
        found.decisions += self._decisions(waiting, places[0], gives, rights, end)

    def _may_move(self, gang: Gang, rights: Rights) -> Mask:
        """Who may be put elsewhere for it: also whoever is protected, since nothing of it is lost."""
        if not self._policy.taking.moves or not gang.preempts or rights.waits_seconds > 0:
            return np.zeros(len(self._roster.gangs), dtype=np.bool_)
        guards = self._snapshot.guards
        return np.array(
            [
                each.preemptible
                and each.movable
                and each.key != gang.key
                and not each.waits
                and all(len(pod.guards) < 2 and all(guards.get(key, 0) > 0 for key in pod.guards) for pod in each.pods)
                and all(member.shape.volumes is None for member in each.members)
                for each in self._roster.gangs
            ],
            dtype=np.bool_,
        )

    def _charge(self, member: Member) -> Matrix:
        """What one pod is charged in the columns of the ledger, in the only flavor that it accepts."""
        kinds = tuple(dict.fromkeys(self._snapshot.nodes.device_kinds()))
        row = vector(tuple(requests_of(member.shape, kinds).items()), self._snapshot.resources)
        flavor = member.shape.flavors[0] if len(member.shape.flavors) == 1 else ""
        return self._charged.of(row, flavor)

    # --- what comes of it -----------------------------------------------------------------------------------------

    def _decisions(
        self,
        waiting: Waiting,
        own: Places,
        gives: Giveaway,
        rights: Rights,
        end: SolveEnd,
    ) -> list[Decision]:
        roster = self._roster
        taken = self._facts(gives, rights, end)
        gone = gives.evicted | gives.moved
        if len(waiting.singles) <= 1:
            late = awaited(self._snapshot, roster, gone, [(waiting.gang, own)], gives.to)
            pods = [*np.flatnonzero(gives.evicted).tolist(), *late.tolist()]
            found = [
                Decision(
                    waiting.gang.key,
                    own,
                    tuple(victim(roster, pod) for pod in pods),
                    moves(roster, gives.moved, gives.to),
                    taken,
                )
            ]
        else:
            found = self._one_by_one(waiting, own, gives, taken)
        self._note(waiting.gang, own, gives)
        return found

    def _one_by_one(self, waiting: Waiting, own: Places, gives: Giveaway, taken: Taken | None) -> list[Decision]:
        """Each single pod with what it needs of those who leave its node: who leaves anyway, then who moves, then who
        is evicted. A gang that goes, goes with the first that needs any of it; nobody is named twice."""
        roster, snapshot = self._roster, self._snapshot
        spots = [
            NodeCount(each.node, 1, each.devices) for place in own for each in place.nodes for _ in range(each.count)
        ]
        split = Split(roster, gives)
        found = []
        for single, spot in zip(waiting.singles, spots, strict=False):
            member = single.members[0]
            request = vector(taken_by(member.shape, spot.devices), snapshot.resources)
            victims, to = split.for_pod(snapshot.nodes.rows[spot.node], request)
            found.append(
                Decision(
                    single.key,
                    (Place(member.name, (spot,)),),
                    tuple(victim(roster, pod) for pod in victims),
                    moves(roster, gives.moved, to),
                    taken if victims or to else None,
                )
            )
        victims, to = split.rest()
        if victims or to:
            found[0] = msgspec.structs.replace(
                found[0],
                victims=(*found[0].victims, *(victim(roster, pod) for pod in victims)),
                moves=(*found[0].moves, *moves(roster, gives.moved, to)),
                taken=taken,
            )
        return found

    def _facts(self, gives: Giveaway, rights: Rights, end: SolveEnd) -> Taken | None:
        roster = self._roster
        losses = []
        for number in np.unique(roster.gang[gives.evicted | gives.moved]).tolist():
            running = roster.gangs[number]
            mine = roster.gang == number
            evicted, moved = int((mine & gives.evicted).sum()), int((mine & gives.moved).sum())
            lane = int(rights.lane[number])
            if evicted:
                rightful = rights.lanes[lane].rights[0].name if lane >= 0 else OWN_QUEUE
                whole = evicted == int((mine & ~roster.leaving).sum())
                losses.append(Loss(running.key, running.queue, rightful, evicted, whole, running.priority))
            if moved:
                losses.append(Loss(running.key, running.queue, MOVE, moved, False, running.priority))
        if not losses:
            return None
        costs = tuple(score for score in end.scores if score.tier.startswith("giving-way/"))
        proven = all(score.bound is not None and score.bound <= score.value for score in costs)
        return Taken(tuple(losses), tuple(map(_plain, costs)), proven)

    def _note(self, gang: Gang, own: Places, gives: Giveaway) -> None:
        """The picture for whoever comes next: what leaves, what was placed, and who uses how much."""
        roster = self._roster
        need: Matrix = np.zeros_like(roster.free)
        add_need(need, self._snapshot, {member.name: member for member in gang.members}, own)
        for number, places in gives.to.items():
            add_need(need, self._snapshot, {member.name: member for member in roster.gangs[number].members}, places)
        roster.promise(need)
        for pod in np.flatnonzero(gives.evicted).tolist():
            self._discharge(pod)
            self._use(int(roster.queue[roster.gang[pod]]), -roster.charge[pod])
        roster.leaving |= gives.evicted | gives.moved
        roster.claimed |= gives.evicted | gives.moved
        shapes = {member.name: member for member in gang.members}
        for place in own:
            for each in place.nodes:
                row = self._snapshot.nodes.rows[each.node]
                amounts = vector(taken_by(shapes[place.member].shape, each.devices), self._snapshot.resources)
                flavor = self._snapshot.nodes.flavor(row)
                key = (gang.queue, flavor, not gang.preemptible)
                self._use_by[key] = self._use_by.get(key, np.zeros_like(amounts)) + amounts * each.count
                if gang.queue in self._book.names:
                    self._use(self._book.row(gang.queue), self._charged.of(amounts * each.count, flavor))

    def _discharge(self, pod: int) -> None:
        roster = self._roster
        running = roster.gangs[roster.gang[pod]]
        key = (running.queue, self._snapshot.nodes.flavor(int(roster.node[pod])), not running.preemptible)
        if key in self._use_by:
            self._use_by[key] = self._use_by[key] - roster.room[pod]

    def _use(self, row: int, more: Matrix) -> None:
        for each in self._book.line(row) if row >= 0 else ():
            self._book.use[each] += more


def _plain(score: TierScore) -> TierScore:
    return msgspec.structs.replace(score, tier=score.tier.removeprefix("giving-way/"))


def unserved(gang: Gang, singles: Sequence[Gang], pods: int) -> Waiting | None:
    """What is left of an ask of which ``pods`` have places; None where it is served as far as it must be."""
    if len(singles) > 1:
        if pods >= len(singles):
            return None
        rest = tuple(singles[pods:])
        member = msgspec.structs.replace(gang.members[0], count=len(rest))
        return Waiting(msgspec.structs.replace(gang, key=rest[0].key, members=(member,)), rest)
    return None if pods else Waiting(gang)
