"""Filter: the node's GPUs can be had in parts as the pod asks for them.

A share by memory needs a device with so much of it, and a label that says how much it has; a MIG slice needs devices
that may be cut that way; and a node needs as many devices as one pod asks for.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.devices import DEVICE_MILLI
from scheduler.model.resources import GPU
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: parts are asked for, and the devices are too few, too small, or not to be cut so."""
    ask = shape.devices
    if ask is None:
        return np.zeros(len(fleet.nodes), dtype=np.bool_)
    if GPU not in fleet.resources:
        return np.ones(len(fleet.nodes), dtype=np.bool_)
    kinds = fleet.nodes.device_kinds()
    possible = {kind: kind.milli(ask) > 0 for kind in dict.fromkeys(kinds)}
    too_few = fleet.capacity[:, fleet.resources.index(GPU)] < ask.count * DEVICE_MILLI
    return too_few | ~np.array([possible[kind] for kind in kinds], dtype=np.bool_)
