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

from scheduler.core.drive import Part
from scheduler.core.queues.entitled import Entitled
from scheduler.core.queues.ledger import Ledger
from scheduler.core.solving import improved
from scheduler.core.taking.costs import NEWEST_FIRST, costs_of
from scheduler.core.taking.devices import on_devices
from scheduler.core.taking.flavors import in_each_flavor, quotas_name_flavors, where_they_stand
from scheduler.core.taking.ground import Prepared, is_plain, prepared, taker_of
from scheduler.core.taking.growth import grow
from scheduler.core.taking.outcome import Outcome, decisions
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.plan import (
    Giveaway,
    Places,
    all_places,
    giveaway,
    with_one_more,
)
from scheduler.core.taking.problem import in_play_of, taking_problem
from scheduler.core.taking.reasons import may_not_yet, short_budgets, why_not
from scheduler.core.taking.rights import Rights, age_matters, rank_of_branches, rights_of, shares_matter
from scheduler.core.taking.roster import Roster, Rosters
from scheduler.core.taking.spared import put_off
from scheduler.core.taking.waiting import Waiting, grown, grows, in_two, pods_of, rest_of
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.plan import Decision, Refusal, SolveEnd, TierScore
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, GangKey, Member, NodeCount, Place
from scheduler.solver.check import broken as broken_rules
from scheduler.solver.check import scores
from scheduler.solver.clearing.bounds import least_costs, reachable
from scheduler.solver.clearing.clearing import Clearing
from scheduler.solver.clearing.ground import Cleared, classes_of, joined
from scheduler.solver.expand import contract
from scheduler.solver.giving import Tier
from scheduler.solver.problem import Incumbent

SharesIf = Callable[[Sequence[Gang]], Matrix]
"""[queues x columns] the fair shares if these gangs asked for what they do here, in the flavor that they are in."""

SOLVER_RETRY_SECONDS = 2.0

_COSTS = "giving-way/"

_SOLVES = 8
"""Solves of one decision that look for a cheaper set of victims."""


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
    shares_if: SharesIf,
    rosters: Rosters,
) -> Part[Took]:
    """Decisions with victims and moves for some of what waits, in order; ``snapshot`` has what was placed before."""
    found = Took()
    taker = _Taker(snapshot, entitled, policy, now_seconds, budget, mask_of, shares_if, rosters)
    growing: list[Waiting] = []
    of_surplus = policy.taking.growth == "Surplus"
    for each in waiting:
        least, more = in_two(each) if of_surplus or grows(each.gang) else (each, None)
        before = len(found.decisions)
        if least is not None:
            yield from taker.take(least, found)
            more = grown(more, found.decisions[before].places) if more and len(found.decisions) > before else None
        growing += [more] if more is not None else []
    for each in growing:
        yield from grow(
            each, found.decisions, lambda more: taker.take(more, found), taker.roster, of_surplus=of_surplus
        )
    late = put_off(found.decisions, taker.roster, entitled.book, taker.queue_of)
    if late:
        found.decisions = [each for each in found.decisions if each.gang not in late]
        found.changes_seconds = 0.0
    return found


@dataclass(eq=False)
class _Kit:
    key: tuple[object, ...]
    rights: Rights
    may_move: Mask
    tiers: tuple[Tier, ...]
    weights: Matrix
    in_play: Mask
    sound: Mask
    ready: Prepared
    clearing: Clearing
    classes: list[Mask]
    budgets: tuple[Refusal, ...] | None = None
    """Those that let too few pods go, once somebody asks."""


@dataclass(eq=False)
class _View:
    """One waiting gang in one flavor, by ``number`` in the order of preference. ``among`` [G] are those among whom
    costs are counted where they are compared with those of other flavors; ``facts`` say why there is no way."""

    waiting: Waiting
    book: Ledger
    number: int
    rights: Rights | None = None
    among: Mask | None = None
    facts: tuple[Refusal, ...] = ()


