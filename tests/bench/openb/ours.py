"""Our contender: the product's stock, scores and prices, fed one pod at a time or in windows.

As the product in every cycle, it takes its prices anew from what is free; here whenever some more of the fleet is
taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from scheduler.model.devices import DEVICE_MILLI as DEVICE
from scheduler.model.devices import DeviceAsk
from scheduler.model.resources import CPU, GPU, MEMORY
from scheduler.solver.devices.devices import ClassDevices
from scheduler.solver.greedy.node_scores import node_score
from scheduler.solver.greedy.stock import Stock
from scheduler.solver.packing.exchanging import exchange
from scheduler.solver.packing.making_room import make_room
from scheduler.solver.packing.rejoining import Place
from scheduler.solver.packing.repacking import Repacking, Spot
from scheduler.solver.problem import MemberAsk, Problem
from tests.bench.openb.lists import Nodes, Pods, Shape, accepts
from tests.bench.openb.service import SizesServed

_DEVICES_MAX = 8
_REPRICED_PER_PART = 0.1
"""Prices are taken anew whenever so much of what was free of the fleet's GPUs is placed,"""
_REPRICED_PER_PART_OF_ALL = 0.0025
"""but not before so much of all of them is."""
_ROUNDS = 3
_EXCHANGES = 3
"""How often pods give way in a window, and room is searched for the others again."""
_TOGETHER = (100, 50, 200)
"""Pods that count as having come about the same time; each number makes a plan of its own."""
Stuck = tuple[set[Place], set[Place]]
"""Devices not worth cutting anew: among the pods of a window, and of all."""
_MOVED_PART_MAX = 0.05
_MOVED_PER_PLACED_MAX = 24
"""A pod of G thousandths may move so many times G; one without GPUs may move other such pods only."""


def problem_of(nodes: Nodes, pods: Pods, score: str = "price") -> tuple[Problem, tuple[MemberAsk, ...]]:
    """The empty fleet as the solver sees it, and each shape of the list as an ask; the list is the known mix."""
    kinds = list(
        zip(nodes.models, nodes.gpus.tolist(), nodes.cpu_milli.tolist(), nodes.memory_mib.tolist(), strict=True)
    )
    distinct = sorted(set(kinds))
    class_of = {kind: index for index, kind in enumerate(distinct)}
    gpus = np.array([gpus for _, gpus, _, _ in distinct], dtype=np.int64)
    states = np.where(np.arange(_DEVICES_MAX) < gpus[:, None], DEVICE, 0).astype(np.int64)
    eligible = accepts(pods.shapes, [model for model, _, _, _ in distinct])
    members = tuple(
        _member(shape, np.packbits(eligible[index]).tobytes(), int(count))
        for index, (shape, count) in enumerate(zip(pods.shapes, pods.counts().tolist(), strict=True))
    )
    problem = Problem(
        resources=(GPU, CPU, MEMORY),
        class_nodes=np.bincount([class_of[kind] for kind in kinds]).astype(np.int32),
        class_free=np.array([[g * DEVICE, cpu, memory] for _, g, cpu, memory in distinct], dtype=np.int64),
        class_domain=np.zeros((len(distinct), 0), dtype=np.int32),
        level_names=(),
        domain_names=(),
        gangs=(),
        queues=(),
        goals=(),
        rules=(),
        node_score=score,
        device_score=score,
        devices=ClassDevices(
            states, np.zeros(len(distinct), dtype=np.int32), np.full(len(distinct), -1, dtype=np.int32)
        ),
        mix=members,
    )
    return problem, members


def _member(shape: Shape, eligible: bytes, count: int) -> MemberAsk:
    whole = 0 if shape.is_share else shape.total_gpu_milli
    devices = DeviceAsk(milli=shape.gpu_milli) if shape.is_share else None
    return MemberAsk((whole, shape.cpu_milli, shape.memory_mib), count, 0, 0, eligible, devices)


def as_it_is(problem: Problem, members: Sequence[MemberAsk], stock: Stock) -> tuple[Problem, tuple[MemberAsk, ...]]:
    """The same fleet with what a stock of the problem has left, as the next cycle sees it: nodes that are alike by now
    are one class."""
    assert stock.devices is not None
    slots = np.flatnonzero(stock.size[: stock.used] > 0)
    states = np.sort(stock.devices.states[:, slots].T, axis=1)[:, ::-1]
    kind = stock.node_class[slots]
    alike, class_of = np.unique(np.column_stack([kind, stock.free[:, slots].T, states]), axis=0, return_inverse=True)
    resources = len(problem.resources)
    members = tuple(
        msgspec.structs.replace(member, eligible=np.packbits(problem.eligible(member)[alike[:, 0]]).tobytes())
        for member in members
    )
    now = replace(
        problem,
        class_nodes=np.bincount(class_of.ravel(), weights=stock.size[slots]).astype(np.int32),
        class_free=alike[:, 1 : resources + 1],
        class_domain=np.zeros((len(alike), 0), dtype=np.int32),
        devices=ClassDevices(
            np.ascontiguousarray(alike[:, resources + 1 :]),
            np.zeros(len(alike), dtype=np.int32),
            np.full(len(alike), -1, dtype=np.int32),
        ),
        mix=members,
    )
    return now, members


