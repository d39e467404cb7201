"""CPU or memory for one more pod on a node whose devices would hold it: several pods there make way or change places.

A node whose CPU is used up strands the devices that are left on it, and late in a full fleet no single pod that makes
way brings enough: every node has a core or two left, and eleven are asked for. So one after another pods of the node
leave (work without GPUs can go anywhere), or change places with pods elsewhere that take the same of devices and less
of what is short, by as much as that other node has to spare. What is idle in many places comes together on one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.packing.repacking import Repacking, Spot

_TRIES = 24
"""Nodes that are tried for one pod, those that lack least first."""
_STEPS = 8
"""Pods that leave or change places for one pod at most."""
_STEP_MILLI = 200.0
"""What a step counts for besides the thousandths that it moves: of two that move little the one that brings more goes
first."""
_UNBOUNDED = 2**62

Numbers = NDArray[np.int64]


class Movable:
    """Pods that may move, as columns: ``pods`` [M], their ``shapes`` [M] and ``nodes`` [M] (-1: taken up); and the rows
    of each kind, which take the same of devices."""

    def __init__(self, packing: Repacking, pods: Collection[int]) -> None:
        found = [(pod, packing.spots[pod].shape, packing.spots[pod].node) for pod in pods if pod in packing.spots]
        self.pods, self.shapes, self.nodes = np.array(found, dtype=np.int64).reshape(-1, 3).T.copy()
        kinds = packing.kinds[self.shapes]
        self.of_kind = {int(kind): np.flatnonzero(kinds == kind) for kind in np.unique(kinds)}
        self._row = {pod: row for row, pod in enumerate(self.pods.tolist())}

    def follow(self, packing: Repacking, pods: Collection[int]) -> None:
        """To where these pods are now."""
        for pod in pods:
            spot = packing.spots.get(pod)
            self.nodes[self._row[pod]] = -1 if spot is None else spot.node


def relieve(packing: Repacking, pod: int, shape: int, movable: Movable, most_milli: int = _UNBOUNDED) -> int | None:
    """Places a pod that fits nowhere on a node with devices for it, where others make way. Answers with the thousandths
    moved, at most ``most_milli``; None when nothing was found, and then everything is where it was."""
    need = packing.requests[shape]
    short = np.maximum(need[:, None] - packing.free, 0) / np.maximum(need, 1)[:, None]  # [R x N], of what is needed
    short[packing.gpu] = 0
    nodes = np.flatnonzero(packing.has_devices_for(shape) & short.any(axis=0))
    for node in nodes[np.argsort(short[:, nodes].sum(axis=0), kind="stable")][:_TRIES].tolist():
        relief = Relief(packing, movable, node, most_milli)
        if relief.make(need):
            if packing.holds_on(shape, node):
                packing.put_on(pod, shape, node)
                return relief.milli
            relief.undo()
    return None


@dataclass(frozen=True)
class _Step:
    """Row ``own`` leaves the node: for the place of row ``partner``, which comes instead, or (-1) for anywhere."""

    own: int
    partner: int
    milli: int


class Relief:
    """Pods that make way on one node, and may still be taken back."""

    def __init__(self, packing: Repacking, movable: Movable, node: int, most_milli: int) -> None:
        self._packing = packing
        self._movable = movable
        self._node = node
        self._most_milli = most_milli
        self._spent_milli = 0
        """Of every step, so that a pod that moves twice counts twice."""
        self.was: list[tuple[int, Spot]] = []
        """The pods that moved and from where, in order."""

    @property
    def milli(self) -> int:
        """Thousandths that are elsewhere now."""
        was = dict(reversed(self.was))
        return sum(self._packing.milli(pod) for pod, spot in was.items() if self._packing.spots[pod] != spot)

    def make(self, need: Numbers) -> bool:
        """Makes so much [R] free, devices aside. False where that cannot be done, and then nothing has changed."""
        for step_number in range(_STEPS + 1):
            short = np.maximum(need - self._packing.free[:, self._node], 0)
            short[self._packing.gpu] = 0
            if not short.any():
                return True
            step = self._best(short) if step_number < _STEPS else None
            if step is None or not self._take(step):
                break
        self.undo()
        return False

    def undo(self) -> None:
        """Everybody back to where they were."""
        packing, was = self._packing, dict(reversed(self.was))
        for pod in was:
            packing.lift(pod)
        for pod, spot in was.items():
            packing.restore(pod, spot)
        self._movable.follow(packing, was)
        self.was.clear()
        self._spent_milli = 0

    def _best(self, short: Numbers) -> _Step | None:
        """The step that brings most of what is short for what it moves."""
        packing, movable = self._packing, self._movable
        best, most = None, 0.0
        tried = set[int]()
        for own in np.flatnonzero(movable.nodes == self._node).tolist():
            shape = int(movable.shapes[own])
            milli = int(packing.milli_of[shape])
            brings = float(_brings(packing.requests[shape], short))
            if shape in tried or not brings:
                continue
            tried.add(shape)
            alone, both = (brings / (moved + _STEP_MILLI) for moved in (milli, 2 * milli))
            if alone > most and self._spent_milli + milli <= self._most_milli and self._elsewhere(shape) >= 0:
                best, most = _Step(own, -1, milli), alone
            if both > most and self._spent_milli + 2 * milli <= self._most_milli:
                partner, brought = self._partner(shape, short)
                worth = brought / (2 * milli + _STEP_MILLI)
                if worth > most:
                    best, most = _Step(own, partner, 2 * milli), worth
        return best

    def _elsewhere(self, shape: int) -> int:
        """The other node where a pod of a shape costs least, as everything stands; -1: nowhere."""
        costs = self._packing.cost(shape).copy()
        costs[self._node] = np.inf
        node = int(costs.argmin())
        return node if np.isfinite(costs[node]) else -1

    def _partner(self, shape: int, short: Numbers) -> tuple[int, float]:
        """The row that would bring most in place of a pod of a shape, and how much of all that is short."""
        packing, movable = self._packing, self._movable
        rows = movable.of_kind[int(packing.kinds[shape])]
        rows = rows[(movable.nodes[rows] != self._node) & (movable.nodes[rows] >= 0)]
        packing.looks += len(rows)
        nodes, shapes = movable.nodes[rows], movable.shapes[rows]
        relief = packing.requests[shape] - packing.requests[shapes]  # [rows x R]
        relief[:, packing.gpu] = 0
        suits = (relief <= packing.free[:, nodes].T).all(axis=1)
        suits &= (packing.free[:, self._node] + relief >= 0).all(axis=1) & (relief[:, short > 0] >= 0).all(axis=1)
        suits &= packing.eligible(shape)[nodes] & packing.eligible_on(self._node)[shapes]
        brings = np.where(suits, _brings(relief, short), 0.0)
        if not len(rows) or not brings.any():
            return -1, 0.0
        row = int(brings.argmax())
        return int(rows[row]), float(brings[row])

    def _take(self, step: _Step) -> bool:
        packing, movable = self._packing, self._movable
        pod = int(movable.pods[step.own])
        node = self._elsewhere(int(movable.shapes[step.own])) if step.partner < 0 else -1
        here = packing.lift(pod)
        if step.partner < 0:
            packing.put_on(pod, here.shape, node)
            self.was.append((pod, here))
        else:
            partner = int(movable.pods[step.partner])
            there = packing.lift(partner)
            if not packing.put_at(partner, Spot(there.shape, here.node, here.held)):
                packing.restore(partner, there)
                packing.restore(pod, here)
                return False
            packing.restore(pod, Spot(here.shape, there.node, there.held))
            self.was += [(pod, here), (partner, there)]
            movable.follow(packing, [partner])
        movable.follow(packing, [pod])
        self._spent_milli += step.milli
        return True


def _brings(relief: Numbers, short: Numbers) -> NDArray[np.float64]:
    """[...] which part of all that is short relief [... x R] brings."""
    wanted = short > 0
    return np.asarray((np.clip(relief, 0, short)[..., wanted] / short[wanted]).sum(axis=-1))
