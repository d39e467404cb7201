"""Pods onto the nodes of one class: first-fit and best-fit decreasing, the largest requests first.

Counts on a class promise room in sum; with several resources, or with parts of devices, the sum may hold where no
assignment does. These are the orders that are tried before a class counts as one that does not expand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI
from scheduler.model.resources import GPU, Matrix
from scheduler.solver.devices.devices import Held, Numbers, fits, pour, take, take_idle
from scheduler.solver.devices.scores import device_score
from scheduler.solver.problem import MemberAsk, Problem, Put
from scheduler.solver.scarcity import by_scarcity

Ask = tuple[MemberAsk, int]
"""(member, pods)."""


class Assigned(NamedTuple):
    """``pods`` of an ask (by index) on one node, and what each holds of its devices where it asks for parts."""

    ask: int
    node: int
    pods: int
    held: tuple[Held, ...]


class ClassNodes:
    """The nodes of one class while pods are put on them. ``free`` [nodes x R] becomes theirs; the states of their
    devices begin as those of the class."""

    def __init__(self, problem: Problem, node_class: int, free: Matrix, states: Matrix | None = None) -> None:
        self._problem = problem
        self._class = node_class
        self.free = free
        self._states = states
        if problem.devices is not None:
            self._gpu = problem.resources.index(GPU)
            self._score = device_score(problem)
            if states is None:
                self._states = np.repeat(problem.devices.states[node_class][None, :], len(free), axis=0)

    def copy(self) -> ClassNodes:
        states = None if self._states is None else self._states.copy()
        return ClassNodes(self._problem, self._class, self.free.copy(), states)

    def fits(self, member: MemberAsk, most: int) -> NDArray[np.int64]:
        """[nodes] how many of up to ``most`` pods of a member each holds."""
        found = np.full(len(self.free), most, dtype=np.int64)
        for column, amount in enumerate(member.request):
            if amount > 0:
                found = np.minimum(found, self.free[:, column] // amount)
        if member.devices is not None and self._problem.devices is not None and self._states is not None:
            classes = np.full(len(self.free), self._class, dtype=np.int64)
            found = np.minimum(found, fits(self._states.T, classes, self._problem.devices.need(member.devices)))
        return np.maximum(found, 0)

    def put(self, node: int, member: MemberAsk, pods: int) -> tuple[Held, ...]:
        """Puts pods on a node that holds them; answers with the devices of each."""
        self.free[node] -= np.array(member.request, dtype=np.int64) * pods
        devices = self._problem.devices
        if devices is None or self._states is None:
            return ()
        if member.devices is None:
            self._states[node] = take_idle(self._states[node], member.request[self._gpu] * pods // DEVICE_MILLI)
            return ()
        wanted = devices.need(member.devices)
        after, held = pour(self._states[node], self._class, wanted, devices, self._score, pods)
        self._note(node, after)
        return held

    def take(self, node: int, member: MemberAsk, held: Held, pods: int) -> None:
        """Puts pods on a node, each on the devices that it is known to hold."""
        assert member.devices is not None
        assert self._problem.devices is not None
        assert self._states is not None
        self.free[node] -= np.array(member.request, dtype=np.int64) * pods
        assert self.free[node].min(initial=0) >= 0, "a placement over-commits a node"
        wanted = self._problem.devices.need(member.devices)
        self._note(node, take(self._states[node], self._class, wanted, held, pods))

    def _note(self, node: int, states: Numbers) -> None:
        assert self._states is not None
        self._states[node] = states
        self.free[node, self._gpu] = int((states == DEVICE_MILLI).sum()) * DEVICE_MILLI


def size_of(problem: Problem, node_class: int, member: MemberAsk) -> tuple[int, ...]:
    """What orders members by size: per resource from the scarcest, parts of devices counted as GPUs."""
    parts = 0
    if member.devices is not None and problem.devices is not None:
        parts = member.devices.count * int(problem.devices.need(member.devices).milli[node_class])
    return tuple(
        member.request[column] + (parts if problem.resources[column] == GPU else 0)
        for column in by_scarcity(problem.resources)
    )


def by_class(puts: Sequence[Put]) -> list[tuple[int, list[Put]]]:
    """Puts by the class that they are on, class after class."""
    found: dict[int, list[Put]] = {}
    for put in puts:
        found.setdefault(put.node_class, []).append(put)
    return sorted(found.items())


def unassignable(problem: Problem, puts: Sequence[Put]) -> list[int]:
    """The classes whose nodes do not hold what is counted on them, as far as the orders tried here can tell."""
    found = []
    for node_class, here in by_class(puts):
        free = np.repeat(problem.class_free[node_class][None, :], int(problem.class_nodes[node_class]), axis=0)
        if assign_puts(problem, node_class, ClassNodes(problem, node_class, free), here) is None:
            found.append(node_class)
    return found


def assign_puts(problem: Problem, node_class: int, nodes: ClassNodes, puts: Sequence[Put]) -> list[Assigned] | None:
    """Every pod of these puts on a node: what knows its devices and its nodes is taken at its word, the largest first,
    the rest by `assign`. ``nodes`` are used up; None when some pod finds no node."""
    assigned = []
    on_nodes = []
    for ask, put in enumerate(puts):
        member = problem.gangs[put.gang].members[put.member]
        for index, held, count in put.held:
            nodes.take(index, member, held, count)
            assigned.append(Assigned(ask, index, count, (held,) * count))
        on_nodes += [] if put.held else [(ask, member, index, count) for index, count in put.spots]
    on_nodes.sort(key=lambda each: size_of(problem, node_class, each[1]), reverse=True)
    for ask, member, index, count in on_nodes:
        if int(nodes.fits(member, count)[index]) < count:
            return None
        assigned.append(Assigned(ask, index, count, nodes.put(index, member, count)))
    open_asks = [ask for ask, put in enumerate(puts) if not put.spots]
    asks = [(problem.gangs[puts[ask].gang].members[puts[ask].member], puts[ask].count) for ask in open_asks]
    found = assign(problem, node_class, nodes, asks)
    return None if found is None else assigned + [each._replace(ask=open_asks[each.ask]) for each in found]


def assign(problem: Problem, node_class: int, nodes: ClassNodes, asks: Sequence[Ask]) -> list[Assigned] | None:
    """``nodes`` stay as they are; the answer is in an order in which every pod fits beside those before it. None when
    no order that is tried finds a node for every pod."""
    largest = np.maximum(nodes.free.max(axis=0, initial=1), 1)

    def by_column(index: int) -> list[int]:
        return [-size for size in size_of(problem, node_class, asks[index][0])]

    def by_share(index: int) -> float:
        return -float((np.array(asks[index][0].request) / largest).max())

    everyone = range(len(asks))
    for order in (sorted(everyone, key=by_column), sorted(everyone, key=by_share)):
        for tightest in (False, True):
            assigned = _decreasing(problem, nodes.copy(), asks, order, tightest=tightest)
            if assigned is not None:
                return assigned
    return None


def _decreasing(
    problem: Problem, left: ClassNodes, asks: Sequence[Ask], order: list[int], *, tightest: bool
) -> list[Assigned] | None:
    assigned: list[Assigned] = []
    columns = by_scarcity(problem.resources)
    for index in order:
        member, count = asks[index]
        fits = left.fits(member, count)
        nodes = np.flatnonzero(fits > 0)
        if tightest:
            nodes = nodes[np.lexsort([left.free[nodes, column] for column in reversed(columns)])]
        for node in nodes.tolist():
            here = min(count, int(fits[node]))
            assigned.append(Assigned(index, node, here, left.put(node, member, here)))
            count -= here
            if count == 0:
                break
        if count:
            return None
    return assigned
