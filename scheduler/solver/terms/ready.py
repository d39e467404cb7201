"""Filter: a NotReady node counts as tainted ``node.kubernetes.io/not-ready:NoSchedule``.

The node-lifecycle controller writes that taint; where it does not run, the condition alone must do.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape, Taint
from scheduler.solver.fleet import Fleet
from scheduler.solver.tolerance import tolerates

NOT_READY = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: not ready and not tolerated."""
    if tolerates(shape.tolerations, NOT_READY):
        return np.zeros(len(fleet.nodes), dtype=np.bool_)
    return np.asarray(~fleet.nodes.ready)
