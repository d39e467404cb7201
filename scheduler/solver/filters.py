"""Which nodes a shape may use at all, and why not the others: the filters of the policy, in its order."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.policy import Policy
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape
from scheduler.solver.fleet import Fleet
from scheduler.solver.terms.table import FILTERS

Eligibility = tuple[Mask, tuple[tuple[str, int], ...]]
"""[nodes] eligible, and how many nodes each filter refused first, as (filter, nodes) in the policy's order."""


def eligible(
    shape: Shape, nodes: NodeTable, capacity: Matrix, resources: tuple[str, ...], policy: Policy
) -> Eligibility:
    """Every refused node counts under the first filter that refuses it, so the counts add up to the refused nodes.

    ``capacity`` is [nodes x resources], allocatable totals. It follows from the arguments alone: a caller may keep the
    answer per shape for as long as node table and capacity stay the same objects. KeyError names an unknown filter.
    """
    fleet = Fleet(nodes, capacity, resources)
    accepted = np.ones(len(nodes), dtype=np.bool_)
    counts: list[tuple[str, int]] = []
    for name in policy.filters:
        refused_first = FILTERS[name](shape, fleet) & accepted
        number = int(np.count_nonzero(refused_first))
        if number:
            counts.append((name, number))
            accepted &= ~refused_first
    return accepted, tuple(counts)
