"""The plan that is there in milliseconds: gangs in rank order, all minima first, then the surplus one pod at a time.

It looks at each gang once and never takes anything back; CP-SAT starts from its answer, and when there is no time for
CP-SAT its answer is the plan. Its placements always expand to nodes, because it counts nodes, not classes.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Sequence

import numpy as np

from scheduler.solver.check import scores
from scheduler.solver.devices.devices import Held
from scheduler.solver.greedy.assign import Assigned, ClassNodes, assign_puts, by_class
from scheduler.solver.greedy.attempt import Attempt, Step
from scheduler.solver.greedy.exclusive import ExclusiveDomains
from scheduler.solver.greedy.group_keys import GroupKey
from scheduler.solver.greedy.node_scores import node_score
from scheduler.solver.greedy.placers import Placers
from scheduler.solver.greedy.rooms import Rooms
from scheduler.solver.greedy.stock import Stock
from scheduler.solver.greedy.tally import Tally
from scheduler.solver.problem import GangAsk, Incumbent, Problem, Put
from scheduler.solver.tree import minima_below

Spots = dict[tuple[int, int, int], dict[int, int]]
"""(gang, member, class) -> node index inside the class -> pods."""

HeldSpots = dict[tuple[int, int, int], dict[tuple[int, Held], int]]
"""(gang, member, class) -> (node index inside the class, devices of each pod) -> pods."""


def place(problem: Problem) -> Incumbent:
    """The greedy incumbent of a problem, with the scores of its goals."""
    return place_in_order(problem, range(len(problem.gangs)))


def place_in_order(problem: Problem, order: Iterable[int]) -> Incumbent:
    """As `place`, with the minima in another order than by rank."""
    greedy = _Greedy(problem)
    for gang in order:
        greedy.place_minima(gang)
    greedy.place_surplus(range(len(problem.gangs)))
    puts = greedy.puts()
    return Incumbent(puts=puts, scores=scores(problem, puts))


def complete(problem: Problem, puts: Sequence[Put], gangs: Iterable[int]) -> Incumbent | None:
    """A placement made elsewhere, with what still fits beside it of the given gangs; None when its counts do not
    expand.

    A solver that runs out of time has looked at the first goals only: what it left lying is picked up here.
    """
    greedy = _Greedy(problem)
    if not greedy.adopt(puts):
        return None
    growing = set(gangs)
    begun = {put.gang for put in puts}
    for gang in sorted(growing):
        if gang not in begun or problem.gangs[gang].bundle:
            greedy.place_minima(gang)
    greedy.place_surplus(growing)
    completed = greedy.puts()
    return Incumbent(puts=completed, scores=scores(problem, completed))


class _Greedy:
    """The stock and the queues' room as they shrink, and what was placed so far."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._stock = Stock.of(problem)
        self._rooms = Rooms(problem)
        self._tally = Tally(problem) if problem.active or problem.preferred else None
        self._placers = Placers(problem, node_score(problem))
        self._exclusive = ExclusiveDomains(problem)
        self._spots: Spots = {}
        self._held: HeldSpots = {}
        self._placed: dict[int, Attempt] = {}
        self._front: dict[int, list[int]] = {}
        for gang, front in problem.order if "queue-order" in problem.rules else ():
            self._front.setdefault(gang, []).append(front)

    def place_minima(self, index: int) -> None:
        """A gang at its minima or not at all; of a bundle as many pods as fit."""
        gang = self._problem.gangs[index]
        if not self._may_begin(index, gang):
            return
        attempt = self._placed.get(index) or self._attempt(index)
        attempt.open = self._exclusive.open(index)
        if gang.bundle:
            attempt.present.add(0)
            self._placers.add(attempt, gang, 0, gang.members[0].count, self._rooms)
        elif not self._placers.minima(attempt, gang, self._rooms):
            return
        if index not in self._placed:
            self._rooms.begin(gang)
        self._placed[index] = attempt
        self._record(index, gang, attempt)

    def _may_begin(self, index: int, gang: GangAsk) -> bool:
        """Whether there is a node at all, those in front of it are there, and its queue may hold one more gang."""
        if not self._problem.class_count:
            return False
        for front in self._front.get(index, ()):
            placed = self._placed.get(front)
            ask = self._problem.gangs[front]
            if placed is None or sum(placed.taken.values()) < (ask.pods if ask.bundle else 1):
                return False
        return self._rooms.may_begin(gang)

    def _attempt(self, index: int) -> Attempt:
        return Attempt(self._stock, tally=None if self._tally is None else self._tally.of_gang(index))

    def adopt(self, puts: Sequence[Put]) -> bool:
        """Takes over a placement that obeys the rules; False when its counts do not fit onto the nodes of a class."""
        problem = self._problem
        for node_class, here in by_class(puts):
            free = np.repeat(problem.class_free[node_class][None, :], int(problem.class_nodes[node_class]), axis=0)
            assigned = assign_puts(problem, node_class, ClassNodes(problem, node_class, free), here)
            if assigned is None:
                return False
            keys = [self._stock.key(node_class)] * len(free)  # a new stock holds class after class
            for each in assigned:
                keys[each.node] = self._adopt_spot(here[each.ask], each, keys[each.node])
        for index in sorted({put.gang for put in puts}):
            self._rooms.begin(self._problem.gangs[index])
            self._placers.resume(self._placed[index], self._problem.gangs[index])
            self._record(index, self._problem.gangs[index], self._placed[index])
        return True

    def _adopt_spot(self, put: Put, spot: Assigned, key: GroupKey) -> GroupKey:
        """Pods onto one node of the group with that key, whichever it is: answers with its key then."""
        attempt = self._placed.setdefault(put.gang, self._attempt(put.gang))
        step = Step(put.member, key, 1, spot.pods, held=spot.held)
        key = attempt.pour(step, self._problem.gangs[put.gang].members[put.member])
        attempt.taken[put.member] = attempt.taken.get(put.member, 0) + spot.pods
        return key

    def place_surplus(self, among: Container[int]) -> None:
        """One pod at a time to the gang with the fewest surplus pods, then by rank."""
        growing = sorted(
            index
            for index, attempt in self._placed.items()
            if index in among and _may_grow(self._problem.gangs[index], attempt)
        )
        sliced = any(branch.slices for index in growing for branch in self._problem.gangs[index].branches)
        simple = not sliced and not self._exclusive.asked
        if simple and not any(_surplus_pods(self._problem.gangs[index], self._placed[index]) for index in growing):
            self._grow_in_rounds(growing)
        queue = [(_surplus_pods(self._problem.gangs[index], self._placed[index]), index) for index in growing]
        heapq.heapify(queue)
        surplus = {index: Surplus(self._problem.gangs[index], self._placed[index]) for index in growing}
        while queue:
            pods, index = heapq.heappop(queue)
            behind = queue[0][0] - pods + (index < queue[0][1]) if queue else self._problem.gangs[index].pods
            added = self._grow(index, surplus[index], max(1, behind))
            if added:
                heapq.heappush(queue, (pods + added, index))

    def _grow_in_rounds(self, growing: list[int]) -> None:
        """While everybody can have as many more pods as everybody else, they need not be handed out one at a time.

        Not so where pods look at one another: there each one counts for the next.
        """
        growing = [index for index in growing if self._placed[index].tally is None]
        pods = max((self._problem.gangs[index].pods for index in growing), default=0)
        while pods > 1:
            growing = [index for index in growing if _growth(self._problem.gangs[index], self._placed[index], pods)]
            if not growing:
                return
            if not self._round(growing, pods):
                pods //= 2

    def _round(self, growing: list[int], pods: int) -> bool:
        """Up to ``pods`` more for each of these gangs, or for none of them."""
        stock = self._stock.only(np.flatnonzero(self._stock.size[: self._stock.used] > 0))
        rooms = self._rooms.copy()
        parts = {}
        for index in growing:
            gang, part = self._problem.gangs[index], self._placed[index].on(stock)
            for member, more in _growth(gang, part, pods).items():
                known = len(part.steps)
                if self._placers.add(part, gang, member, more, rooms) < more:
                    return False
                for step in part.steps[known:]:
                    rooms.charge(gang, gang.members[member], step.key[0], step.nodes * step.each)
            parts[index] = part
        for index, part in parts.items():
            self._placed[index].keep(part, self._problem.gangs[index])
            self._record(index, self._problem.gangs[index], self._placed[index])
        return True

    def _grow(self, index: int, surplus: Surplus, most: int) -> int:
        """Up to ``most`` more pods of one member, or one more branch; answers how many pods were placed."""
        gang, attempt = self._problem.gangs[index], self._placed[index]
        attempt.open = self._exclusive.open(index)
        for member in surplus.order():
            step = self._placers.step(gang, member)
            wanted = max(step, 1 if surplus.shared else most)
            added = self._placers.add(attempt, gang, member, wanted, self._rooms)
            if added:
                surplus.note(member, added)
                self._record(index, gang, attempt)
                return added
            surplus.close(member)
        if self._placers.enter(attempt, gang, self._rooms):
            added = sum(step.nodes * step.each for step in attempt.steps)
            surplus.reopen()
            self._record(index, gang, attempt)
            return added
        return 0

    def _record(self, index: int, gang: GangAsk, attempt: Attempt) -> None:
        """Charges the queue for the steps since the last time, and notes their nodes."""
        for step in attempt.steps:
            self._rooms.charge(gang, gang.members[step.member], step.key[0], step.nodes * step.each)
            self._exclusive.note(index, step.member, step.key[0])
            spots = self._spots.setdefault((index, step.member, step.key[0]), {})
            for node in step.spots:
                spots[node] = spots.get(node, 0) + step.each
            for held in step.held:
                here = self._held.setdefault((index, step.member, step.key[0]), {})
                for node in step.spots:
                    here[node, held] = here.get((node, held), 0) + 1
        attempt.steps = []

    def puts(self) -> tuple[Put, ...]:
        return tuple(
            Put(
                *where,
                sum(spots.values()),
                tuple(sorted(spots.items())),
                tuple((node, held, pods) for (node, held), pods in sorted(self._held.get(where, {}).items())),
            )
            for where, spots in sorted(self._spots.items())
        )


