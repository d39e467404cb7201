"""Required inter-pod affinity."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.domain_counts import around_each_node, has_key
from scheduler.solver.fleet import Fleet


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused as things stand: a domain of the node has no pod that matches.

    The first of a group may go anywhere: where no pod matches on any node with one of the keys, and the pod itself
    does. A node must have all keys either way.
    """
    refused = bars(shape, fleet)
    affinity = shape.relations.affinity if shape.relations is not None else None
    if affinity is None:
        return refused
    counts = fleet.neighbours.matching[affinity.selector]
    around = [around_each_node(fleet.nodes, key, counts) for key in affinity.topology_keys]
    if not any(each.any() for each in around) and affinity.selector in shape.matched:
        return refused
    for each in around:
        refused |= each == 0
    return refused


def bars(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused whatever else is placed: the node lacks a key."""
    barred = np.zeros(len(fleet.nodes), dtype=np.bool_)
    affinity = shape.relations.affinity if shape.relations is not None else None
    for key in affinity.topology_keys if affinity is not None else ():
        barred |= ~has_key(fleet.nodes, key)
    return barred