@dataclass(frozen=True, eq=False)
class _Way:
    view: _View
    kit: _Kit
    outcome: Outcome

    @property
    def pods(self) -> int:
        return pods_of(self.outcome.places)


class _Taker:
    def __init__(
        self,
        snapshot: Snapshot,
        entitled: Entitled,
        policy: Policy,
        now_seconds: float,
        budget: SolverBudget,
        mask_of: Callable[[Shape], Mask],
        shares_if: SharesIf,
        rosters: Rosters,
    ) -> None:
        self._flavored = quotas_name_flavors(entitled.book, policy)
        if self._flavored:
            snapshot = replace(snapshot, running=where_they_stand(snapshot.running, snapshot.nodes))
        self._picture = Picture(snapshot, entitled.book, rosters)
        self._policy = policy
        self._now = now_seconds
        self._budget = budget
        self._mask_of = mask_of
        self._shares_if = shares_if
        self._kit: _Kit | None = None
        self.queue_of: dict[GangKey, str] = {}
        self._solves_left = _SOLVES
        self._share = msgspec.structs.replace(budget, wall_seconds=budget.wall_seconds / _SOLVES)

    @property
    def roster(self) -> Roster:
        return self._picture.roster

    def take(self, waiting: Waiting, found: Took) -> Part[None]:
        """One more decision, where room can be made for it; of single pods as many as it can be made for."""
        rest: Waiting | None = waiting
        while rest is not None and not self._is_gone(rest.gang):
            views = self._views(rest)
            ways: list[_Way] = []
            for view in views:
                way = yield from self._sought(view, found)
                ways += [way] if way is not None else []
            if not ways:
                facts = tuple(dict.fromkeys(fact for view in views for fact in view.facts))
                if facts:
                    found.refusals.update(dict.fromkeys([each.key for each in rest.singles or (rest.gang,)], facts))
                return
            best = ways[0] if len(ways) == 1 else min(ways, key=self._rank)
            made = decisions(self._picture, best.view.waiting, best.outcome, best.kit.rights)
            found.decisions += made
            self.queue_of.update((each.gang, rest.gang.queue) for each in made)
            self._picture.note(best.view.waiting.gang, best.outcome.places, best.outcome.gives)
            best.kit.budgets = None
            if len(views) > 1 or not best.outcome.cleared:
                self._kit = None
            rest = rest_of(rest, best.pods) if len(views) > 1 else None

    def _views(self, waiting: Waiting) -> list[_View]:
        """The same work in each flavor that it could be in, with the ledger that it is entitled by there."""
        gangs: tuple[Gang, ...] = (waiting.gang,)
        if self._flavored:
            gangs = in_each_flavor(waiting.gang, self._picture.snapshot.nodes, self._mask_of)
        views = [_View(replace(waiting, gang=gang), self._picture.book, number) for number, gang in enumerate(gangs)]
        for view in views[1:] if self._policy.taking.rule == "default" else ():  # in the ledger it counts in the first
            members = view.waiting.gang.members
            asking = [msgspec.structs.replace(each, members=members) for each in waiting.singles]
            view.book = replace(self._picture.book, fair=self._shares_if(asking or (view.waiting.gang,)))
        if len(views) > 1:  # what they cost is to be compared, so it is counted among the same gangs
            for view in views:
                view.rights = self._rights(view)
            among = np.logical_or.reduce([view.rights.lane >= 0 for view in views if view.rights is not None])
            for view in views:
                view.among = among
        return views

    def _rights(self, view: _View) -> Rights:
        gang, picture = view.waiting.gang, self._picture
        ask, guards, taken = picture.asked(gang), picture.snapshot.guards, self._taken(view.waiting)
        leaves = view.waiting.leaves
        return rights_of(gang, ask, view.book, picture.roster, guards, self._policy, self._now, taken, leaves)

    def _sought(self, view: _View, found: Took) -> Part[_Way | None]:
        """A way to make room, if there is one; else ``facts`` of the view say why not."""
        gang = view.waiting.gang
        barred = self._barred(view)
        if barred is not None:
            view.facts = (barred,)
            return None
        kit = self._kit_for(view)
        found.changes_seconds = min(found.changes_seconds, kit.rights.changes_seconds)
        if not kit.in_play.any() and not self._picture.roster.leaving.any():
            own = may_not_yet(gang, kit.rights) if self._picture.roster.gangs else ()
            view.facts = own or self._short_budgets(kit)
            return None
        outcome: Outcome | None = None
        out_of_reach: Refusal | None = None
        if is_plain(self._picture.snapshot, gang):
            out_of_reach = self._out_of_reach(gang, kit)
            outcome = None if out_of_reach else self._cleared(view, kit)
            if outcome is not None and self._picture.too_much(view.book, gang, outcome.places, outcome.gives.evicted):
                outcome, self._kit = None, None
        if out_of_reach is None and (outcome is None or not outcome.proven):
            outcome = (yield from self._modelled(view, kit, outcome, found)) or outcome
        if outcome is not None:
            return _Way(view, kit, outcome)
        if out_of_reach is not None:
            view.facts = (out_of_reach,)
        else:
            ask, guards = self._picture.asked(gang), self._picture.snapshot.guards
            view.facts = why_not(gang, ask, kit.rights, kit.may_move, view.book, self._picture.roster, guards)
        view.facts += self._short_budgets(kit)
        return None

    def _short_budgets(self, kit: _Kit) -> tuple[Refusal, ...]:
        if self._policy.taking.break_guards:
            return ()
        if kit.budgets is None:
            kit.budgets = short_budgets(kit.rights, self._picture.roster, self._picture.snapshot.guards)
        return kit.budgets

    def _rank(self, way: _Way) -> tuple[int, ...]:
        """Of two flavors the better one is smaller: the one that places more, then as the policy's list says."""
        costs = {score.tier: -score.value for score in way.outcome.costs}
        by: dict[str, tuple[int, ...]] = {
            "preference": (way.view.number,),
            "evictions": (int(way.outcome.gives.evicted.any()),),
            "borrowing": (int(self._borrows(way)),),
            "costs": tuple(costs.get(tier.name, 0) for tier in way.kit.tiers if tier.name != NEWEST_FIRST),
        }
        order = (*self._policy.taking.flavor_order, "preference")
        return (-way.pods, *(number for name in order for number in by[name]))

    def _borrows(self, way: _Way) -> bool:
        """Whether its queue is above what it is guaranteed then, in anything that it asks for."""
        gang, book, roster = way.view.waiting.gang, way.view.book, self._picture.roster
        if gang.queue not in book.names:
            return False
        row = book.row(gang.queue)
        charges = {member.name: self._picture.charge(member) for member in gang.members}
        pods = {place.member: sum(each.count for each in place.nodes) for place in way.outcome.places}
        after = book.use[row] + sum(charges[member] * count for member, count in pods.items())
        after = after - roster.charge[way.outcome.gives.evicted & (roster.queue[roster.gang] == row)].sum(axis=0)
        return bool(((after > book.guaranteed[row]) & (self._picture.asked(gang) > 0)).any())

    def _barred(self, view: _View) -> Refusal | None:
        """What keeps one pod of each member from everything, seen without looking at who runs: no lower work in its own
        queue, nothing that its queue is entitled to take, and a limit above it that moves cannot widen."""
        gang, book, taking = view.waiting.gang, view.book, self._policy.taking
        if gang.queue not in book.names or taking.rule != "default":
            return None
        by = book.row(gang.queue)
        traits = self._picture.roster.traits
        own = (self._picture.roster.queue == by) & traits.preemptible
        equals = book.queues[by].preemption.within_queue == "LowerOrNewerEqualPriority"
        if bool((own & (traits.priority < gang.priority + equals)).any()):
            return None
        ask = self._picture.asked(gang)
        asked = ask > 0
        entitled = np.maximum(book.guaranteed[by], book.fair[by])
        over = np.flatnonzero(asked & (book.use[by] + ask > entitled))
        line = book.line(by)
        limited = any(bool((asked & (book.use[row] + ask > book.limit[row])).any()) for row in line)
        if not len(over) or not limited:
            return None
        column = int(over[0])
        needed, most = int(book.use[by, column] + ask[column]), int(entitled[column])
        return Refusal("taking", "NotEntitled", needed, most, book.columns[column][0], gang.queue)

    def _is_gone(self, gang: Gang) -> bool:
        """Whether it has just given way itself: what it waits for is another thing now."""
        roster = self._picture.roster
        mine = [number for number, each in enumerate(roster.gangs) if each.key == gang.key] if gang.held else []
        pods = np.isin(roster.gang, mine)
        return bool(mine) and bool((roster.leaving & roster.claimed)[pods].any()) and bool(roster.leaving[pods].all())

    def _kit_for(self, view: _View) -> _Kit:
        """What is the same for all gangs of one queue and priority, as long as only their room is made."""
        gang, book = view.waiting.gang, view.book
        ask = self._picture.asked(gang)
        taken = self._taken(view.waiting)
        key = (
            gang.queue,
            gang.priority,
            gang.preempts,
            gang.gives_way,
            gang.preemptible,
            tuple((ask if not gang.preemptible else ask > 0).tolist()),
            view.waiting.leaves,
            gang.key if gang.held and any(each.key == gang.key for each in self._picture.roster.gangs) else "",
            gang.arrived_seconds if age_matters(gang, book) else 0.0,
            *((each.tobytes() for each in (*taken, book.use)) if shares_matter(self._policy) else ()),
        )
        if self._kit is not None and self._kit.key == key and view.among is None:
            return self._kit
        roster, policy = self._picture.roster, self._policy
        rights = view.rights or self._rights(view)
        if view.among is not None:
            rights.rank = rank_of_branches(book, book.row(gang.queue), roster, view.among)
        among = rights.lane >= 0 if view.among is None else view.among
        may_move = self._may_move(gang, rights)
        in_play, sound = in_play_of(roster, rights, may_move)
        tiers, weights = costs_of(roster, rights, self._picture.snapshot.resources, book, policy, self._now, among)
        by = book.row(gang.queue) if gang.queue in book.names else -1
        ready = prepared(
            self._picture.snapshot,
            roster,
            book,
            by,
            rights,
            may_move,
            tiers,
            weights,
            not gang.preemptible,
            self._mask_of,
            sound,
            in_play,
            policy.taking.break_guards,
        )
        self._kit = _Kit(
            key,
            rights,
            may_move,
            tiers,
            weights,
            in_play,
            sound,
            ready,
            Clearing(ready.ground),
            classes_of(ready.ground),
        )
        return self._kit

    def _taken(self, waiting: Waiting) -> tuple[Matrix, ...]:
        """What it may take in all: with all of its pods, or with its minima alone. Of single pods each is by itself."""
        if len(waiting.singles) > 1:
            return (self._picture.asked(waiting.gang),)
        whole = [(member, member.count) for member in waiting.gang.members]
        sums = (
            np.sum([self._picture.charge(member) * pods for member, pods in each], axis=0)
            for each in (whole, _least(waiting.gang))
        )
        return tuple(np.asarray(each) for each in sums)

    def _out_of_reach(self, gang: Gang, kit: _Kit) -> Refusal | None:
        """What is missing in sum, where it is more than may be taken in sum."""
        needs = _least(gang)
        mask = np.zeros(len(self._picture.snapshot.nodes), dtype=np.bool_)
        for member, _ in needs:
            mask |= self._mask_of(member.shape)
        for column, resource in enumerate(self._picture.snapshot.resources):
            need = sum(dict(member.shape.requests).get(resource, 0) * pods for member, pods in needs)
            if not need:
                continue
            own = kit.ready.columns.index(column)
            missing = need - int(np.maximum(0, kit.clearing.free[mask & kit.sound, own]).sum())
            if missing > 0 and missing > (offered := reachable(kit.ready.ground, kit.clearing, own)):
                return Refusal("taking", "OutOfReach", missing, offered, resource)
        return None

    # --- without a model ------------------------------------------------------------------------------------------

    def _cleared(self, view: _View, kit: _Kit) -> Outcome | None:
        """Room by moves and by who leaves anyway, else by the cheapest class of victims that can make it; of single
        pods each may have another."""
        waiting = view.waiting
        gang, ready, ground = waiting.gang, kit.ready, kit.ready.ground
        taker = taker_of(
            gang,
            self._picture.snapshot,
            self._picture.book,
            ready.columns,
            ready.sound,
            self._mask_of,
            self._picture.charge,
            bundle=len(waiting.singles) > 1,
        )
        free, there = kit.clearing.free.copy(), kit.clearing.there.copy()
        everybody = np.ones(len(ground.node), dtype=np.bool_)
        left = gang.members[0].count
        parts: list[Cleared] = []
        passes = [(everybody, False)] if ground.movable.any() or not kit.classes else []
        passes += [(allowed, True) for allowed in kit.classes]
        for allowed, evict in passes:
            part = kit.clearing.serve(taker, allowed, evict=evict)
            if part is None:
                continue
            parts.append(part)
            if not taker.bundle:
                break
            left -= sum(pods for _, _, pods in part.places)
            if left <= 0:
                break
            taker = replace(taker, wants=(replace(taker.wants[0], count=left),))
        if not parts:
            return None
        cleared = joined(ground, parts)
        pods = sum(count for _, _, count in cleared.places)
        bound = least_costs(
            ground, free, there, (ground.lane >= 0)[ground.gang], taker, pods, evicts=bool(cleared.evicted)
        )
        costs = tuple(
            TierScore(tier.name, -cost, -least if least == cost or tier.kind != "highest" else None)
            for tier, cost, least in zip(ground.tiers, cleared.cost, bound, strict=True)
        )
        lowest = not cleared.evicted or parts[0] is cleared or len(kit.classes) == 1
        proven = lowest and all(
            score.value == 0
            or (score.bound is not None and score.bound <= score.value)
            or (tier.kind == "highest" and len(kit.classes) == 1)
            or tier.name == NEWEST_FIRST
            for score, tier in zip(costs, ground.tiers, strict=True)
        )
        return Outcome(self._named(gang, cleared.places), self._giveaway(kit, cleared), costs, proven, cleared=True)

    def _named(self, gang: Gang, places: Sequence[tuple[int, int, int]]) -> Places:
        nodes = self._picture.snapshot.nodes.nodes
        found: dict[int, dict[int, int]] = {}
        for member, node, pods in places:
            here = found.setdefault(member, {})
            here[node] = here.get(node, 0) + pods
        return tuple(
            Place(
                gang.members[member].name, tuple(NodeCount(nodes[row].name, pods) for row, pods in sorted(own.items()))
            )
            for member, own in sorted(found.items())
        )

    def _giveaway(self, kit: _Kit, cleared: Cleared) -> Giveaway:
        roster = self._picture.roster
        evicted, moved = np.zeros(len(roster), dtype=np.bool_), np.zeros(len(roster), dtype=np.bool_)
        evicted[kit.ready.pods[cleared.evicted]] = True
        moved[kit.ready.pods[list(cleared.moved)]] = True
        to: dict[int, Places] = {}
        for pod, node in cleared.moved.items():
            row = int(kit.ready.pods[pod])
            gang = int(roster.gang[row])
            member = roster.gangs[gang].members[int(roster.member[row])].name
            to[gang] = with_one_more(to.get(gang, ()), member, self._picture.snapshot.nodes.nodes[node].name)
        return Giveaway(evicted, moved, to)

    # --- with a model ---------------------------------------------------------------------------------------------

    def _modelled(self, view: _View, kit: _Kit, known: Outcome | None, found: Took) -> Part[Outcome | None]:
        """The best that a solver finds; None where it finds nothing better than what is known, or is not asked."""
        gang, roster = view.waiting.gang, self._picture.roster
        seats = int(kit.in_play.sum())
        spread = len(self._picture.snapshot.nodes) if kit.may_move.any() else 1
        if self._solves_left <= 0 or seats * spread > self._policy.limits.model_variables:
            return None
        problem = taking_problem(
            self._picture.snapshot,
            roster,
            self._picture.use_by,
            view.book,
            gang,
            kit.rights,
            kit.may_move,
            self._policy,
            self._mask_of,
            self._picture.charge,
            kit.tiers,
            kit.weights,
            self._picture.holds,
        )
        if problem is None or broken_rules(problem.built.problem, problem.stay):
            return None
        stay = scores(problem.built.problem, problem.stay)
        start = Incumbent(problem.stay, stay)
        if known is not None:
            puts = contract(problem.built, all_places(problem, roster, known.places, known.gives))
            if puts is not None and not broken_rules(problem.built.problem, puts):
                start = Incumbent(puts, scores(problem.built.problem, puts))
        self._solves_left -= 1
        places, end = yield from improved(
            problem.built, start, self._share, self._policy.limits.model_variables, "taking"
        )
        found.solves.append(end)
        if known is None and end.end in ("skipped", "failed"):  # nobody was there to search
            found.changes_seconds = min(found.changes_seconds, SOLVER_RETRY_SECONDS)
        costs = tuple(_in_all(score, own) for score, own in zip(end.scores, stay, strict=True) if _is_cost(score))
        proven = all(score.bound is not None and score.bound <= score.value for score in costs)
        if places is None:
            same = known is not None and start.puts is not problem.stay
            return Outcome(known.places, known.gives, costs, proven, cleared=True) if same and known else None
        if not places[0]:
            return None
        own, gives = places[0], giveaway(problem, roster, places)
        if self._picture.snapshot.devices is not None:
            physical = on_devices(
                self._picture.snapshot, roster, gang, own, gives, kit.may_move, self._policy, self._mask_of
            )
            if physical is None:
                return None
            proven = proven and (physical[1].moved == gives.moved).all()
            own, gives = physical
        return Outcome(own, gives, costs, bool(proven), cleared=False)

    def _may_move(self, gang: Gang, rights: Rights) -> Mask:
        """Who may be put elsewhere for it: also whoever is protected, since nothing of it is lost."""
        if not self._policy.taking.moves or not gang.preempts or gang.gives_way or rights.waits_seconds > 0:
            return np.zeros(len(self._picture.roster.gangs), dtype=np.bool_)
        guards, traits = self._picture.snapshot.guards, self._picture.roster.traits
        found = ~traits.stays
        for number in np.flatnonzero(found & traits.guarded).tolist():
            found[number] = all(
                len(pod.guards) < 2 and all(guards.get(key, 0) > 0 for key in pod.guards)
                for pod in self._picture.roster.gangs[number].pods
            )
        if gang.held:
            found &= np.array([each.key != gang.key for each in self._picture.roster.gangs], dtype=np.bool_)
        return found


def _is_cost(score: TierScore) -> bool:
    return score.tier.startswith(_COSTS)


def _in_all(score: TierScore, stay: TierScore) -> TierScore:
    """A tier of the model, which counts what is kept, as what is lost (negative, larger is better)."""
    bound = None if score.bound is None else min(0, score.bound - stay.value)
    return TierScore(score.tier.removeprefix(_COSTS), score.value - stay.value, bound)


def _least(gang: Gang) -> list[tuple[Member, int]]:
    """Pods per member that must be placed at least; of a bundle one."""
    if len(gang.members) == 1:
        least = max(gang.members[0].minimum, gang.branches[0].minimum, 1)
        return [(gang.members[0], min(least, gang.members[0].count))]
    return [(member, member.minimum) for member in gang.members]
