"""From a scenario to the snapshot that a decision is made from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.model.cluster import NodeTable, Snapshot
from scheduler.model.resources import CPU, GPU, MEMORY, PODS, Matrix, vector
from scheduler.scenario import fleet
from scheduler.scenario.gangs import GangPlan, gangs
from scheduler.scenario.scenario import Scenario


def to_snapshot(scenario: Scenario) -> Snapshot:
    """The snapshot at ``now``: running gangs take room on nodes and in queues, gangs with pods to place wait."""
    plans = gangs(scenario)
    table = NodeTable.of(fleet.nodes(scenario))
    names = _resources(table, plans)
    capacity: Matrix = np.zeros((len(table), len(names)), dtype=np.int64)
    for row, node in enumerate(table.nodes):
        capacity[row] = vector(node.allocatable, names)
    free = capacity.copy()
    queues = fleet.queues(scenario)
    use: dict[str, Matrix] = {name: np.zeros(len(names), dtype=np.int64) for name in queues}
    for plan in plans:
        for member in plan.members:
            request = vector(member.shape.requests, names)
            use[plan.queue] += member.running * request
            for node_name, count in member.on.items():
                free[table.rows[node_name]] -= count * request
    return Snapshot(
        version=1,
        resources=names,
        nodes=table,
        capacity=capacity,
        free=free,
        gangs=tuple(plan.gang() for plan in plans if plan.waits),
        queues=queues,
        use=use,
        topologies=fleet.topologies(scenario),
        standing=tuple(plan.standing() for plan in plans if plan.running),
    )


def _resources(table: NodeTable, plans: Iterable[GangPlan]) -> tuple[str, ...]:
    known = dict.fromkeys((CPU, MEMORY, PODS, GPU))
    for node in table.nodes:
        known |= dict.fromkeys(name for name, _ in node.allocatable)
    for plan in plans:
        for member in plan.members:
            known |= dict.fromkeys(name for name, _ in member.shape.requests)
    return tuple(known)
