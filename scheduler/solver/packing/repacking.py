"""Packing node by node: pods can be taken up again and put elsewhere, to fit more beside them or to fit it better.

The stock of greedy only ever shrinks. Here every pod that was put knows its node and devices, so a window can be
planned jointly (its own pods move freely while nothing is bound) and running pods can be moved within a budget. All
costs are by the prices of the problem's mix (`scheduler.solver.devices.prices`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI
from scheduler.solver.devices.devices import ClassDevices, choose, fits, take_idle
from scheduler.solver.devices.prices import Prices
from scheduler.solver.devices.scores import device_score
from scheduler.solver.devices.worth import gpu_column, gpu_milli
from scheduler.solver.greedy.stock import Rest
from scheduler.solver.problem import MemberAsk, Problem

Nodes = NDArray[np.int64]
Costs = NDArray[np.float64]

_TRIES = 24
"""Places that are tried for one pod before it counts as not to be fitted in."""
_LEAST_GAIN = 1.0
"""What a pod has to gain in worth before it is put elsewhere, in GPU thousandths."""
_UNBOUNDED = 2**62
_NEVER = 10**9


@dataclass(frozen=True)
class Spot:
    """Where a pod is: ``shape`` is its index among the asks, ``held`` the positions of its devices on the node."""

    shape: int
    node: int
    held: tuple[int, ...]


class Repacking:
    """The nodes of a problem one by one, and the pods on them that may be taken up again.

    ``asks`` are the distinct shapes of pods; a problem's GPUs are given by device. Pods are any numbers the caller
    chooses. MIG slices are not repacked.
    """

    def __init__(self, problem: Problem, asks: Sequence[MemberAsk]) -> None:
        assert problem.devices is not None, "repacking looks at devices"
        classes = np.repeat(np.arange(problem.class_count), problem.class_nodes)
        self._devices: ClassDevices = problem.devices
        self._asks = asks
        self._classes = classes
        self.free = problem.class_free[classes].T.astype(np.int64)
        self._states = problem.devices.states[classes].T.copy()
        self.gpu = gpu_column(problem)
        self.requests = np.array([ask.request for ask in asks], dtype=np.int64)
        self._milli = [round(gpu_milli(ask, problem)) for ask in asks]
        self.milli_of = np.array(self._milli, dtype=np.int64)
        self._device_counts = np.array([_device_count(ask, self.gpu) for ask in asks], dtype=np.int64)
        self._each_milli = self.milli_of // np.maximum(1, self._device_counts)
        self._eligible = np.array([problem.eligible(ask)[classes] for ask in asks]).reshape(len(asks), len(classes))
        devices = sorted({_devices_of(ask, self.gpu) for ask in asks})
        self.kinds = np.array([devices.index(_devices_of(ask, self.gpu)) for ask in asks], dtype=np.int64)
        """[S] shapes of one kind take the same of devices."""
        self._prices = Prices(problem)
        self._device_score = device_score(problem)
        self._worth = self._prices.worth(self._rest(np.arange(len(classes))))
        self._rows = np.full((len(asks), len(classes)), np.inf)
        self._seen = [-1] * len(asks)
        self._changed: list[int] = []
        self._appraised = 0
        self.spots: dict[int, Spot] = {}
        """Where each pod is."""
        self.looks = 0
        """Nodes and devices looked at so far: what bounds the work where no clock may."""

    def reprice(self) -> None:
        """Takes the prices anew from what is free now."""
        everywhere = self._rest(np.arange(len(self._classes)))
        self._prices = self._prices.at(everywhere, np.ones(len(self._classes), dtype=np.int64))
        self._worth = self._prices.worth(everywhere)
        self._appraised = len(self._changed)
        self._seen = [-1] * len(self._asks)

    def milli(self, pod: int) -> int:
        """What a pod that is placed takes of devices."""
        return self._milli[self.spots[pod].shape]

    def size_of(self, shape: int) -> int:
        """The thousandths of the one device that a pod of a shape takes; 0 where it takes none or several."""
        return self._milli[shape] if self._device_counts[shape] == 1 else 0

    def is_share(self, shape: int) -> bool:
        """Whether it asks for parts of devices."""
        return self._asks[shape].devices is not None

    @property
    def changes(self) -> int:
        """How often something was put or lifted; where it says the same nothing has changed."""
        return len(self._changed)

    def room(self, nodes: Nodes) -> NDArray[np.float64]:
        """[n] the part of the scarcest resource besides GPUs that is free on each node, of the largest that is free."""
        plenty = [column for column in range(len(self.free)) if column != self.gpu]
        most = np.maximum(1, self.free[plenty].max(axis=1, initial=1))[:, None]
        return np.asarray((self.free[plenty][:, nodes] / most).min(axis=0, initial=1.0))

    def has_devices_for(self, shape: int) -> NDArray[np.bool_]:
        """[N] the nodes that a pod of a shape may go to and whose devices would hold it, whatever else is free."""
        ask = self._asks[shape]
        self.looks += self._states.size
        if ask.devices is None:
            return np.asarray(self._eligible[shape] & (self.free[self.gpu] >= ask.request[self.gpu]))
        found = fits(self._states, self._classes, self._devices.need(ask.devices)) > 0
        return np.asarray(self._eligible[shape] & found)

    def eligible(self, shape: int) -> NDArray[np.bool_]:
        """[N] the nodes that a shape may go to."""
        return np.asarray(self._eligible[shape])

    def eligible_on(self, node: int) -> NDArray[np.bool_]:
        """[S] the shapes that may go to a node."""
        return np.asarray(self._eligible[:, node])

    def accepts(self, shape: int, node: int, room: NDArray[np.int64]) -> bool:
        """Whether a node takes a pod of a shape, if so much were free there [R], devices aside."""
        enough = room >= self.requests[shape]
        enough[self.gpu] = True
        return bool(self._eligible[shape][node] and enough.all())

    def holds_only(self, place: tuple[int, int], pods: Sequence[int]) -> bool:
        """Whether nothing but these pods is on a device (node, position)."""
        node, position = place
        return int(self._states[position, node]) + sum(map(self.milli, pods)) == DEVICE_MILLI

    def put_at(self, pod: int, spot: Spot) -> bool:
        """Exactly there, if it fits."""
        self.looks += 1
        each = self._milli[spot.shape] // max(1, len(spot.held))
        fits_there = bool((self._states[list(spot.held), spot.node] >= each).all())
        if not fits_there or not self.accepts(spot.shape, spot.node, self.free[:, spot.node]):
            return False
        self.restore(pod, spot)
        return True

    def cost(self, shape: int) -> Costs:
        """[N] what one more pod of a shape takes off the worth of each node; infinite where it does not fit."""
        seen = self._seen[shape]
        row: Costs = self._rows[shape]
        self._seen[shape] = len(self._changed)
        stale = np.arange(len(row)) if seen < 0 else np.unique(np.array(self._changed[seen:], dtype=np.int64))
        if len(stale):
            self.looks += len(stale)
            self._appraise()
            row[stale] = np.inf
            nodes = stale[self._holds(shape, stale)]
            if len(nodes):
                after = self._prices.worth(self._after(shape, self._rest(nodes)))
                row[nodes] = self._worth[nodes] - after
        return row

    def put(self, pod: int, shape: int) -> bool:
        """Onto the node where it costs least; False where it fits nowhere."""
        costs = self.cost(shape)
        node = int(costs.argmin())
        if costs[node] == np.inf:
            return False
        self.put_on(pod, shape, node)
        return True

    def put_on(self, pod: int, shape: int, node: int) -> None:
        """Onto one node, which must hold it, and the devices there that suit it best."""
        before = self._states[:, node].copy()
        ask = self._asks[shape]
        if ask.devices is None:
            after = take_idle(before, ask.request[self.gpu] // DEVICE_MILLI) if ask.request[self.gpu] else before
        else:
            need = self._devices.need(ask.devices)
            after = choose(before[:, None], self._classes[[node]], need, self._devices, self._device_score).after[:, 0]
        held = tuple(np.flatnonzero(before != after).tolist())
        self._set(node, after, -1, ask)
        self.spots[pod] = Spot(shape, node, held)

    def lift(self, pod: int) -> Spot:
        """Takes a pod up again."""
        spot = self.spots.pop(pod)
        ask = self._asks[spot.shape]
        states = self._states[:, spot.node].copy()
        if spot.held:
            states[list(spot.held)] += self._milli[spot.shape] // len(spot.held)
        self._set(spot.node, states, 1, ask)
        return spot

    def restore(self, pod: int, spot: Spot) -> None:
        """Puts a pod back exactly where it was."""
        ask = self._asks[spot.shape]
        states = self._states[:, spot.node].copy()
        if spot.held:
            states[list(spot.held)] -= self._milli[spot.shape] // len(spot.held)
        assert states.min(initial=0) >= 0, "somebody else has taken the place meanwhile"
        self._set(spot.node, states, -1, ask)
        self.spots[pod] = spot

    def settle(self, pods: Collection[int]) -> bool:
        """Each of these pods in turn to the place that costs least given all others, where that gains enough; answers
        whether any has moved."""
        moved = False
        for pod in pods:
            spot = self.spots.get(pod)
            if spot is None:
                continue
            costs = self.cost(spot.shape)
            one_more, (costs[spot.node], here) = costs[spot.node], self._cost_at(spot)
            best = int(costs.argmin())
            better = costs[best] < here - _LEAST_GAIN
            costs[spot.node] = one_more
            if better:
                self.lift(pod)
                self.put_on(pod, spot.shape, best)
                moved = True
        return moved

    def fit_in(self, pod: int, shape: int, movable: Iterable[int], most_milli: int = _UNBOUNDED) -> int | None:
        """Makes room for a pod that fits nowhere: takes up all ``movable`` shares of some devices of one node, puts the
        pod there and the shares elsewhere. Answers with the thousandths moved, at most ``most_milli``; None when
        nothing was found, and then nothing has changed."""
        loads = self._loads(movable)
        for node, devices in self._candidates(shape, loads, most_milli):
            lifted = [(other, self.lift(other)) for device in devices for other in loads.pods.get((device, node), ())]
            if self.holds_on(shape, node):
                self.put_on(pod, shape, node)
                if self._put_all(lifted):
                    return sum(self._milli[spot.shape] for _, spot in lifted)
                self.lift(pod)
            for other, spot in reversed(lifted):
                self.restore(other, spot)
        return None

    # --- inside ---------------------------------------------------------------------------------------------------

    def _cost_at(self, spot: Spot) -> tuple[float, float]:
        """What a pod would cost on its node if it chose its devices again, and what it costs where it is."""
        node, ask = np.array([spot.node]), self._asks[spot.shape]
        now = self._rest(node)
        assert now.devices is not None
        states = now.devices.copy()
        if spot.held:
            states[list(spot.held)] += self._milli[spot.shape] // len(spot.held)
        free = now.free + np.array(ask.request, dtype=np.int64)[:, None]
        free[self.gpu] = (states == DEVICE_MILLI).sum(axis=0) * DEVICE_MILLI
        without = Rest(free, states, now.classes)
        again = self._after(spot.shape, without)
        assert again.devices is not None
        three = Rest(
            np.hstack([without.free, again.free, now.free]),
            np.hstack([states, again.devices, now.devices]),
            np.repeat(now.classes, 3),
        )
        worth = self._prices.worth(three)
        return float(worth[0] - worth[1]), float(worth[0] - worth[2])

    def _put_all(self, lifted: list[tuple[int, Spot]]) -> bool:
        """All of them or none, the largest first."""
        done: list[int] = []
        for other, spot in sorted(lifted, key=lambda each: (-self._milli[each[1].shape], each[0])):
            if not self.put(other, spot.shape):
                for each in done:
                    self.lift(each)
                return False
            done.append(other)
        return True

    def _loads(self, movable: Iterable[int]) -> _Loads:
        loads = _Loads(self._states.shape, self.free.shape[0])
        for pod in movable:
            spot = self.spots.get(pod)
            if spot is not None and len(spot.held) == 1 and self._asks[spot.shape].devices is not None:
                ask = self._asks[spot.shape]
                loads.add(pod, (spot.held[0], spot.node), self._milli[spot.shape], ask.request)
        return loads

    def _candidates(self, shape: int, loads: _Loads, most_milli: int) -> Iterable[tuple[int, tuple[int, ...]]]:
        """(node, devices to empty of movable shares), the least to move first."""
        ask = self._asks[shape]
        self.looks += self._states.size
        if not self._milli[shape]:
            return []
        need, each = int(self._device_counts[shape]), int(self._each_milli[shape])
        fills = self._states >= each
        opens = ~fills & (self._states + loads.milli >= each) & (loads.milli > 0)
        cost = np.where(fills, 0, np.where(opens, loads.milli, _NEVER))
        if need == 1:  # where a device is there, CPU or memory is not: the shares of any device may be in its way
            in_the_way = np.where(loads.milli > 0, loads.milli, _NEVER)
            cost = np.where(fills.any(axis=0), in_the_way, cost)
            sets = np.arange(len(cost))[:, None, None] + np.zeros((1, 1, cost.shape[1]), dtype=np.int64)
        else:  # the devices that cost least
            sets = np.argsort(cost, axis=0, kind="stable")[None, :need]
        nodes = np.arange(cost.shape[1])
        total = cost[sets, nodes].sum(axis=1)  # [sets x nodes]
        enough = self._eligible[shape] & (total > 0) & (total < _NEVER) & (total <= most_milli)
        for column, asked in enumerate(ask.request):
            if column != self.gpu:
                enough &= self.free[column] + loads.amounts[column][sets, nodes].sum(axis=1) >= asked
        number, node = np.nonzero(enough)
        first = np.argsort(total[number, node], kind="stable")[:_TRIES]
        return [(int(node[each]), tuple(sets[number[each], :, node[each]].tolist())) for each in first]

    def holds_on(self, shape: int, node: int) -> bool:
        """Whether a node holds one more pod of a shape."""
        return bool(self._holds(shape, np.array([node]))[0])

    def fitting(self, node: int, shapes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[n] whether a node holds one more pod of each of these shapes."""
        self.looks += len(shapes)
        room, states = self.free[:, node], self._states[:, node]
        fits_there = self._eligible[shapes, node] & (self.requests[shapes] <= room).all(axis=1)
        size, count = self._each_milli[shapes], self._device_counts[shapes]
        return np.asarray(fits_there & ((states >= size[:, None]).sum(axis=1) >= count))

    def part_of_free(self, node: int, shapes: NDArray[np.int64]) -> NDArray[np.float64]:
        """[n] the part that a pod of each of these shapes takes of what is free on a node, of the resource besides GPUs
        of which it takes most."""
        plenty = [column for column in range(len(self.free)) if column != self.gpu]
        room = np.maximum(1, self.free[plenty, node])
        return np.asarray((self.requests[shapes][:, plenty] / room).max(axis=1, initial=0.0))

    def _holds(self, shape: int, nodes: Nodes) -> NDArray[np.bool_]:
        ask = self._asks[shape]
        holds = self._eligible[shape][nodes].copy()
        for column, amount in enumerate(ask.request):
            if amount > 0:
                holds &= self.free[column, nodes] >= amount
        if ask.devices is not None:
            holds &= fits(self._states[:, nodes], self._classes[nodes], self._devices.need(ask.devices)) > 0
        return np.asarray(holds)

    def _rest(self, nodes: Nodes) -> Rest:
        return Rest(self.free[:, nodes], self._states[:, nodes], self._classes[nodes])

    def _after(self, shape: int, before: Rest) -> Rest:
        """What is left on nodes that hold one pod of a shape, each with one more."""
        ask = self._asks[shape]
        assert before.devices is not None
        free = before.free - np.array(ask.request, dtype=np.int64)[:, None]
        if ask.devices is None:
            idle = before.devices == DEVICE_MILLI
            taken = idle & (np.cumsum(idle, axis=0) > free[self.gpu] // DEVICE_MILLI)
            return Rest(free, np.where(taken, 0, before.devices), before.classes)
        need = self._devices.need(ask.devices)
        after = choose(before.devices, before.classes, need, self._devices, self._device_score).after
        free[self.gpu] = (after == DEVICE_MILLI).sum(axis=0) * DEVICE_MILLI
        return Rest(free, after, before.classes)

    def _set(self, node: int, states: NDArray[np.int64], sign: int, ask: MemberAsk) -> None:
        self._states[:, node] = states
        self.free[:, node] += sign * np.array(ask.request, dtype=np.int64)
        self.free[self.gpu, node] = int((states == DEVICE_MILLI).sum()) * DEVICE_MILLI
        assert self.free[:, node].min() >= 0, "a node was over-committed"
        self._changed.append(node)

    def _appraise(self) -> None:
        """The worth of the nodes that have changed since."""
        if self._appraised < len(self._changed):
            nodes = np.unique(np.array(self._changed[self._appraised :], dtype=np.int64))
            self._worth[nodes] = self._prices.worth(self._rest(nodes))
            self._appraised = len(self._changed)


class _Loads:
    """What movable shares take of each device [D x N], and of the other resources there [R x D x N]."""

    def __init__(self, shape: tuple[int, ...], resources: int) -> None:
        self.milli = np.zeros(shape, dtype=np.int64)
        self.amounts = np.zeros((resources, *shape), dtype=np.int64)
        self.pods: dict[tuple[int, int], list[int]] = {}

    def add(self, pod: int, at: tuple[int, int], milli: int, request: tuple[int, ...]) -> None:
        self.milli[at] += milli
        self.amounts[:, at[0], at[1]] += request
        self.pods.setdefault(at, []).append(pod)


def _device_count(ask: MemberAsk, gpu: int) -> int:
    """Of how many devices a pod takes all or a part."""
    return ask.devices.count if ask.devices is not None else ask.request[gpu] // DEVICE_MILLI


def _devices_of(ask: MemberAsk, gpu: int) -> tuple[int, ...]:
    """What a pod takes of devices."""
    if ask.devices is None:
        return (ask.request[gpu],)
    return (0, ask.devices.count, ask.devices.milli, ask.devices.memory_mib)
