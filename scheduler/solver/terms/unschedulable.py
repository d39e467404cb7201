"""Filter NodeUnschedulable: a cordoned node takes only pods that tolerate ``node.kubernetes.io/unschedulable``."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape, Taint
from scheduler.solver.tolerance import tolerates

CORDONED = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


def refuse(shape: Shape, nodes: NodeTable, capacity: Matrix, resources: tuple[str, ...]) -> Mask:
    """[nodes] refused: cordoned and not tolerated."""
    if tolerates(shape.tolerations, CORDONED):
        return np.zeros(len(nodes), dtype=np.bool_)
    return nodes.unschedulable.copy()
