"""Filter: a NotReady node counts as tainted ``node.kubernetes.io/not-ready:NoSchedule``.

The node-lifecycle controller writes taints for such a node; then they say who may stay. Where it does not run, the
condition alone must do.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape, Taint
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.tolerance import tolerates

NOT_READY = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")
LIFECYCLE_KEYS = (NOT_READY.key, "node.kubernetes.io/unreachable")


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: not ready, without a taint that says so, and not tolerated."""
    if tolerates(shape.tolerations, NOT_READY):
        return np.zeros(len(fleet.nodes), dtype=np.bool_)
    said = [
        any(taint.key in LIFECYCLE_KEYS and taint.effect == "NoSchedule" for taint in taints)
        for taints in fleet.nodes.taint_sets
    ]
    return np.asarray(~fleet.nodes.ready & ~np.array(said, dtype=np.bool_)[fleet.nodes.taint_codes])
