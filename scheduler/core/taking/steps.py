"""Room made for one who waits, as a step of a plan that later steps may change: whoever was to move may have to leave
for somebody else, or be put elsewhere once more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.core.taking.kit import Way
from scheduler.core.taking.plan import Giveaway, Places, with_one_less, with_one_more
from scheduler.core.taking.roster import Indices, Roster
from scheduler.core.taking.waiting import Waiting
from scheduler.model.cluster import Mask
from scheduler.model.plan import Decision, Taken


@dataclass(eq=False)
class Step:
    """``evicted`` and ``moved`` are pods of the roster as it was before the plan [P], ``to`` the new places of each
    moved gang by index. ``made`` are its decisions as they were then; ``after`` are the steps (by number) for whose
    victims it waits, too. ``there`` [G] are the pods of each gang that were there before it."""

    way: Way
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

    @property
    def waiting(self) -> Waiting:
        return self.way.view.waiting

    @property
    def places(self) -> Places:
        return self.way.outcome.places


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
        one's victims: neither could go first."""
        gives = way.outcome.gives
        behind = self.behind(self._awaited(roster, gives, decisions))
        again = np.flatnonzero((gives.evicted | gives.moved) & roster.is_later)
        return {int(roster.gang[pod]) for pod in again.tolist() if self._owner[int(roster.real[pod])] in behind}

    def add(self, roster: Roster, way: Way, made: list[Decision], taken: Taken | None) -> None:
        """One more, and what it changes of those before it. ``roster`` is as this step found it."""
        number, gives = len(self.all), way.outcome.gives
        step = Step(
            way,
            made,
            gives.evicted[: self._pods].copy(),
            gives.moved[: self._pods].copy(),
            dict(gives.to),
            taken,
            np.bincount(roster.gang[~roster.leaving], minlength=len(roster.gangs)),
            self._awaited(roster, gives, made),
        )
        self.all.append(step)
        for pod in np.flatnonzero(gives.evicted | gives.moved).tolist():
            row = int(roster.real[pod])
            if row == pod:
                self._owner[row] = number
            elif gives.evicted[pod]:
                self._leaves_instead(roster, pod, step, number)
            else:
                self._moves_on(roster, pod, step)

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
        found: list[int] = []
        for number in range(len(self.all)):
            for each in sorted(self.behind([number]), key=lambda at: (len(self.behind([at])), at)):
                if each not in found:
                    found.append(each)
        return [self.all[number] for number in found]

    def as_made(self) -> list[Decision]:
        return [decision for step in self.all for decision in step.made]

    def _awaited(self, roster: Roster, gives: Giveaway, decisions: Sequence[Decision]) -> set[int]:
        """The steps for whose victims these decisions wait beside their own."""
        own = {int(roster.real[pod]) for pod in np.flatnonzero(gives.evicted).tolist()}
        rows = {roster.row_of[pod.uid] for each in decisions for pod in each.victims} - own
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

    def _moves_on(self, roster: Roster, pod: int, step: Step) -> None:
        """Who was to move moves elsewhere, still for the earlier step: to one of the nodes that this one found for pods
        like it, which are all the same to them."""
        gang, member = int(roster.gang[pod]), roster.member_name(pod)
        node = next(each.node for place in step.to[gang] if place.member == member for each in place.nodes)
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
