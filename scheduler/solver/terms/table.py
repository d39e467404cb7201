"""Every term by the name that policies use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.plan import Refusal
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape
from scheduler.solver.problem import Problem, Put
from scheduler.solver.terms import (
    capacity,
    gang_minimum,
    gpu_model,
    modelled,
    node_affinity,
    packing,
    preferred_topology,
    queue_limit,
    ready,
    required_topology,
    resources,
    served_value,
    taints,
    unschedulable,
)

Filter = Callable[[Shape, NodeTable, Matrix, tuple[str, ...]], Mask]
"""(shape, nodes, capacity, resources) -> [nodes] refused."""


@dataclass(frozen=True)
class Rule:
    """What must hold: the plain check."""

    broken: Callable[[Problem, Iterable[Put]], list[Refusal]]


@dataclass(frozen=True)
class Goal:
    """What is minimised, in one or more stages, each fixed before the next."""

    stages: Callable[[Problem], tuple[int, ...]]
    stage_name: Callable[[Problem, int], str]
    cost: Callable[[Problem, Iterable[Put], int], int]


FILTERS: Mapping[str, Filter] = {
    "modelled": modelled.refuse,
    "unschedulable": unschedulable.refuse,
    "ready": ready.refuse,
    "taints": taints.refuse,
    "node-affinity": node_affinity.refuse,
    "gpu-model": gpu_model.refuse,
    "resources": resources.refuse,
}

RULES: Mapping[str, Rule] = {
    capacity.NAME: Rule(capacity.broken),
    queue_limit.NAME: Rule(queue_limit.broken),
    gang_minimum.NAME: Rule(gang_minimum.broken),
    required_topology.NAME: Rule(required_topology.broken),
}

GOALS: Mapping[str, Goal] = {
    each.NAME: Goal(each.stages, each.stage_name, each.cost)  # type: ignore[attr-defined]
    for each in (served_value, preferred_topology, packing)
}
