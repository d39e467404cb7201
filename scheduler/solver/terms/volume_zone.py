"""Filter VolumeZone: the zone and region labels of the pod's bound volumes match the node's.

Source: kube-scheduler's plugin of that name. A node without any zone or region label is accepted; a volume's beta label
is compared with the node's current one where the node lacks the beta label.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.selector import Requirement
from scheduler.model.shape import NodeTerm, Shape
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.node_matching import matches

CURRENT_LABEL = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: some label of some volume differs."""
    nodes = fleet.nodes
    refused = np.zeros(len(nodes), dtype=np.bool_)
    for reach in shape.volumes.reaches if shape.volumes is not None else ():
        for key, values in reach.zones:
            current = CURRENT_LABEL.get(key, key)
            own = matches(nodes, NodeTerm((Requirement(key, "In", values),)))
            newer = matches(nodes, NodeTerm((Requirement(current, "In", values),)))
            refused |= ~np.where(_has(nodes, key), own, newer)
    if refused.any():
        labelled = np.zeros(len(nodes), dtype=np.bool_)
        for key in (*CURRENT_LABEL, *CURRENT_LABEL.values()):
            labelled |= _has(nodes, key)
        refused &= labelled
    return refused


def _has(nodes: NodeTable, key: str) -> Mask:
    codes, _ = nodes.label_column(key)
    return np.asarray(codes >= 0)
