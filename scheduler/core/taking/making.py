"""Making room for one who waits: which way, in which flavor, under which rights, at what cost; or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from math import inf

import msgspec
import numpy as np

from scheduler.core.drive import Part
from scheduler.core.queues.entitled import Entitled
from scheduler.core.taking.cleared import cleared, out_of_reach
from scheduler.core.taking.costs import NEWEST_FIRST, costs_of
from scheduler.core.taking.flavors import in_each_flavor, quotas_name_flavors, where_they_stand
from scheduler.core.taking.ground import is_plain, prepared
from scheduler.core.taking.kit import Kit, View, Way, least_of
from scheduler.core.taking.modelled import modelled
from scheduler.core.taking.outcome import Outcome, decisions, facts, one_each
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.problem import in_play_of
from scheduler.core.taking.reasons import may_not_yet, short_budgets, why_not
from scheduler.core.taking.rights import Rights, age_matters, rank_of_branches, rights_of, shares_matter
from scheduler.core.taking.roster import Roster, Rosters
from scheduler.core.taking.settling import replayed, spare_needless
from scheduler.core.taking.steps import Steps
from scheduler.core.taking.waiting import Waiting, rest_of
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.plan import Decision, Refusal
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.resources import Matrix, vector
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, GangKey
from scheduler.solver.clearing.clearing import Clearing
from scheduler.solver.clearing.ground import classes_of

SharesIf = Callable[[Sequence[Gang]], Matrix]
"""[queues x columns] the fair shares if these gangs asked for what they do here, in the flavor that they are in."""

SOLVER_RETRY_SECONDS = 2.0

_LARGE, _SMALL = 1 / 8, 1 / 32
"""The part of the budget that one search for a cheaper set of victims may take; what is small ends soon."""

_SMALL_SEATS = 1_000
"""Places of pods that may go, by nodes that they may go to: as much is a small search."""


class RoomMaker:
    """Makes room for one after the other of those who wait, each as the picture is then."""

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
        self._fresh = partial(Picture, snapshot, entitled.book, rosters)
        self._picture = self._fresh()
        self._policy = policy
        self._now = now_seconds
        self._mask_of = mask_of
        self._shares_if = shares_if
        self._kit: Kit | None = None
        self._budget = budget
        self._budget_left = 1.0
        self._stay: set[int] = set()
        """Gangs by index that move, and make room for nobody else any more."""
        self.steps = Steps(len(self._picture.roster))
        self.refusals: dict[GangKey, tuple[Refusal, ...]] = {}
        self.changes_seconds = inf
        """Until time alone may change the answer."""

    @property
    def roster(self) -> Roster:
        return self._picture.roster

    def take(self, waiting: Waiting) -> Part[Waiting | None]:
        """One more step, where room can be made for it; of single pods as many as it can be made for. What is left
        without."""
        rest: Waiting | None = waiting
        while rest is not None and not self._is_gone(rest.gang):
            views = self._views(rest)
            ways: list[Way] = []
            for view in views:
                way = yield from self._sought(view)
                ways += [way] if way is not None else []
            if not ways:
                why = tuple(dict.fromkeys(fact for view in views for fact in view.facts))
                if why:
                    self.refusals.update(dict.fromkeys([each.key for each in rest.singles or (rest.gang,)], why))
                return rest
            best = ways[0] if len(ways) == 1 else min(ways, key=self._rank)
            if self._leaves_it_to_others(best) or not self._note(best):
                continue
            left = rest_of(rest, best.pods) if rest.singles else None
            if len(views) == 1:
                return left
            rest = left
        return rest

    def _leaves_it_to_others(self, way: Way) -> bool:
        """Whether it would stand in what others left over, beyond what its queue is entitled to, and somebody stays
        there instead who was to go, and whose queue is: he would take it back."""
        gives, book = way.outcome.gives, self._picture.book
        if self._picture.holds.binds:  # others may count on it that he goes
            return False
        if gives.evicted.any() or gives.to or not self._is_above(way, np.maximum(way.view.book.fair, book.guaranteed)):
            return False
        if not spare_needless(self.steps, self._picture, np.maximum(book.fair, book.guaranteed), targets=None):
            return False
        self._kit = None
        return True

    def _note(self, way: Way) -> bool:
        """The picture as this way leaves it; False where it would wait for somebody who waits for it, and is to be
        looked for again."""
        waiting, outcome, picture = way.view.waiting, way.outcome, self._picture
        taken = facts(picture, waiting.gang, outcome, way.kit.rights)
        made = decisions(picture, waiting, outcome.places, outcome.gives, taken)
        circles = self.steps.circles(picture.roster, way, made)
        if circles:
            self._stay |= circles
            self._kit = None
            return False
        self.steps.add(picture.roster, way, made, taken)
        picture.note(waiting.gang, outcome.places, outcome.gives)
        way.kit.budgets = None
        way.kit.rights.whole[picture.roster.moved] = False
        way.kit.stale = way.kit.stale or bool(outcome.gives.to)
        if way.view.among is not None or not outcome.cleared:
            self._kit = None
        return True

    def settled(self) -> list[Decision]:
        """The decisions of all steps, as the last one leaves them."""
        if not self._picture.holds.binds:
            spare_needless(self.steps, self._picture, self._picture.book.limit, self._targets)
        return one_each(replayed(self.steps, self._fresh()) if self.steps.changed else self.steps.as_made())

    def room_left_over(self) -> Callable[[Waiting], bool]:
        """Says of those who wait whether a pod of theirs fits into what leaving pods leave over by now."""
        snapshot, roster = self._picture.snapshot, self.roster
        spare = roster.eventual

        @cache
        def fits(shape: Shape) -> bool:
            request = vector(shape.requests, snapshot.resources)
            return bool(((spare >= request) | (request == 0)).all(axis=1)[self._mask_of(shape)].any())

        return lambda waiting: any(fits(member.shape) for member in waiting.gang.members)

    def _targets(self, gang: int) -> Mask:
        """[N] where the pods of a running gang may be put one by one."""
        traits = self.roster.traits
        if not self._policy.taking.moves or traits.stays[gang] or not traits.freely[gang]:
            return np.zeros(len(self._picture.snapshot.nodes), dtype=np.bool_)
        return self._mask_of(self.roster.gangs[gang].members[0].shape)

    def _views(self, waiting: Waiting) -> list[View]:
        """The same work in each flavor that it could be in, with the ledger that it is entitled by there."""
        gangs: tuple[Gang, ...] = (waiting.gang,)
        if self._flavored:
            gangs = in_each_flavor(waiting.gang, self._picture.snapshot.nodes, self._mask_of)
        views = [View(replace(waiting, gang=gang), self._picture.book, number) for number, gang in enumerate(gangs)]
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

    def _rights(self, view: View) -> Rights:
        gang, picture = view.waiting.gang, self._picture
        ask, guards, taken = picture.asked(gang), picture.snapshot.guards, self._taken(view.waiting)
        leaves = view.waiting.leaves
        found = rights_of(gang, ask, view.book, picture.roster, guards, self._policy, self._now, taken, leaves)
        found.lane[list(self._stay)] = -1
        return found

    def _sought(self, view: View) -> Part[Way | None]:
        """A way to make room, if there is one; else ``facts`` of the view say why not."""
        gang = view.waiting.gang
        barred = self._barred(view)
        if barred is not None:
            view.facts = (barred,)
            return None
        kit = self._kit_for(view)
        self.changes_seconds = min(self.changes_seconds, kit.rights.changes_seconds)
        if not kit.in_play.any() and not self._picture.roster.leaving.any():
            own = may_not_yet(gang, kit.rights) if self._picture.roster.gangs else ()
            view.facts = own or self._short_budgets(kit)
            return None
        if kit.stale:
            way = self._by_moves(view, kit)
            if way is not None:
                return way
            self._kit = None
            return (yield from self._sought(view))
        outcome: Outcome | None = None
        missing: Refusal | None = None
        if is_plain(self._picture.snapshot, gang):
            missing = out_of_reach(self._picture, gang, kit, self._mask_of)
            outcome = None if missing else cleared(self._picture, view, kit, self._mask_of)
            if outcome is not None and self._picture.too_much(view.book, gang, outcome.places, outcome.gives.evicted):
                outcome, self._kit = None, None
        if missing is None and (outcome is None or not outcome.proven) and self._budget_left > 0:
            outcome = (yield from self._modelled(view, kit, outcome)) or outcome
        if outcome is not None:
            return Way(view, kit, outcome)
        if missing is not None:
            view.facts = (missing,)
        else:
            ask, guards = self._picture.asked(gang), self._picture.snapshot.guards
            view.facts = why_not(gang, ask, kit.rights, kit.may_move, view.book, self._picture.roster, guards)
        view.facts += self._short_budgets(kit)
        return None

    def _by_moves(self, view: View, kit: Kit) -> Way | None:
        """Room that costs no eviction, which is not to be had cheaper by those whom others had moved."""
        gang = view.waiting.gang
        if not is_plain(self._picture.snapshot, gang) or out_of_reach(self._picture, gang, kit, self._mask_of):
            return None
        outcome = cleared(self._picture, view, kit, self._mask_of)
        if outcome is None or outcome.gives.evicted.any() or not outcome.proven:
            return None
        breaks = self._picture.too_much(view.book, gang, outcome.places, outcome.gives.evicted)
        return None if breaks else Way(view, kit, outcome)

    def _modelled(self, view: View, kit: Kit, known: Outcome | None) -> Part[Outcome | None]:
        """What a solver finds, if one is asked and finds anything better than what is known."""
        spread = len(self._picture.snapshot.nodes) if kit.may_move.any() else 1
        part = _SMALL if int(kit.in_play.sum()) * spread <= _SMALL_SEATS else _LARGE
        share = msgspec.structs.replace(self._budget, wall_seconds=self._budget.wall_seconds * part)
        outcome, end = yield from modelled(self._picture, view, kit, known, self._policy, share, self._mask_of)
        if end is not None:
            self._budget_left -= part
            if known is None and end.end in ("skipped", "failed"):  # nobody was there to search
                self.changes_seconds = min(self.changes_seconds, SOLVER_RETRY_SECONDS)
        return outcome

    def _short_budgets(self, kit: Kit) -> tuple[Refusal, ...]:
        if self._policy.taking.break_guards:
            return ()
        if kit.budgets is None:
            kit.budgets = short_budgets(kit.rights, self._picture.roster, self._picture.snapshot.guards)
        return kit.budgets

    def _rank(self, way: Way) -> tuple[int, ...]:
        """Of two flavors the better one is smaller: the one that places more, then as the policy's list says."""
        costs = {score.tier: -score.value for score in way.outcome.costs}
        by: dict[str, tuple[int, ...]] = {
            "preference": (way.view.number,),
            "evictions": (int(way.outcome.gives.evicted.any()),),
            "borrowing": (int(self._is_above(way, way.view.book.guaranteed)),),
            "costs": tuple(costs.get(tier.name, 0) for tier in way.kit.tiers if tier.name != NEWEST_FIRST),
        }
        order = (*self._policy.taking.flavor_order, "preference")
        return (-way.pods, *(number for name in order for number in by[name]))

    def _is_above(self, way: Way, most: Matrix) -> bool:
        """Whether its queue uses more than that [queues x columns] then, of anything that it asks for."""
        gang, book, roster = way.view.waiting.gang, way.view.book, self._picture.roster
        if gang.queue not in book.names:
            return False
        row = book.row(gang.queue)
        charges = {member.name: self._picture.charge(member) for member in gang.members}
        pods = {place.member: sum(each.count for each in place.nodes) for place in way.outcome.places}
        after = book.use[row] + sum(charges[member] * count for member, count in pods.items())
        after = after - roster.charge[way.outcome.gives.evicted & (roster.queue[roster.gang] == row)].sum(axis=0)
        return bool(((after > most[row]) & (self._picture.asked(gang) > 0)).any())

    def _barred(self, view: View) -> Refusal | None:
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

    def _kit_for(self, view: View) -> Kit:
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
        self._kit = Kit(
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
            for each in (whole, least_of(waiting.gang))
        )
        return tuple(np.asarray(each) for each in sums)

    def _may_move(self, gang: Gang, rights: Rights) -> Mask:
        """Who may be put elsewhere for it: also whoever is protected, since nothing of it is lost."""
        if not self._policy.taking.moves or not gang.preempts or gang.gives_way or rights.waits_seconds > 0:
            return np.zeros(len(self._picture.roster.gangs), dtype=np.bool_)
        guards, traits = self._picture.snapshot.guards, self._picture.roster.traits
        found = ~traits.stays
        found[list(self._stay)] = False
        for number in np.flatnonzero(found & traits.guarded).tolist():
            found[number] = all(
                len(pod.guards) < 2 and all(guards.get(key, 0) > 0 for key in pod.guards)
                for pod in self._picture.roster.gangs[number].pods
            )
        if gang.held:
            found &= np.array([each.key != gang.key for each in self._picture.roster.gangs], dtype=np.bool_)
        return found
