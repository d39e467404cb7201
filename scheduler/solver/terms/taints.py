"""Filter TaintToleration: every NoSchedule or NoExecute taint of the node is tolerated."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.fleet import Fleet
from scheduler.solver.tolerance import HARD_EFFECTS, tolerates


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: at least one hard taint is not tolerated. Decided once per distinct set of taints."""
    refused = [
        any(taint.effect in HARD_EFFECTS and not tolerates(shape.tolerations, taint) for taint in taints)
        for taints in fleet.nodes.taint_sets
    ]
    return np.array(refused, dtype=np.bool_)[fleet.nodes.taint_codes]
