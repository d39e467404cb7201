"""Filter NodeAffinity: nodeSelector and required node affinity."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.node_matching import affine


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: a selector label differs, or no term matches."""
    return np.asarray(~affine(shape, fleet.nodes))
