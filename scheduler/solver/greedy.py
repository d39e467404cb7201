"""The plan that is there in milliseconds: gangs in rank order, all minima first, then the surplus one pod at a time.

It looks at each gang once and never takes anything back; CP-SAT starts from its answer, and when there is no time for
CP-SAT its answer is the plan. Its placements always expand to nodes, because it counts nodes, not classes.
"""

from __future__ import annotations

import heapq

from scheduler.solver.attempt import Attempt, GangPlacer
from scheduler.solver.check import scores
from scheduler.solver.node_scores import node_score
from scheduler.solver.problem import GangAsk, Incumbent, Problem, Put
from scheduler.solver.rooms import Rooms
from scheduler.solver.stock import Stock

Spots = dict[tuple[int, int, int], dict[int, int]]
"""(gang, member, class) -> node index inside the class -> pods."""


def place(problem: Problem) -> Incumbent:
    """The greedy incumbent of a problem, with the scores of its goals."""
    greedy = _Greedy(problem)
    for gang in range(len(problem.gangs)):
        greedy.place_minima(gang)
    greedy.place_surplus()
    puts = greedy.puts()
    return Incumbent(puts=puts, scores=scores(problem, puts))


class _Greedy:
    """The stock and the queues' room as they shrink, and what was placed so far."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._stock = Stock.of(problem)
        self._rooms = Rooms(problem)
        self._placer = GangPlacer(problem, node_score(problem))
        self._spots: Spots = {}
        self._placed: dict[int, Attempt] = {}

    def place_minima(self, index: int) -> None:
        """A gang at its minima or not at all; of a bundle as many pods as fit."""
        gang = self._problem.gangs[index]
        attempt = Attempt(self._stock)
        if gang.bundle:
            member = gang.members[0]
            attempt.present.add(0)
            self._placer.settle(attempt, gang, 0)
            self._placer.add(attempt, gang, 0, min(member.count, self._rooms.most(gang.queue, member.request)))
        elif not self._placer.minima(attempt, gang, lambda part: self._rooms.holds(gang.queue, _total(gang, part))):
            return
        self._placed[index] = attempt
        self._record(index, gang, attempt)

    def place_surplus(self) -> None:
        """One pod at a time to the gang with the fewest surplus pods, then by rank."""
        queue = [
            (0, index)
            for index in self._placed
            if not self._problem.gangs[index].bundle and not _whole(self._problem.gangs[index], self._placed[index])
        ]
        heapq.heapify(queue)
        surplus = {index: Surplus(self._problem.gangs[index], self._placed[index]) for _, index in queue}
        while queue:
            pods, index = heapq.heappop(queue)
            behind = queue[0][0] - pods + (index < queue[0][1]) if queue else self._problem.gangs[index].pods
            added = self._grow(index, surplus[index], max(1, behind))
            if added:
                heapq.heappush(queue, (pods + added, index))

    def _grow(self, index: int, surplus: Surplus, most: int) -> int:
        """Up to ``most`` more pods of one member, or one more branch; answers how many pods were placed."""
        gang, attempt = self._problem.gangs[index], self._placed[index]
        for member in surplus.order():
            room = self._rooms.most(gang.queue, gang.members[member].request)
            self._placer.settle(attempt, gang, member)
            added = self._placer.add(attempt, gang, member, min(1 if surplus.shared else most, room))
            if added:
                surplus.note(member, added)
                self._record(index, gang, attempt)
                return added
            surplus.close(member)
        if self._placer.enter(attempt, gang, lambda part: self._rooms.holds(gang.queue, _total(gang, part))):
            added = sum(step.nodes * step.each for step in attempt.steps)
            surplus.reopen()
            self._record(index, gang, attempt)
            return added
        return 0

    def _record(self, index: int, gang: GangAsk, attempt: Attempt) -> None:
        """Charges the queue for the steps since the last time, and notes their nodes."""
        for step in attempt.steps:
            self._rooms.charge(gang.queue, gang.members[step.member].request, step.nodes * step.each)
            spots = self._spots.setdefault((index, step.member, step.key[0]), {})
            for node in step.spots:
                spots[node] = spots.get(node, 0) + step.each
        attempt.steps = []

    def puts(self) -> tuple[Put, ...]:
        return tuple(
            Put(gang, member, node_class, sum(spots.values()), tuple(sorted(spots.items())))
            for (gang, member, node_class), spots in sorted(self._spots.items())
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


def _whole(gang: GangAsk, attempt: Attempt) -> bool:
    return all(attempt.taken.get(index, 0) == member.count for index, member in enumerate(gang.members))


def _total(gang: GangAsk, attempt: Attempt) -> list[int]:
    """What the steps of an attempt take together, per resource."""
    total = [0] * len(gang.members[0].request)
    for step in attempt.steps:
        for resource, amount in enumerate(gang.members[step.member].request):
            total[resource] += amount * step.nodes * step.each
    return total
