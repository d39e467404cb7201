"""Room for one more pod where devices are free but CPU or memory is not: somebody there makes way.

A node whose CPU is used up strands the devices that are left on it, while other nodes have CPU and no device. So a pod
of such a node goes elsewhere (work without GPUs can go anywhere), or changes places with a pod elsewhere that takes the
same of devices and less of what is short.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.repacking import Repacking, Spot

_TRIES = 24
"""Pods that are tried as the one who makes way."""
_PARTNERS = 4
"""Pods that are tried as the one who changes places with it."""
_UNBOUNDED = 2**62

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Movable:
    """Pods that may move, as columns: pods [M], their shapes [M] and nodes [M]."""

    pods: Numbers
    shapes: Numbers
    nodes: Numbers

    @classmethod
    def of(cls, packing: Repacking, pods: Collection[int]) -> Movable:
        found = [(pod, packing.spots[pod].shape, packing.spots[pod].node) for pod in pods if pod in packing.spots]
        return cls(*np.array(found, dtype=np.int64).reshape(-1, 3).T)


def swap_in(packing: Repacking, pod: int, shape: int, movable: Movable, most_milli: int = _UNBOUNDED) -> int | None:
    """Places a pod that fits nowhere, where another makes way. Answers with the thousandths moved, at most
    ``most_milli``; None when nothing was found, and then everything is where it was."""
    short = np.maximum(packing.requests[shape][:, None] - packing.free, 0)  # [R x N]
    short[packing.gpu] = 0
    open_nodes = packing.has_devices_for(shape) & short.any(axis=0)
    gives = packing.requests[movable.shapes]
    may = open_nodes[movable.nodes] & (gives >= short[:, movable.nodes].T).all(axis=1)
    milli = packing.milli_of[movable.shapes]
    candidates = np.flatnonzero(may & (milli <= most_milli))
    spare = gives[candidates].sum(axis=1)
    for each in candidates[np.lexsort((spare, milli[candidates]))][:_TRIES].tolist():
        other, kind, node = (int(column[each]) for column in (movable.pods, movable.shapes, movable.nodes))
        spot = packing.spots.get(other)
        if spot is None or spot.node != node:
            continue  # it has moved since
        packing.lift(other)
        if packing.holds_on(shape, node):
            packing.put_on(pod, shape, node)
            if packing.put(other, kind):
                return int(milli[each])
            packing.lift(pod)
        packing.restore(other, spot)
        if 2 * milli[each] <= most_milli and _exchange(packing, pod, shape, other, movable):
            return int(2 * milli[each])
    return None


def _exchange(packing: Repacking, pod: int, shape: int, other: int, movable: Movable) -> bool:
    """Puts the pod beside whoever takes the place of ``other``, who takes that one's."""
    here = packing.spots[other]
    asked = packing.requests[here.shape]
    room_here = packing.free[:, here.node] + asked - packing.requests[shape]
    room_here[packing.gpu] = asked[packing.gpu]
    gives = packing.requests[movable.shapes]
    room_there = packing.free[:, movable.nodes].T + gives
    room_there[:, packing.gpu] = gives[:, packing.gpu]
    suits = packing.alike(here.shape)[movable.shapes] & (movable.nodes != here.node)
    suits &= (gives <= room_here).all(axis=1) & (room_there >= asked).all(axis=1)
    suits &= packing.eligible(here.shape)[movable.nodes]
    partners = np.flatnonzero(suits)
    for each in partners[np.argsort(-gives[partners].sum(axis=1), kind="stable")][:_PARTNERS].tolist():
        partner = int(movable.pods[each])
        there = packing.spots.get(partner)
        if there is None or there.node != movable.nodes[each]:
            continue
        packing.lift(other)
        packing.lift(partner)
        if packing.put_at(partner, Spot(there.shape, here.node, here.held)):
            if packing.put_at(other, Spot(here.shape, there.node, there.held)):
                if packing.holds_on(shape, here.node):
                    packing.put_on(pod, shape, here.node)
                    return True
                packing.lift(other)
            packing.lift(partner)
        packing.restore(other, here)
        packing.restore(partner, there)
    return False
