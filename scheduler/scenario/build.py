"""From a scenario to the snapshot that a decision is made from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.core.store import taken_by
from scheduler.model.cluster import NodeTable, Snapshot, UseKey
from scheduler.model.devices import slots_of
from scheduler.model.flavor import flavor_of
from scheduler.model.resources import CPU, GPU, MEMORY, PODS, Matrix, vector
from scheduler.scenario import fleet
from scheduler.scenario.gangs import GangPlan, gangs
from scheduler.scenario.parts import Parts
from scheduler.scenario.scenario import Scenario


def to_snapshot(scenario: Scenario) -> Snapshot:
    """The snapshot at ``now``: running gangs take room on nodes and in queues, gangs with pods to place wait."""
    plans = gangs(scenario)
    table = NodeTable.of(fleet.nodes(scenario), fleet.flavors(scenario))
    names = _resources(table, plans)
    capacity: Matrix = np.zeros((len(table), len(names)), dtype=np.int64)
    for row, node in enumerate(table.nodes):
        capacity[row] = vector(node.allocatable, names)
    free = capacity.copy()
    queues = fleet.queues(scenario)
    use: dict[str, Matrix] = {name: np.zeros(len(names), dtype=np.int64) for name in queues}
    use_by: dict[UseKey, Matrix] = {}
    parts = Parts(table)
    held = parts.take(plans)
    for plan in plans:
        for member in plan.members:
            for node_name, count in member.on.items():
                row = table.rows[node_name]
                each = held.get((plan.name, member.name, node_name), [()] * count)
                taken = np.sum([vector(taken_by(member.shape, uses), names) for uses in each], axis=0)
                free[row] -= taken
                use[plan.queue] += taken
                flavor = flavor_of(table.nodes[row].labels, fleet.flavors(scenario))
                key = (plan.queue, flavor, not plan.preemptible)
                use_by[key] = use_by.get(key, np.zeros_like(taken)) + taken
    return Snapshot(
        version=1,
        resources=names,
        nodes=table,
        capacity=capacity,
        free=free,
        gangs=tuple(plan.gang() for plan in plans if plan.waits),
        queues=queues,
        use=use,
        use_by=use_by,
        topologies=fleet.topologies(scenario),
        standing=tuple(plan.standing() for plan in plans if plan.running),
        devices=_devices(table, parts, plans, capacity[:, names.index(GPU)], free[:, names.index(GPU)]),
    )


def _devices(
    table: NodeTable, parts: Parts, plans: Iterable[GangPlan], capacity: Matrix, free: Matrix
) -> Matrix | None:
    """The states of all devices, where anybody has or asks for parts of them."""
    if all(member.shape.devices is None for plan in plans for member in plan.members):
        return None
    slots = [slots_of(kind) for kind in table.device_kinds()]
    return parts.book.matrix(np.arange(len(table)), capacity, capacity - free, slots)


def _resources(table: NodeTable, plans: Iterable[GangPlan]) -> tuple[str, ...]:
    known = dict.fromkeys((CPU, MEMORY, PODS, GPU))
    for node in table.nodes:
        known |= dict.fromkeys(name for name, _ in node.allocatable)
    for plan in plans:
        for member in plan.members:
            known |= dict.fromkeys(name for name, _ in member.shape.requests)
    return tuple(known)
