"""Pods per topology domain, where a domain is a value of one node label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.model.cluster import NodeTable
from scheduler.model.neighbours import NodeCounts

Sums = NDArray[np.int64]


def per_domain(nodes: NodeTable, key: str, counts: NodeCounts) -> Sums:
    """[values of the label] pods in each domain, codes as in `NodeTable.label_column`; nodes without the key count
    nowhere."""
    codes, values = nodes.label_column(key)
    return np.bincount(codes + 1, weights=counts, minlength=len(values) + 1)[1:].astype(np.int64)


def around_each_node(nodes: NodeTable, key: str, counts: NodeCounts) -> Sums:
    """[nodes] pods in the domain of each node; 0 where a node lacks the key."""
    codes, _ = nodes.label_column(key)
    return np.append(per_domain(nodes, key, counts), 0)[codes]


def has_key(nodes: NodeTable, key: str) -> NDArray[np.bool_]:
    """[nodes] which have the label at all."""
    return np.asarray(nodes.label_column(key)[0] >= 0)