class Ours:
    """One pod at a time onto the group of nodes whose score is least. Scores of groups that did not change are kept."""

    def __init__(self, nodes: Nodes, pods: Pods, score: str = "price") -> None:
        self._shapes = pods.shapes
        self._fleet_milli = nodes.gpu_milli
        self._placed_milli = 0
        self._begin(*problem_of(nodes, pods, score))

    moved_gpu_milli = 0

    def _begin(self, problem: Problem, members: tuple[MemberAsk, ...]) -> None:
        self._problem, self._members = problem, members
        self.stock = Stock.of(problem)
        self._score = node_score(problem)
        self._eligible = [problem.eligible(member) for member in members]
        self._costs = np.full((len(members), len(self.stock.size)), np.inf)
        self._seen = [-1] * len(members)
        self._changed: list[int] = []
        self._repriced_at_milli = self._placed_milli + _step_milli(self._fleet_milli, self._placed_milli)

    def decide(self, pods: Sequence[int], shapes: Sequence[int], *, last: bool) -> list[int]:
        return [pod for pod, shape in zip(pods, shapes, strict=True) if self.arrive(shape)]

    def arrive(self, shape: int) -> bool:
        self._refresh(shape)
        slot = int(self._costs[shape, : self.stock.used].argmin())
        if self._costs[shape, slot] == np.inf:
            return False
        poured = self.stock.pour(slot, 1, 1, self._members[shape])
        self._changed += [slot, self.stock.slot(poured.key)]
        self._placed_milli += self._shapes[shape].total_gpu_milli
        if self._placed_milli >= self._repriced_at_milli:
            self._begin(*as_it_is(self._problem, self._members, self.stock))
        return True

    def _refresh(self, shape: int) -> None:
        stock, seen = self.stock, self._seen[shape]
        self._seen[shape] = len(self._changed)
        stale = np.arange(stock.used) if seen < 0 else np.unique(np.array(self._changed[seen:], dtype=np.int64))
        if not len(stale):
            return
        self._costs[shape, stale] = np.inf
        slots = stale[(stock.size[stale] > 0) & self._eligible[shape][stock.node_class[stale]]]
        slots = slots[stock.holds(slots, self._members[shape])]
        if len(slots):
            self._costs[shape, slots] = self._score(stock.rest(slots), stock.rest_after(slots, self._members[shape]))


