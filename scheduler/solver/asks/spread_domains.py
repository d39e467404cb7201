"""Which nodes a topology spread constraint counts, and the domain with the fewest matching pods among them."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.neighbours import NodeCounts
from scheduler.model.relations import Spread
from scheduler.model.shape import Shape
from scheduler.solver.asks.domain_counts import has_key, per_domain
from scheduler.solver.asks.node_matching import affine
from scheduler.solver.asks.tolerance import HARD_EFFECTS, tolerates


def counted_nodes(shape: Shape, constraint: Spread, nodes: NodeTable) -> Mask:
    """[nodes] that count for one constraint of a pod: with the keys of *all* its constraints, and where the policies
    say so, allowed by its node affinity and by its tolerations. A cordon does not matter here."""
    assert shape.relations is not None
    counted = np.ones(len(nodes), dtype=np.bool_)
    for each in shape.relations.spread:
        counted &= has_key(nodes, each.topology_key)
    if constraint.honor_affinity:
        counted &= affine(shape, nodes)
    if constraint.honor_taints:
        tolerated = [
            all(taint.effect not in HARD_EFFECTS or tolerates(shape.tolerations, taint) for taint in taints)
            for taints in nodes.taint_sets
        ]
        counted &= np.array(tolerated, dtype=np.bool_)[nodes.taint_codes]
    return counted


def fewest(nodes: NodeTable, constraint: Spread, counted: Mask, counts: NodeCounts) -> int:
    """Matching pods in the domain that has the fewest; none where there are fewer domains than ``min_domains``."""
    domains = np.unique(nodes.label_column(constraint.topology_key)[0][counted])
    if len(domains) < max(constraint.min_domains, 1):
        return 0
    return int(per_domain(nodes, constraint.topology_key, counts)[domains].min())
