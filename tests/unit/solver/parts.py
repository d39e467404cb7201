"""Problems about parts of devices: nodes given by the states of their devices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.model.devices import DEVICE_MILLI, DeviceAsk
from scheduler.model.resources import CPU, GPU
from scheduler.solver.devices.devices import ClassDevices
from scheduler.solver.problem import BranchAsk, GangAsk, MemberAsk, Problem

RESOURCES = ("cpu", "nvidia.com/gpu", "pods")


def member(ask: DeviceAsk | None = None, *, gpus: int = 0, cpu: int = 0, count: int = 1, classes: int = 1) -> MemberAsk:
    """Pods that may go everywhere; ``cpu`` in thousandths."""
    eligible = np.packbits(np.ones(classes, dtype=np.bool_)).tobytes()
    return MemberAsk((cpu, gpus * DEVICE_MILLI, 1), count, count, 0, eligible, ask)


def problem(
    states: Sequence[Sequence[int]],
    members: Sequence[MemberAsk],
    *,
    cpus: int = 100,
    memory_mib: int = 40960,
    layout: int = -1,
    nodes: Sequence[int] | None = None,
    node_score: str = "pack",
    device_score: str = "pack",
) -> Problem:
    """Each row of states is a class (of one node unless said), each member a gang of its own, in rank order."""
    classes = len(states)
    matrix = -np.sort(-np.array(states, dtype=np.int64).reshape(classes, -1), axis=1)
    idle = (matrix == DEVICE_MILLI).sum(axis=1) * DEVICE_MILLI
    free = np.stack([np.full(classes, cpus * 1000), idle, np.full(classes, 110)], axis=1).astype(np.int64)
    return Problem(
        resources=RESOURCES,
        class_nodes=np.array(nodes or [1] * classes, dtype=np.int32),
        class_free=free,
        class_domain=np.zeros((classes, 0), dtype=np.int32),
        level_names=(),
        domain_names=(),
        gangs=tuple(
            GangAsk((each,), (BranchAsk(-1, each.minimum, 0),), (1000,), bundle=each.minimum == 0) for each in members
        ),
        queues=(),
        goals=("served-value", "packing"),
        rules=("capacity", "gang-minimum"),
        node_score=node_score,
        devices=ClassDevices(matrix, np.full(classes, memory_mib, np.int32), np.full(classes, layout, np.int32)),
        device_score=device_score,
    )


def expecting(
    mix: Sequence[MemberAsk],
    states: Sequence[Sequence[int]],
    cpu_milli: Sequence[int],
    *,
    nodes: Sequence[int] | None = None,
    score: str = "price",
) -> Problem:
    """A fleet that nobody asks anything of yet, and the mix of what usually arrives, its requests in GPU and CPU.

    Each row of states is a class (of one node unless said) with so much free CPU on each node; a class may have fewer
    devices than others.
    """
    classes, width = len(states), max(len(row) for row in states)
    matrix = np.array([[*row, *[0] * (width - len(row))] for row in states], dtype=np.int64)
    idle = (matrix == DEVICE_MILLI).sum(axis=1) * DEVICE_MILLI
    return Problem(
        resources=(GPU, CPU),
        class_nodes=np.array(nodes or [1] * classes, dtype=np.int32),
        class_free=np.stack([idle, np.array(cpu_milli)], axis=1).astype(np.int64),
        class_domain=np.zeros((classes, 0), dtype=np.int32),
        level_names=(),
        domain_names=(),
        gangs=(),
        queues=(),
        goals=(),
        rules=(),
        node_score=score,
        device_score=score,
        devices=ClassDevices(matrix, np.zeros(classes, np.int32), np.full(classes, -1, np.int32)),
        mix=tuple(mix),
    )
