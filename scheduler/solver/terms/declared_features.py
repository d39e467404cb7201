"""Filter NodeDeclaredFeatures: the node declares every feature that the pod needs."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: some feature is not declared."""
    if not shape.features:
        return np.zeros(len(fleet.nodes), dtype=np.bool_)
    needed = frozenset(shape.features)
    return np.array([not needed.issubset(node.features) for node in fleet.nodes.nodes], dtype=np.bool_)