class OursInWindows:
    """Windows placed jointly: pods of several devices first, then each again where it fits better beside the others.

    ``retries``: what was not placed waits and is tried again with every window. ``moves``: pods that were placed before
    may be moved, at most 5 % of the GPU placed. While not all fit, pods of the window give way to others of it (and to
    those that wait) that make more of a node, as long as every size is served alike (`SizesServed`).
    """

    def __init__(self, nodes: Nodes, pods: Pods, *, retries: bool = False, moves: bool = False) -> None:
        problem, members = problem_of(nodes, pods)
        self._packing = Repacking(problem, members)
        self._shapes = pods.shapes
        self._retries = retries
        self._moves = moves
        self._waiting: list[tuple[int, int]] = []
        self._running: list[int] = []
        self._sizes = SizesServed(pods.shapes)
        self._hopeless: set[int] = set()
        """Shapes for which the window before found no room: they are not searched for again at once."""
        self._placed_milli = self._planned_milli = 0
        self._fleet_milli = nodes.gpu_milli
        self._repriced_at_milli = _step_milli(nodes.gpu_milli, 0)
        self.moved_gpu_milli = 0

    def decide(self, pods: Sequence[int], shapes: Sequence[int], *, last: bool) -> list[int]:
        window = [*self._waiting, *zip(pods, shapes, strict=True)]
        self._sizes.come(shapes)
        self._sizes.serve(spot.shape for spot in self._best_plan(window).values())
        self._exchange(window)
        self._put_what_fits(window)
        placed = [pod for pod, _ in window if pod in self._packing.spots]
        self._placed_milli += sum(map(self._packing.milli, placed))
        self._running += placed
        if self._retries:
            self._waiting = self._missing(window)
        return placed

    def _best_plan(self, window: Sequence[tuple[int, int]]) -> dict[int, Spot]:
        """Of several, by GPU placed. Where pods that run may move there is only one: it moves them."""
        orders = self._orders(window)
        best = self._plan(orders[0])
        for order in orders[1:] if len(best) < len(window) and not self._moves else ():
            self._lift(best)
            best = max(best, self._plan(order), key=self._milli)
            self._lift(self._packing.spots.keys() & dict(window).keys())
            for pod, spot in best.items():
                self._packing.restore(pod, spot)
        return best

    def _exchange(self, window: Sequence[tuple[int, int]]) -> None:
        """Where not all fit, pods of the window give way to those that make more of a node; then there may be room for
        others again."""
        numbers = [pod for pod, _ in window]
        for _ in range(_EXCHANGES):
            missing = self._missing(window)
            if not missing or not exchange(self._packing, missing, numbers, self._sizes):
                break
            self._fill_up(window)

    def _fill_up(self, window: Sequence[tuple[int, int]]) -> None:
        numbers = [pod for pod, _ in window]
        hopeless: set[int] = set()
        stuck: Stuck = (set(), set())
        for pod, shape in self._missing(window):
            if self._packing.put(pod, shape) or (shape not in hopeless and self._make_room(pod, shape, numbers, stuck)):
                self._sizes.serve([shape])
            else:
                hopeless.add(shape)

    def _put_what_fits(self, window: Sequence[tuple[int, int]]) -> None:
        """Nobody is left out who fits as everything stands now."""
        for pod, shape in self._missing(window):
            if self._packing.put(pod, shape):
                self._sizes.serve([shape])

    def _missing(self, window: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(pod, shape) for pod, shape in window if pod not in self._packing.spots]

    def _orders(self, window: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Pods of several devices are hardest to place, so they go first among those that came about the same
        time. All else goes in its order, or small work without CPU to spare would find none left."""
        orders: list[list[tuple[int, int]]] = []
        for together in _TOGETHER:
            parts = [window[start : start + together] for start in range(0, len(window), together)]
            order = [pod for part in parts for pod in sorted(part, key=lambda each: -self._devices(each[1]))]
            if order not in orders:
                orders.append(order)
        return orders

    def _plan(self, order: Sequence[tuple[int, int]]) -> dict[int, Spot]:
        """Each where it costs least, then each again beside the others, then room for those that fit nowhere."""
        packing = self._packing
        numbers = [pod for pod, _ in order]
        self._planned_milli = 0
        missing = [(pod, shape) for pod, shape in order if not self._put(pod, shape)]
        for _ in range(_ROUNDS):
            if not packing.settle(numbers):
                break
        hopeless: set[int] = set()
        stuck: Stuck = (set(), set())
        for pod, shape in missing:
            known = shape in hopeless
            if not packing.put(pod, shape) and not known and not self._make_room(pod, shape, numbers, stuck):
                hopeless.add(shape)
        self._hopeless = hopeless
        return {pod: packing.spots[pod] for pod in numbers if pod in packing.spots}

    def _lift(self, pods: Iterable[int]) -> None:
        for pod in list(pods):
            self._packing.lift(pod)

    def _milli(self, plan: Mapping[int, Spot]) -> int:
        return sum(int(self._packing.milli_of[spot.shape]) for spot in plan.values())

    def _put(self, pod: int, shape: int) -> bool:
        """Where it costs least, by prices that are never older than a few percent of the fleet."""
        packing = self._packing
        placed_milli = self._placed_milli + self._planned_milli
        if placed_milli >= self._repriced_at_milli:
            packing.reprice()
            self._repriced_at_milli = placed_milli + _step_milli(self._fleet_milli, placed_milli)
        if not packing.put(pod, shape):
            return False
        self._planned_milli += packing.milli(pod)
        return True

    def _make_room(self, pod: int, shape: int, window: Sequence[int], stuck: Stuck) -> bool:
        """Among the pods of the window, which move for free, or else of all."""
        among, beside = stuck
        if make_room(self._packing, pod, shape, window, among) is not None:
            return True
        if not self._moves or shape in self._hopeless:
            return False
        most = min(self._budget(), _MOVED_PER_PLACED_MAX * self._shapes[shape].total_gpu_milli)
        moved = make_room(self._packing, pod, shape, [*self._running, *window], beside, most)
        self.moved_gpu_milli += moved or 0
        return moved is not None

    def _budget(self) -> int:
        return int(_MOVED_PART_MAX * self._placed_milli) - self.moved_gpu_milli

    def _devices(self, shape: int) -> int:
        return self._shapes[shape].gpus if self._shapes[shape].gpus > 1 else 0


def _step_milli(fleet_milli: int, placed_milli: int) -> int:
    """How much is placed until prices are taken anew."""
    return int(max(_REPRICED_PER_PART * (fleet_milli - placed_milli), _REPRICED_PER_PART_OF_ALL * fleet_milli))
