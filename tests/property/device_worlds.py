"""Problems of one class of nodes with GPUs that may be shared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.model.resources import CPU, GPU
from scheduler.solver.devices.devices import ClassDevices
from scheduler.solver.problem import MemberAsk, Problem


def one_class(nodes: int, devices: int, cpu_milli: int, mix: Sequence[MemberAsk]) -> Problem:
    """``devices`` and ``cpu_milli`` are those of each node; ``mix`` is what usually arrives."""
    return Problem(
        resources=(GPU, CPU),
        class_nodes=np.array([nodes], dtype=np.int32),
        class_free=np.array([[devices * 1000, cpu_milli]], dtype=np.int64),
        class_domain=np.zeros((1, 0), dtype=np.int32),
        level_names=(),
        domain_names=(),
        gangs=(),
        queues=(),
        goals=(),
        rules=(),
        node_score="price",
        device_score="price",
        devices=ClassDevices(
            np.full((1, devices), 1000, dtype=np.int64), np.zeros(1, dtype=np.int32), np.full(1, -1, dtype=np.int32)
        ),
        mix=tuple(mix),
    )
