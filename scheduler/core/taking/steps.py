"""Room made for one who waits, as a step of a plan that later steps may change: whoever was to move may have to leave
for somebody else, or be put elsewhere once more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.core.taking.kit import Way
from scheduler.core.taking.plan import Giveaway, Places, spots_of, with_one_less, with_one_more
from scheduler.core.taking.roster import Indices, Roster
from scheduler.core.taking.waiting import Waiting
from scheduler.model.cluster import Mask
from scheduler.model.plan import Decision, Taken
from scheduler.model.resources import Matrix
from scheduler.solver.giving import Lane, Tier


@dataclass(eq=False)
class Step:
    """``evicted`` and ``moved`` are pods of the roster as it was before the plan [P], ``to`` the new places of each
    moved gang by index. ``made`` are its decisions as they were then; ``after`` are the steps (by number) for whose
    victims it waits, too. ``there`` [G] are the pods of each gang that were there before it, ``weights`` [P x T] what
    each pod costs. A plan has as many steps as gangs take: each keeps no more than that of what it was found with."""

    waiting: Waiting
    places: Places
    lanes: tuple[Lane, ...]
    tiers: tuple[Tier, ...]
    weights: Matrix
    made: list[Decision]
    evicted: Mask
    moved: Mask
    to: dict[int, Places]
    taken: Taken | None
    there: Indices
    after: set[int]

    @property
    def gives(self) -> Giveaway:
        return Giveaway(self.evicted, self.moved, self.to)


class Steps:
    """All steps of a plan. ``changed``: their decisions as they were made are not what they are now."""

    def __init__(self, pods: int) -> None:
        self.all: list[Step] = []
        self.changed = False
        self._pods = pods
        self._owner: dict[int, int] = {}
        """Pods by row -> the step for which they leave their place."""

    def owner(self, row: int) -> int | None:
        return self._owner.get(row)

    def circles(self, roster: Roster, way: Way, decisions: Sequence[Decision]) -> set[int]:
        """The gangs that have moved for an earlier step, and would leave for this one, while this one waits for that
        one's victims: neither could go first, unless the earlier one may take them itself. Nor does anybody move on to
        where somebody leaves."""
        gives = way.outcome.gives
        again = np.flatnonzero((gives.evicted | gives.moved) & roster.is_later).tolist()
        if not again:
            return set()
        behind = self.behind(self._awaited(roster, gives, decisions))
        moved = {int(roster.gang[pod]) for pod in again if gives.moved[pod]}
        onto = {number: {each.node for place in gives.to[number] for each in place.nodes} for number in moved}
        leaving = {roster.node_name(pod) for pod in np.flatnonzero(roster.leaving | gives.evicted).tolist()}
        movers = {
            (int(roster.gang[pod]), mover)
            for pod in again
            if gives.evicted[pod] and (mover := self._owner[int(roster.real[pod])]) in behind
        }
        found = {gang for gang, mover in movers if not self._may_take_for(mover, way.view.waiting)}
        found |= {gang for gang, _ in movers if sum(gang == other for other, _ in movers) > 1}
        return found | {number for number, nodes in onto.items() if nodes & leaving}

    def _may_take_for(self, mover: int, waiting: Waiting) -> bool:
        """Whether whom somebody may take, the taker of an earlier step may take as well."""
        before = self.all[mover].waiting.gang
        return before.queue == waiting.gang.queue and before.priority >= waiting.gang.priority and before.preempts

    def add(self, roster: Roster, way: Way, made: list[Decision], taken: Taken | None) -> None:
        """One more, and what it changes of those before it. ``roster`` is as this step found it."""
        number, gives = len(self.all), way.outcome.gives
        step = Step(
            way.view.waiting,
            way.outcome.places,
            way.kit.rights.lanes,
            way.kit.tiers,
            way.kit.weights,
            made,
            gives.evicted[: self._pods].copy(),
            gives.moved[: self._pods].copy(),
            dict(gives.to),
            taken,
            np.bincount(roster.gang[~roster.leaving], minlength=len(roster.gangs)),
            self._awaited(roster, gives, made),
        )
        behind = self.behind(step.after)
        self.all.append(step)
        for gang in np.unique(roster.gang[gives.evicted & roster.is_later]).tolist():
            own = np.flatnonzero(gives.evicted & (roster.gang == gang))
            for mover in behind & {self._owner.get(int(roster.real[pod]), -1) for pod in own.tolist()}:
                self._leave_for_the_earlier(roster, own, step, mover)
        freely = roster.traits.freely[roster.gang]
        spots = spots_of(roster, np.flatnonzero(gives.moved & freely).tolist(), gives.to)
        for pod in np.flatnonzero(gives.evicted | gives.moved).tolist():
            row = int(roster.real[pod])
            if self._owner.get(row) in behind and gives.evicted[pod]:
                continue
            if row == pod:
                self._owner[row] = number
            elif gives.evicted[pod]:
                self._leaves_instead(roster, pod, step, number)
            else:
                self._moves_on(roster, pod, spots[pod], step)

    def behind(self, steps: Iterable[int]) -> set[int]:
        """These steps, and all that they wait for."""
        found: set[int] = set()
        left = list(steps)
        while left:
            number = left.pop()
            if number not in found:
                found.add(number)
                left += self.all[number].after
        return found

    def in_order(self) -> list[Step]:
        """Each after those that it waits for."""
        found: dict[int, None] = {}
        left = list(reversed(range(len(self.all))))
        while left:
            missing = self.all[left[-1]].after - found.keys()
            if missing:
                left += sorted(missing, reverse=True)
            else:
                found.setdefault(left.pop())
        return [self.all[number] for number in found]

    def as_made(self) -> list[Decision]:
        return [decision for step in self.all for decision in step.made]

    def _awaited(self, roster: Roster, gives: Giveaway, decisions: Sequence[Decision]) -> set[int]:
        """The steps for whose victims these decisions wait beside their own; where somebody leaves who was to move
        there, for all that leave."""
        own = {int(roster.real[pod]) for pod in np.flatnonzero(gives.evicted).tolist()}
        rows = {roster.row_of[pod.uid] for each in decisions for pod in each.victims} - own
        again = (gives.evicted | gives.moved) & roster.is_later
        if again.any():
            there = np.isin(roster.node, roster.node[again])
            rows |= {int(roster.real[pod]) for pod in np.flatnonzero(roster.leaving & there).tolist()}
        return {owner for row in rows if (owner := self._owner.get(row)) is not None}

    def _leaves_instead(self, roster: Roster, pod: int, step: Step, number: int) -> None:
        """Who was to move leaves for this step: the earlier one waits for that."""
        row = int(roster.real[pod])
        before = self._not_to(roster, pod)
        step.evicted[row] = True
        before.moved[row] = False
        before.after.add(number)
        self._owner[row] = number
        self.changed = True

    def _leave_for_the_earlier(self, roster: Roster, pods: Indices, step: Step, mover: int) -> None:
        """A gang of which an earlier step moves some leaves for that one, and this one waits for it."""
        before, key = self.all[mover], roster.gangs[int(roster.gang[pods[0]])].key
        for pod in pods.tolist():
            row = int(roster.real[pod])
            if row != pod:
                self._not_to(roster, pod)
                before.moved[row] = False
            else:
                step.evicted[row] = False
            before.evicted[row] = True
            self._owner[row] = mover
        if before.taken is not None and step.taken is not None:
            lost = tuple(loss for loss in step.taken.losses if loss.gang == key)
            before.taken = Taken((*before.taken.losses, *lost), before.taken.costs, proven=False)
        step.after.add(mover)
        self.changed = True

    def _moves_on(self, roster: Roster, pod: int, node: str, step: Step) -> None:
        """Who was to move moves elsewhere, still for the earlier step: to where the picture has it from now on."""
        gang, member = int(roster.gang[pod]), roster.member_name(pod)
        step.to[gang] = with_one_less(step.to[gang], member, node)
        if not step.to[gang]:
            del step.to[gang]
        before = self._not_to(roster, pod)
        before.to[gang] = with_one_more(before.to.get(gang, ()), member, node)
        self.changed = True

    def _not_to(self, roster: Roster, pod: int) -> Step:
        """The step that moves a pod, without the place that it was to have."""
        gang = int(roster.gang[pod])
        before = self.all[self._owner[int(roster.real[pod])]]
        before.to[gang] = with_one_less(before.to[gang], roster.member_name(pod), roster.node_name(pod))
        if not before.to[gang]:
            del before.to[gang]
        return before
