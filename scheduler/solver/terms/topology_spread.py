"""Topology spread constraints with DoNotSchedule."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import Shape
from scheduler.solver.domain_counts import around_each_node, has_key
from scheduler.solver.fleet import Fleet
from scheduler.solver.spread_domains import counted_nodes, fewest


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused as things stand: with one more pod its domain would be too far above the emptiest one."""
    refused = bars(shape, fleet)
    constraints = shape.relations.spread if shape.relations is not None else ()
    for each in constraints:
        counted = counted_nodes(shape, each, fleet.nodes)
        counts = np.where(counted, fleet.neighbours.matching[each.selector], 0) if each.counts else counted * 0
        here = around_each_node(fleet.nodes, each.topology_key, counts)
        own = int(each.selector in shape.matched)
        refused |= here + own - fewest(fleet.nodes, each, counted, counts) > each.max_skew
    return refused


def bars(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused whatever else is placed: the node lacks a key."""
    barred = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for each in shape.relations.spread if shape.relations is not None else ():
        barred |= ~has_key(fleet.nodes, each.topology_key)
    return barred
