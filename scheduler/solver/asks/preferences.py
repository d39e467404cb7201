"""What work would like of its nodes: preferred node affinity, and no taint that asks pods to stay away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.model.cluster import NodeTable
from scheduler.model.neighbours import Neighbours
from scheduler.model.shape import Shape
from scheduler.solver.asks.domain_counts import around_each_node, has_key
from scheduler.solver.asks.node_matching import matches
from scheduler.solver.asks.tolerance import tolerates
from scheduler.solver.problem import Counts, Problem

TAINT_WEIGHT = 150
"""What a taint with PreferNoSchedule costs that is not tolerated, beside weights of 1 to 100 of preferred affinity:
kube-scheduler weighs the two plugins 3 to 2."""

Costs = NDArray[np.int64]


def dislikes(shapes: Iterable[Shape], nodes: NodeTable, neighbours: Neighbours) -> Mapping[Shape, Costs]:
    """[nodes] what one pod costs where, at least 0; only of shapes to which nodes are not all the same.

    Pods count here that stand already, where nobody comes who could change it; see `scheduler.solver.asks.relate`.
    """
    soft_taints = any(taint.effect == "PreferNoSchedule" for taints in nodes.taint_sets for taint in taints)
    found = {}
    for shape in shapes:
        preferences = shape.relations.preferences if shape.relations is not None else ()
        if not (soft_taints or shape.preferred or preferences):
            continue
        costs = _of_nodes(shape, nodes) + _of_standing(shape, nodes, neighbours)
        costs -= costs.min(initial=0) if len(costs) else 0
        if costs.any():
            found[shape] = costs
    return found


def _of_nodes(shape: Shape, nodes: NodeTable) -> Costs:
    by_taints = [
        TAINT_WEIGHT * sum(each.effect == "PreferNoSchedule" and not tolerates(shape.tolerations, each) for each in own)
        for own in nodes.taint_sets
    ]
    costs = np.array(by_taints, dtype=np.int64)[nodes.taint_codes]
    for weight, term in shape.preferred:
        # An empty preferred term says nothing, as for kube-scheduler.
        costs += weight * ~matches(nodes, term) if term.expressions or term.fields else 0
    return costs


def _of_standing(shape: Shape, nodes: NodeTable, neighbours: Neighbours) -> Costs:
    costs = np.zeros(len(nodes), dtype=np.int64)
    for each in shape.relations.preferences if shape.relations is not None else ():
        if neighbours.is_alone(each.selector, shape.matched):
            around = -each.weight * around_each_node(nodes, each.topology_key, neighbours.matching[each.selector])
            if each.needs_key:
                lacking = ~has_key(nodes, each.topology_key)
                around[lacking] = around.max(initial=0) + abs(each.weight)
            costs += around
    return costs


def class_costs(problem: Problem) -> Mapping[tuple[int, int], Counts]:
    """(gang, member) -> [C] what one pod costs on each class as things stand, at least 0; only of members that prefer
    something."""
    found: dict[tuple[int, int], Costs] = {}
    for index, gang in enumerate(problem.gangs):
        for number, member in enumerate(gang.members):
            if member.dislike:
                found[index, number] = np.array(member.dislike, dtype=np.int64)
    for relation in problem.preferred:
        standing = np.array(relation.standing, dtype=np.int64)
        by_domain = standing_costs(standing, relation.weight, needs_key=relation.needs_key)
        costs = by_domain[problem.class_domain[:, relation.level]]
        for key in relation.carriers:
            found[key] = found.get(key, np.zeros(problem.class_count, dtype=np.int64)) + costs
    return {key: (costs - costs.min(initial=0)).astype(np.int32) for key, costs in found.items()}


def standing_costs(targets: Costs, weight: int, *, needs_key: bool) -> Costs:
    """[domains + 1] what so many targets per domain cost a carrier; the last one is for nodes without a domain."""
    costs = -weight * targets
    return np.append(costs, costs.max(initial=0) + abs(weight) if needs_key else 0)
