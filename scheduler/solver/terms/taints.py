"""Filter TaintToleration: every NoSchedule or NoExecute taint of the node is tolerated, by the pod or by the flavor of
the node that its gang accepts."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.shape import Shape, Toleration
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.tolerance import HARD_EFFECTS, tolerates


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: at least one hard taint is not tolerated. Decided once per distinct set of taints."""
    nodes = fleet.nodes
    refused = _refused(shape.tolerations, nodes)
    for code, (name, more) in enumerate(zip(nodes.flavors, nodes.flavor_tolerations, strict=True)):
        if more and name in shape.flavors and nodes.flavor_codes is not None:
            refused = np.where(nodes.flavor_codes == code, _refused((*shape.tolerations, *more), nodes), refused)
    return refused


def _refused(tolerations: tuple[Toleration, ...], nodes: NodeTable) -> Mask:
    refused = [
        any(taint.effect in HARD_EFFECTS and not tolerates(tolerations, taint) for taint in taints)
        for taints in nodes.taint_sets
    ]
    return np.array(refused, dtype=np.bool_)[nodes.taint_codes]