class Surplus:
    """Whose turn it is inside one elastic gang: the member with the fewest surplus pods that can still grow."""

    def __init__(self, gang: GangAsk, attempt: Attempt) -> None:
        self._gang = gang
        self._attempt = attempt
        self._pods = dict.fromkeys(range(len(gang.members)), 0)
        self._closed: set[int] = set()

    @property
    def shared(self) -> bool:
        """Whether several members may grow, so that they take turns."""
        return len(self.order()) > 1

    def order(self) -> list[int]:
        can_grow = [
            index
            for index, member in enumerate(self._gang.members)
            if index not in self._closed
            and member.branch in self._attempt.present
            and self._attempt.taken.get(index, 0) < member.count
        ]
        return sorted(can_grow, key=lambda index: (self._pods[index], index))

    def note(self, member: int, added: int) -> None:
        self._pods[member] += added

    def close(self, member: int) -> None:
        """Nothing ever comes back while greedy runs, so what did not fit once never will."""
        self._closed.add(member)

    def reopen(self) -> None:
        """A branch that came in later has chosen its domains: its members may grow after all."""
        self._closed.clear()


def _may_grow(gang: GangAsk, attempt: Attempt) -> bool:
    """Bundles have no surplus: each of their pods was tried with the minima."""
    return not gang.bundle and sum(attempt.taken.values()) < gang.pods


def _surplus_pods(gang: GangAsk, attempt: Attempt) -> int:
    least = max(gang.branches[0].minimum, sum(minima_below(gang, 0).values()))
    return max(0, sum(attempt.taken.values()) - least)


def _growth(gang: GangAsk, attempt: Attempt, pods: int) -> dict[int, int]:
    """How the members of a gang that may still grow share ``pods`` more pods: evenly, the first ones first."""
    left = {
        index: member.count - attempt.taken.get(index, 0)
        for index, member in enumerate(gang.members)
        if member.branch in attempt.present and attempt.taken.get(index, 0) < member.count
    }
    shares = dict.fromkeys(left, 0)
    while pods > 0 and (growing := [index for index in left if shares[index] < left[index]]):
        even = max(1, pods // len(growing))
        for index in growing:
            more = min(even, left[index] - shares[index], pods)
            shares[index] += more
            pods -= more
    return {index: share for index, share in shares.items() if share > 0}
