"""Filter: a pod that asks for something this scheduler does not decide on goes nowhere, instead of somewhere wrong."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] all refused when the shape names anything unmodelled."""
    return np.full(len(fleet.nodes), bool(shape.unmodelled), dtype=np.bool_)
