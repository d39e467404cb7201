"""Filter: a request above the node's *allocatable total* can never fit there, whatever leaves.

What is free at the moment is the rule `capacity`; this filter is the part of NodeResourcesFit that waiting cannot cure.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: some request exceeds the total, or is of a resource that no node has."""
    columns = {name: column for column, name in enumerate(fleet.resources)}
    refused = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for name, requested in shape.requests:
        if requested <= 0:
            continue
        if name not in columns:
            return np.ones(len(fleet.nodes), dtype=np.bool_)
        refused |= fleet.capacity[:, columns[name]] < requested
    return refused
