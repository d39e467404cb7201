"""From a scenario to the snapshot that a decision is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from scheduler.core.facts.books import taken_by
from scheduler.core.facts.devices import DeviceBook
from scheduler.model.cluster import Holding, NodeTable, Snapshot, UseKey
from scheduler.model.devices import slots_of
from scheduler.model.flavor import flavor_of
from scheduler.model.resources import CPU, GPU, MEMORY, PODS, Matrix, resources, vector
from scheduler.scenario import fleet
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.state import GangState, World, world_of


def to_snapshot(scenario: Scenario) -> Snapshot:
    """The snapshot at ``now``: running gangs take room on nodes and in queues, gangs with pods to place wait."""
    return snapshot_of(world_of(scenario))


def snapshot_of(world: World, version: int = 1) -> Snapshot:
    """The snapshot of a world. Every pod takes its room until it is gone, also where it is only promised."""
    flavors = fleet.flavors(world.scenario)
    table = NodeTable.of(world.nodes, flavors)
    states = tuple(world.gangs.values())
    names = _resources(table, states)
    capacity: Matrix = np.zeros((len(table), len(names)), dtype=np.int64)
    for row, node in enumerate(table.nodes):
        capacity[row] = vector(node.allocatable, names)
    free = capacity.copy()
    use: dict[str, Matrix] = {name: np.zeros(len(names), dtype=np.int64) for name in world.queues}
    use_by: dict[UseKey, Matrix] = {}
    book = DeviceBook()
    for state in states:
        plan = state.plan
        shapes = {member.name: member.shape for member in plan.members}
        for pod in state.pods:
            row = table.rows[pod.node]
            taken = vector(taken_by(shapes[pod.member], pod.devices), names)
            free[row] -= taken
            use[plan.queue] = use.get(plan.queue, np.zeros_like(taken)) + taken
            key = (plan.queue, flavor_of(table.nodes[row].labels, flavors), not plan.preemptible)
            use_by[key] = use_by.get(key, np.zeros_like(taken)) + taken
            if pod.devices:
                book.count(row, pod.devices, 1)
    running = (state.running(world.guarded) for state in states)
    return Snapshot(
        version=version,
        resources=names,
        nodes=table,
        capacity=capacity,
        free=free,
        gangs=tuple(state.gang() for state in states if state.waits),
        queues=world.queues,
        use=use,
        use_by=use_by,
        topologies=fleet.topologies(world.scenario),
        standing=tuple(state.standing() for state in states if state.pods),
        devices=_devices(table, book, states, capacity[:, names.index(GPU)], free[:, names.index(GPU)]),
        running=tuple(each for each in running if each is not None),
        guards=world.guards,
        held_by=_held_by(states),
    )


def _held_by(states: Iterable[GangState]) -> dict[tuple[str, str], Holding]:
    """What each user holds in each leaf, places that are only promised included."""
    found: dict[tuple[str, str], Holding] = {}
    for state in states:
        if state.pods:
            shapes = {member.name: member.shape for member in state.plan.members}
            owner = (state.plan.queue, state.plan.form.user)
            before = found.get(owner, Holding(0, 0))
            amounts = Counter(dict(before.amounts))
            for pod in state.pods:
                amounts.update(dict(taken_by(shapes[pod.member], pod.devices)))
            found[owner] = Holding(before.gangs + 1, before.pods + len(state.pods), resources(amounts))
    return found


def _devices(
    table: NodeTable, book: DeviceBook, states: Iterable[GangState], capacity: Matrix, free: Matrix
) -> Matrix | None:
    """The states of all devices, where anybody has or asks for parts of them."""
    if all(member.shape.devices is None for state in states for member in state.plan.members):
        return None
    slots = [slots_of(kind) for kind in table.device_kinds()]
    return book.matrix(np.arange(len(table)), capacity, capacity - free, slots)


def _resources(table: NodeTable, states: Iterable[GangState]) -> tuple[str, ...]:
    known = dict.fromkeys((CPU, MEMORY, PODS, GPU))
    for node in table.nodes:
        known |= dict.fromkeys(name for name, _ in node.allocatable)
    for state in states:
        for member in state.plan.members:
            known |= dict.fromkeys(name for name, _ in member.shape.requests)
    return tuple(known)
