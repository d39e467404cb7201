"""Filter VolumeRestrictions: a claim that only one pod may use is used by none, and no disk is shared where it must
not be.

Source: kube-scheduler's plugin of that name. A ReadWriteOncePod claim conflicts wherever its other pod is; a disk named
in the pod itself (GCE, EBS, RBD, iSCSI) only on the node that has it already.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Disk, Shape
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused."""
    asked, facts = shape.volumes, fleet.volumes
    refused = np.zeros(len(fleet.nodes), dtype=np.bool_)
    if asked is None or facts is None:
        return refused
    if any(key in facts.in_use for key in asked.once):
        return np.ones(len(fleet.nodes), dtype=np.bool_)
    if asked.disks:
        for name, there in facts.disks.items():
            row = fleet.nodes.rows.get(name)
            if row is not None:
                refused[row] = any(_conflict(disk, other) for disk in asked.disks for other in there)
    return refused


def _conflict(disk: Disk, other: Disk) -> bool:
    if (disk.kind, disk.name) != (other.kind, other.name) or (disk.read_only and other.read_only):
        return False
    return disk.kind != "rbd" or not set(disk.hosts).isdisjoint(other.hosts)
