"""Filter NodeUnschedulable: a cordoned node takes only pods that tolerate ``node.kubernetes.io/unschedulable``."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape, Taint
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.tolerance import tolerates

CORDONED = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: cordoned and not tolerated."""
    if tolerates(shape.tolerations, CORDONED):
        return np.zeros(len(fleet.nodes), dtype=np.bool_)
    return fleet.nodes.unschedulable.copy()
