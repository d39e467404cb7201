"""Required inter-pod anti-affinity, in both directions."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.domain_counts import around_each_node
from scheduler.solver.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: in the node's domain stands a pod that this one keeps away from, or that keeps it away.

    Whatever else is placed in the same plan, these nodes stay refused.
    """
    refused = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for term in shape.relations.anti_affinity if shape.relations is not None else ():
        refused |= around_each_node(fleet.nodes, term.topology_key, fleet.neighbours.matching[term.selector]) > 0
    for term, carriers in fleet.neighbours.carriers.items() if shape.matched else ():
        if term.selector in shape.matched:
            refused |= around_each_node(fleet.nodes, term.topology_key, carriers) > 0
    return refused
