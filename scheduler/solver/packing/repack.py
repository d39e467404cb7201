"""More work into a placement by putting the rest of it closer together: `Repacking` on problems with parts of devices.

Greedy never takes anything back, and the model counts pieces, not devices. Here work of the problem that asks for
nothing but room is taken up from devices in the way of work that is not placed, and put elsewhere, until nothing more
fits. Nothing of it is bound yet, so all of it moves for free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from scheduler.solver.check import better, broken, scores
from scheduler.solver.devices.devices import Held
from scheduler.solver.devices.worth import PRICE, mix_of, priced
from scheduler.solver.greedy.rooms import Rooms
from scheduler.solver.packing.making_room import make_room
from scheduler.solver.packing.rejoining import Place
from scheduler.solver.packing.repacking import Repacking, Spot
from scheduler.solver.problem import BranchAsk, GangAsk, Incumbent, MemberAsk, Problem, Put
from scheduler.solver.tree import minima_below

LOOKS_MAX = 500_000
"""Nodes and devices that are looked at, unless said otherwise, before it ends: about three slow seconds."""

_Key = tuple[int, int, int]
"""(gang, member, class)."""


def _never() -> bool:
    return False


def repacked(
    problem: Problem, start: Incumbent, *, looks_max: int = LOOKS_MAX, stop: Callable[[], bool] = _never
) -> Incumbent | None:
    """A better placement by the goals, with all that the start serves and more; None where none was found, or where
    the problem holds what repacking does not know (memory or MIG slices, pods that look at one another, running work)
    or no node at all.

    It ends when it has looked at ``looks_max`` nodes and devices, or soon after ``stop`` becomes true; what was found
    until then counts.
    """
    if problem.devices is None or problem.relations or problem.giving is not None or problem.flavors:
        return None
    if not problem.class_count:
        return None
    asks = {_ask(member) for gang in problem.gangs for member in gang.members}
    if any(ask.devices is not None and not ask.devices.milli for ask in asks):
        return None
    lacking = [index for index in _lacking(problem, start) if _asks_room_only(problem.gangs[index])]
    known = replace(problem, mix=mix_of(problem.gangs), device_score=PRICE)
    if not lacking or not priced(known):
        return None
    repack = _Repack(known, start)
    for index in lacking:
        if repack.looks >= looks_max or stop():
            break
        repack.place(index, looks_max)
    puts = repack.puts()
    challenger = Incumbent(puts, scores(problem, puts))
    if not better(challenger.scores, scores(problem, start.puts)) or broken(problem, puts):
        return None
    return challenger


class _Repack:
    """The pods of a placement, each with a number, on the nodes of its problem."""

    def __init__(self, problem: Problem, start: Incumbent) -> None:
        self._problem = problem
        asks = sorted({_ask(member) for gang in problem.gangs for member in gang.members}, key=_order)
        self._shape_of = {ask: index for index, ask in enumerate(asks)}
        self._packing = Repacking(problem, asks)
        self._first = np.concatenate([[0], np.cumsum(problem.class_nodes)]).tolist()
        self._class_of = np.repeat(np.arange(problem.class_count), problem.class_nodes).tolist()
        self._rooms = Rooms(problem)
        self._of_pod: list[tuple[int, int]] = []
        self._movable: list[int] = []
        self._placed: dict[tuple[int, int], int] = {}
        self._hopeless: set[int] = set()
        self._stuck: set[Place] = set()
        self._looks_max = 0
        self._adopt(start)

    @property
    def looks(self) -> int:
        """Nodes and devices looked at so far."""
        return self._packing.looks

    def place(self, index: int, looks_max: int) -> None:
        """The minima of a gang, all of them or none; of a bundle as many pods as can be had. Beyond so many looks only
        what fits as it is."""
        self._looks_max = looks_max
        gang = self._problem.gangs[index]
        if gang.bundle:
            while self._placed.get((index, 0), 0) < gang.members[0].count and self._place_all(index, {0: 1}):
                pass
        else:
            self._place_all(index, minima_below(gang, 0))

    def puts(self) -> tuple[Put, ...]:
        spots: dict[_Key, dict[int, int]] = {}
        held: dict[_Key, dict[tuple[int, Held], int]] = {}
        for pod, spot in self._packing.spots.items():
            index, member = self._of_pod[pod]
            node_class = self._class_of[spot.node]
            key, node = (index, member, node_class), spot.node - self._first[node_class]
            here = spots.setdefault(key, {})
            here[node] = here.get(node, 0) + 1
            if self._problem.gangs[index].members[member].devices is not None:
                where = held.setdefault(key, {})
                devices = tuple((position, 0) for position in spot.held)
                where[node, devices] = where.get((node, devices), 0) + 1
        return tuple(
            Put(
                *key,
                sum(here.values()),
                tuple(sorted(here.items())),
                tuple((node, devices, pods) for (node, devices), pods in sorted(held.get(key, {}).items())),
            )
            for key, here in sorted(spots.items())
        )

    def _adopt(self, start: Incumbent) -> None:
        """Parts stay on the devices they have; whole devices go, as always, where no part is."""
        wholes = []
        for put in start.puts:
            gang = self._problem.gangs[put.gang]
            member = gang.members[put.member]
            self._rooms.charge(gang, member, put.node_class, put.count)
            first = self._first[put.node_class]
            for node, devices, pods in put.held:
                for _ in range(pods):
                    pod = self._number(put.gang, put.member)
                    positions = tuple(sorted(position for position, _ in devices))
                    self._packing.restore(pod, Spot(self._shape_of[_ask(member)], first + node, positions))
            if not put.held:
                wholes += [(put, first + node) for node, pods in put.spots for _ in range(pods)]
        for put, node in wholes:
            member = self._problem.gangs[put.gang].members[put.member]
            self._packing.put_on(self._number(put.gang, put.member), self._shape_of[_ask(member)], node)

    def _number(self, index: int, member: int) -> int:
        """A new pod, which counts as placed from now on."""
        pod = len(self._of_pod)
        self._of_pod.append((index, member))
        self._placed[index, member] = self._placed.get((index, member), 0) + 1
        if _asks_room_only(self._problem.gangs[index]):
            self._movable.append(pod)
        return pod

    def _place_all(self, index: int, pods: dict[int, int]) -> bool:
        gang = self._problem.gangs[index]
        done: list[int] = []
        for member in (member for member, count in pods.items() for _ in range(count)):
            pod = self._place_one(index, member)
            if pod is None:
                for other in done:
                    self._forget(gang, other)
                return False
            done.append(pod)
        return bool(done)

    def _place_one(self, index: int, member: int) -> int | None:
        gang = self._problem.gangs[index]
        ask = gang.members[member]
        shape = self._shape_of[_ask(ask)]
        somewhere = int(self._problem.eligible(ask).argmax())  # it counts the same for the queue wherever it is
        if shape in self._hopeless or self._rooms.most(gang, ask, somewhere) < 1:
            return None
        pod = self._number(index, member)
        movable = self._movable[:-1]
        if not self._packing.put(pod, shape) and (
            self.looks >= self._looks_max or make_room(self._packing, pod, shape, movable, self._stuck) is None
        ):
            self._hopeless.add(shape)
            self._movable.pop()
            self._placed[index, member] -= 1
            return None
        self._rooms.charge(gang, ask, somewhere, 1)
        return pod

    def _forget(self, gang: GangAsk, pod: int) -> None:
        """A pod whose gang did not come together."""
        index, member = self._of_pod[pod]
        spot = self._packing.lift(pod)
        self._placed[index, member] -= 1
        self._movable.remove(pod)
        self._rooms.charge(gang, gang.members[member], self._class_of[spot.node], -1)
        self._hopeless.clear()


def _lacking(problem: Problem, start: Incumbent) -> Iterator[int]:
    """Gangs without a place, and bundles with pods left, in rank order."""
    placed = [0] * len(problem.gangs)
    for put in start.puts:
        placed[put.gang] += put.count
    for index, gang in enumerate(problem.gangs):
        if not placed[index] or (gang.bundle and placed[index] < gang.pods):
            yield index


def _asks_room_only(gang: GangAsk) -> bool:
    """Whether its pods may be anywhere, whatever the others do."""
    return gang.leader < 0 and all(ask == BranchAsk(ask.parent, ask.minimum, ask.min_branches) for ask in gang.branches)


def _ask(member: MemberAsk) -> MemberAsk:
    """Of a member what decides where its pods fit."""
    return MemberAsk(member.request, 1, 0, 0, member.eligible, member.devices)


def _order(ask: MemberAsk) -> tuple[object, ...]:
    devices = (0, 0) if ask.devices is None else (ask.devices.milli, ask.devices.count)
    return (ask.request, devices, ask.eligible)
