"""Filter: the node's GPU model is one that the pod accepts."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import GPU_MODEL_LABEL, Mask
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: models are asked for, and the node's label is absent or another one."""
    if not shape.gpu_models:
        return np.zeros(len(fleet.nodes), dtype=np.bool_)
    codes, known = fleet.nodes.label_column(GPU_MODEL_LABEL)
    return np.array([*(model not in shape.gpu_models for model in known), True], dtype=np.bool_)[codes]
