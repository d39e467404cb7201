"""The CP-SAT model of a problem: counts per (member, class), presence flags, and whatever its terms post."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from scheduler.solver.candidates import Uppers
from scheduler.solver.devices.devices import openings
from scheduler.solver.facade import Cp
from scheduler.solver.posting import Part, Terms, Variable
from scheduler.solver.problem import Incumbent, Problem, Put
from scheduler.solver.terms.table import GOALS, RULES
from scheduler.solver.tree import needs_nothing


class PlacementModel:
    """Implements `scheduler.solver.posting.Posting` over a CP-SAT model.

    ``uppers`` bound the counts (`scheduler.solver.candidates`). Gangs that are not ``free`` keep the counts of the
    start. ``by_device`` are classes of one node whose devices are counted one by one.
    """

    def __init__(
        self,
        problem: Problem,
        uppers: list[list[Uppers]],
        free: set[int],
        start: Incumbent,
        by_device: Collection[int] = (),
    ) -> None:
        self._problem = problem
        self.cp = Cp()
        self._counts = _counts(self.cp, uppers, free, start)
        self._parts = {
            (gang, member, node_class): self._openings(gang, member, node_class, count)
            for gang, members in enumerate(self._counts if by_device else ())
            for member, counts in enumerate(members)
            for node_class, count in counts
            if node_class in by_device
        }
        self._present = [[self.cp.variable(1) for _ in gang.branches] for gang in problem.gangs]
        self._used: list[tuple[Variable, tuple[Variable, ...]]] = []
        self._whole: list[tuple[Variable, tuple[Variable, ...], int, int]] = []
        self._largest: list[tuple[Variable, list[tuple[Variable, ...]]]] = []
        self._numbers: list[tuple[Variable, Callable[[Callable[[Variable], int]], int]]] = []
        self.goals: list[tuple[str, Terms]] = []
        """What the posted goals minimise, by tier."""

    def post(self) -> Iterator[str]:
        """Posts rule after rule and goal after goal, naming each when it stands: a large model takes its time."""
        for name in self._problem.rules:
            RULES[name].post(self)
            yield name
        for name in self._problem.goals:
            self.goals += [(tier, _joined(terms)) for tier, terms in GOALS[name].post(self)]
            yield name

    # --- what terms use -------------------------------------------------------------------------------------------

    @property
    def problem(self) -> Problem:
        return self._problem

    def counts(self, gang: int, member: int) -> Sequence[tuple[int, Variable]]:
        return self._counts[gang][member]

    def parts(self, gang: int, member: int, node_class: int) -> Sequence[Part]:
        return self._parts.get((gang, member, node_class), ())

    def upper(self, variable: Variable) -> int:
        return self.cp.upper(variable)

    def present(self, gang: int, branch: int) -> Variable:
        return self._present[gang][branch]

    def used(self, counts: Iterable[Variable], most: int) -> Variable:
        flag = self.cp.variable(1)
        own = tuple(counts)
        most = min(most, sum(self.cp.upper(count) for count in own))
        self.cp.at_most([*((1, count) for count in own), (-most, flag)], 0)
        self._used.append((flag, own))
        return flag

    def whole(self, counts: Iterable[Variable], size: int, held: int = 0, when: Variable | None = None) -> None:
        own = tuple(counts)
        multiple = self.cp.variable((sum(self.cp.upper(count) for count in own) + held) // size)
        terms = [*((1, count) for count in own), *([] if when is None else [(held, when)]), (-size, multiple)]
        self.cp.at_most(terms, 0)
        self.cp.at_most([(-coefficient, variable) for coefficient, variable in terms], 0)
        self._whole.append((multiple, own, size, held))

    def largest(self, sums: Iterable[Iterable[Variable]]) -> Variable:
        groups = [tuple(each) for each in sums]
        largest = self.cp.variable(max((sum(self.cp.upper(count) for count in each) for each in groups), default=0))
        for each in groups:
            self.cp.at_most([*((1, count) for count in each), (-1, largest)], 0)
        self._largest.append((largest, groups))
        return largest

    def number(self, upper: int, value: Callable[[Callable[[Variable], int]], int]) -> Variable:
        number = self.cp.variable(upper)
        self._numbers.append((number, value))
        return number

    def at_most(self, terms: Terms, bound: int) -> None:
        self.cp.at_most(terms, bound)

    # --- to and from placements -----------------------------------------------------------------------------------

    def values(self, puts: Sequence[Put]) -> list[int]:
        """The value of every variable under a placement, to start from."""
        values = [0] * len(self.cp)
        pods: dict[tuple[int, int, int], int] = {(put.gang, put.member, put.node_class): put.count for put in puts}
        for gang, members in enumerate(self._counts):
            for member, counts in enumerate(members):
                for node_class, count in counts:
                    values[count] = pods.get((gang, member, node_class), 0)
            self._hint_presence(gang, values)
        for put in puts:
            of_spot = {part[:2]: part.pods for part in self.parts(put.gang, put.member, put.node_class)}
            for _, devices, number in put.held if of_spot else ():
                for spot in devices:
                    values[of_spot[spot]] += number
        for flag, own in self._used:
            values[flag] = int(any(values[count] for count in own))
        for multiple, own, size, held in self._whole:
            values[multiple] = (sum(values[count] for count in own) + held) // size
        for largest, groups in self._largest:
            values[largest] = max((sum(values[count] for count in each) for each in groups), default=0)
        for number, value in self._numbers:
            values[number] = min(self.cp.upper(number), max(0, value(values.__getitem__)))
        return values

    def puts(self, values: Sequence[int]) -> tuple[Put, ...]:
        """The placement that a solution stands for."""
        return tuple(
            self._put(Put(gang, member, node_class, values[count]), values)
            for gang, members in enumerate(self._counts)
            for member, counts in enumerate(members)
            for node_class, count in counts
            if values[count]
        )

    def _put(self, put: Put, values: Sequence[int]) -> Put:
        """With the devices of each pod, where they are counted one by one: no device is counted more often than there
        are pods, so dealing them out in turn gives every pod different ones."""
        taken = [
            (part.position, part.start)
            for part in sorted(self.parts(put.gang, put.member, put.node_class))
            for _ in range(values[part.pods])
        ]
        if not taken:
            return put
        pods = Counter(tuple(taken[pod :: put.count]) for pod in range(put.count))
        held = tuple((0, each, count) for each, count in sorted(pods.items()))
        return msgspec.structs.replace(put, spots=((0, put.count),), held=held)

    def _openings(self, gang: int, member: int, node_class: int, count: Variable) -> tuple[Part, ...]:
        problem = self._problem
        ask = problem.gangs[gang].members[member].devices
        if ask is None or problem.devices is None:
            return ()
        found = openings(problem.devices.states[node_class], node_class, problem.devices.need(ask))
        return tuple(
            Part(position, start, self.cp.variable(min(most, self.cp.upper(count)))) for position, start, most in found
        )

    def _hint_presence(self, gang: int, values: list[int]) -> None:
        """Branches with pods are in; those that need none are in below such a branch, and count for it."""
        ask = self._problem.gangs[gang]
        for member, counts in enumerate(self._counts[gang]):
            if any(values[count] for _, count in counts):
                branch = ask.members[member].branch
                while branch >= 0:
                    values[self._present[gang][branch]] = 1
                    branch = ask.branches[branch].parent
        for branch, each in enumerate(ask.branches):  # parents stand before their children
            if each.parent >= 0 and values[self._present[gang][each.parent]] and needs_nothing(ask, branch):
                values[self._present[gang][branch]] = 1


def _counts(
    cp: Cp, uppers: list[list[Uppers]], free: set[int], start: Incumbent
) -> list[list[list[tuple[int, Variable]]]]:
    """[gang][member] -> (class, variable)."""
    kept: dict[tuple[int, int], list[tuple[int, Variable]]] = {}
    for put in start.puts:
        if put.gang not in free:
            fixed = (put.node_class, cp.variable(put.count, lower=put.count))
            kept.setdefault((put.gang, put.member), []).append(fixed)
    return [
        [
            [(int(node_class), cp.variable(int(upper[node_class]))) for node_class in np.flatnonzero(upper)]
            if gang in free
            else kept.get((gang, member), [])
            for member, upper in enumerate(members)
        ]
        for gang, members in enumerate(uppers)
    ]


def _joined(terms: Terms) -> Terms:
    """One coefficient per variable, none of them zero."""
    coefficients: dict[Variable, int] = {}
    for coefficient, variable in terms:
        coefficients[variable] = coefficients.get(variable, 0) + coefficient
    return [(coefficient, variable) for variable, coefficient in coefficients.items() if coefficient]
