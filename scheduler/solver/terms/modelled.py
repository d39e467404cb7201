"""Filter: a pod that asks for something this scheduler does not decide on goes nowhere, instead of somewhere wrong."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape


def refuse(shape: Shape, nodes: NodeTable, capacity: Matrix, resources: tuple[str, ...]) -> Mask:
    """[nodes] all refused when the shape names anything unmodelled."""
    return np.full(len(nodes), bool(shape.unmodelled), dtype=np.bool_)
