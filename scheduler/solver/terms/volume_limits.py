"""Filter NodeVolumeLimits: the node may attach all volumes of the pod, per CSI driver, and the drivers are there.

Source: kube-scheduler's CSILimits. Distinct volumes count, those of pods and those that are attached though no pod uses
them; only a volume that another pod uses on the node already costs nothing more. A node without a limit takes any
number. What several waiting pods attach together is the rule `capacity` on a column per driver (`attach_columns`).
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape, VolumeAsk
from scheduler.model.volumes import CsiNode, VolumeFacts
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused."""
    refused = np.zeros(len(fleet.nodes), dtype=np.bool_)
    asked, facts = shape.volumes, fleet.volumes
    if asked is None or facts is None or not (asked.attach or asked.in_tree):
        return refused
    must_be_there = [name for name, _ in asked.attach if name in facts.drivers and facts.drivers[name].must_be_there]
    if must_be_there:
        refused[:] = True
    for name, csi_node in facts.csi_nodes.items():
        row = fleet.nodes.rows.get(name)
        if row is not None:
            there = {driver for driver, _ in csi_node.drivers}
            refused[row] = not there.issuperset(must_be_there) or _full(asked, facts, csi_node)
    return refused


def _full(asked: VolumeAsk, facts: VolumeFacts, node: CsiNode) -> bool:
    """Whether the node cannot attach what is asked for. Volumes of a plugin that a CSI driver has taken over there
    would count as that driver's: they are not modelled, so such a node is refused."""
    if not set(asked.in_tree).isdisjoint(node.migrated):
        return True
    limits = {driver: limit for driver, limit in node.drivers if limit is not None}
    there = facts.by_pods.get(node.name, frozenset())
    used = facts.attached.get(node.name, {})
    for driver, count in asked.attach:
        if driver in limits:
            new = count - sum(1 for handle in asked.shared if handle[0] == driver and handle in there)
            if new > 0 and used.get(driver, 0) + new > limits[driver]:
                return True
    return False
