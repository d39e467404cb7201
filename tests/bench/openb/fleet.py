"""The fleet while a list arrives, and the loop that asks a policy where each pod goes.

Every policy scores (shape, node) pairs. A score only changes when its node does, so each shape keeps a row of scores
over all nodes, and only the nodes that changed since it was last asked are scored again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tests.bench.openb.lists import DEVICE_MILLI, Ints, Nodes, Shape, accepts

DEVICES_MAX = 8
Costs = NDArray[np.float64]


class Fleet:
    """What is free: per node [N] CPU and memory, per device [N x 8] milli (-1: no such device)."""

    def __init__(self, nodes: Nodes) -> None:
        self.cpu_milli = nodes.cpu_milli.copy()
        self.memory_mib = nodes.memory_mib.copy()
        self.device_milli = np.full((len(nodes.names), DEVICES_MAX), -1, dtype=np.int64)
        for node, gpus in enumerate(nodes.gpus.tolist()):
            self.device_milli[node, :gpus] = DEVICE_MILLI
        self.models = tuple(sorted(set(nodes.models)))
        index = {model: position for position, model in enumerate(self.models)}
        self.model_of = np.array([index[model] for model in nodes.models], dtype=np.int64)
        self.changed: list[int] = []

    def place(self, node: int, shape: Shape, device: int) -> None:
        """``device`` takes a share; whole devices are the first idle ones."""
        self.cpu_milli[node] -= shape.cpu_milli
        self.memory_mib[node] -= shape.memory_mib
        if shape.is_share:
            self.device_milli[node, device] -= shape.gpu_milli
        elif shape.gpus:
            idle = np.flatnonzero(self.device_milli[node] == DEVICE_MILLI)[: shape.gpus]
            self.device_milli[node, idle] = 0
        self.changed.append(node)


class Policy(Protocol):
    """Where a pod goes."""

    def costs(self, shape: int, nodes: Ints) -> tuple[Costs, Ints]:
        """What a pod of a shape costs on each of these nodes, all of which hold it, and the device it would take
        (-1 where it takes no share): [n], lower is better."""


class Online:
    """One pod at a time onto the node of least cost, ties to the first by name."""

    def __init__(self, fleet: Fleet, shapes: tuple[Shape, ...], policy: Policy) -> None:
        self._fleet = fleet
        self._shapes = shapes
        self._policy = policy
        self._accepts = accepts(shapes, fleet.models)
        nodes = len(fleet.cpu_milli)
        self._costs = np.full((len(shapes), nodes), np.inf)
        self._devices = np.full((len(shapes), nodes), -1, dtype=np.int64)
        self._seen = [-1] * len(shapes)

    moved_gpu_milli = 0

    def decide(self, pods: Sequence[int], shapes: Sequence[int], *, last: bool) -> list[int]:
        """Each by itself, in order of arrival; what fits nowhere is dropped."""
        return [pod for pod, shape in zip(pods, shapes, strict=True) if self.arrive(shape)]

    def arrive(self, shape: int) -> bool:
        """Places one pod; False where it fits nowhere."""
        self._refresh(shape)
        node = int(self._costs[shape].argmin())
        if self._costs[shape, node] == np.inf:
            return False
        self._fleet.place(node, self._shapes[shape], int(self._devices[shape, node]))
        return True

    def _refresh(self, shape: int) -> None:
        seen, changed = self._seen[shape], self._fleet.changed
        stale = (
            np.arange(len(self._fleet.cpu_milli)) if seen < 0 else np.unique(np.array(changed[seen:], dtype=np.int64))
        )
        self._seen[shape] = len(changed)
        if not len(stale):
            return
        self._costs[shape, stale] = np.inf
        held = stale[holds(self._fleet, self._shapes[shape], self._accepts[shape], stale)]
        if len(held):
            self._costs[shape, held], self._devices[shape, held] = self._policy.costs(shape, held)


def holds(fleet: Fleet, shape: Shape, models: NDArray[np.bool_], nodes: Ints) -> NDArray[np.bool_]:
    """Which of these nodes hold a pod of a shape that accepts ``models`` [M]."""
    fits = (fleet.cpu_milli[nodes] >= shape.cpu_milli) & (fleet.memory_mib[nodes] >= shape.memory_mib)
    if shape.gpus:
        fits &= models[fleet.model_of[nodes]]
        fits &= (fleet.device_milli[nodes] >= shape.gpu_milli).sum(axis=1) >= shape.gpus
    return fits
