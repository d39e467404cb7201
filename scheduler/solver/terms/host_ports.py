"""Filter NodePorts: no host port of the pod is taken on the node.

Inside one plan host ports are resources of which a node has one (`solver.asks.one_per_node`): no rule is needed.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: equal protocol and port, and equal addresses or one of them the wildcard."""
    refused = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for port in shape.relations.ports if shape.relations is not None else ():
        for taken, holders in fleet.neighbours.ports.items():
            if port.conflicts(taken):
                refused |= holders > 0
    return refused
