"""From gangs and a picture of the fleet to the compact problem, and what is needed to get back to nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from scheduler.model.cluster import Mask, NodeTable, Standing
from scheduler.model.devices import DEVICE_MILLI, DeviceAsk, DeviceKind
from scheduler.model.neighbours import NOBODY, Neighbours
from scheduler.model.plan import Refusal
from scheduler.model.policy import Policy
from scheduler.model.resources import GPU, PODS, Matrix, is_gpu, vector
from scheduler.model.shape import Shape
from scheduler.model.topology import Topology
from scheduler.model.work import Gang, GangKey
from scheduler.solver.asks.levels import Levels, level_asks
from scheduler.solver.asks.one_per_node import one_per_node
from scheduler.solver.asks.preferences import Costs, dislikes
from scheduler.solver.asks.relate import level_columns, relate
from scheduler.solver.classes import Demand, NodeClasses, Rows, node_classes
from scheduler.solver.devices.devices import ClassDevices, fits, idle_devices, sorted_states
from scheduler.solver.devices.worth import NEED_MIX, mix_of
from scheduler.solver.greedy.exclusive import Closed, closed_nodes
from scheduler.solver.problem import (
    KINDS,
    PREFERENCE,
    BranchAsk,
    Counts,
    GangAsk,
    MemberAsk,
    Problem,
    QueueRoom,
    QuotaLine,
)
from scheduler.solver.quota import CountRoom, Lending
from scheduler.solver.scarcity import by_scarcity, packing_columns


@dataclass(frozen=True, eq=False)
class BuiltDevices:
    """The GPUs of each node: ``states`` [N x D] by number, ``order`` [N x D] the numbers in the order of the class, and
    their kinds as in `ClassDevices`."""

    states: Matrix
    order: Matrix
    memory_mib: Counts
    layout: Counts

    @classmethod
    def of(cls, states: Matrix, nodes: NodeTable) -> BuiltDevices:
        kinds = nodes.device_kinds()
        memory = np.array([kind.memory_mib for kind in kinds], dtype=np.int32)
        layout = np.array([kind.layout for kind in kinds], dtype=np.int32)
        return cls(states, sorted_states(states), memory, layout)

    @property
    def apart(self) -> Matrix:
        """[N x K] what tells nodes apart: the multiset of states, and the kind."""
        states = np.take_along_axis(self.states, self.order, axis=1)
        return np.concatenate([states, self.memory_mib[:, None], self.layout[:, None]], axis=1)

    def of_rows(self, rows: Rows) -> ClassDevices:
        """The devices of classes, by one node of each."""
        states = np.take_along_axis(self.states[rows], self.order[rows], axis=1)
        return ClassDevices(states, self.memory_mib[rows], self.layout[rows])

    def fits(self, ask: DeviceAsk) -> Matrix:
        """[N] how many pods of an ask the devices of each node hold."""
        nodes = ClassDevices(self.states, self.memory_mib, self.layout)
        return fits(self.states.T, np.arange(len(self.states)), nodes.need(ask))

    def kind(self, row: int) -> DeviceKind:
        return DeviceKind(int(self.memory_mib[row]), int(self.layout[row]))


@dataclass(frozen=True, eq=False)
class QueueRules:
    """What queues ask for besides limits: ``fronts`` (gang -> the one whose turn is right before it), ``lending`` and
    ``counts`` over the resources and queues of `build`, ``users`` of gangs as the counts number them."""

    fronts: Mapping[GangKey, GangKey] = field(default_factory=dict)
    lending: tuple[Lending, ...] = ()
    counts: tuple[CountRoom, ...] = ()
    users: Mapping[GangKey, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Built:
    """A problem with its way back: ``gangs`` stand as in ``problem.gangs``, ``class_rows`` are the node rows of
    each class.

    ``free`` is [N x R] over ``problem.resources``, the true free amounts; ``masks`` says where each shape may go.
    ``closed`` is what standing gangs close to members. ``refused`` are gangs whose ask cannot be understood; they are
    not in the problem.
    """

    problem: Problem
    gangs: tuple[Gang, ...]
    nodes: NodeTable
    free: Matrix
    domains: Counts
    masks: Mapping[Shape, Mask]
    class_rows: tuple[Rows, ...]
    refused: Mapping[GangKey, tuple[Refusal, ...]]
    devices: BuiltDevices | None = None
    """There when something asks for parts of devices."""
    closed: Closed = field(default_factory=dict)
    queue_names: tuple[str, ...] = ()
    """For people, beside ``problem.queues``; empty: indices stand for names."""

    def mask(self, gang: int, member: int) -> Mask:
        """[nodes] where a member may go: its filters, and what standing gangs leave to it."""
        mask = self.masks[self.gangs[gang].members[member].shape]
        closed = self.closed.get((self.gangs[gang].key, member))
        return mask if closed is None else mask & ~closed


def build(
    nodes: NodeTable,
    resources: tuple[str, ...],
    free: Matrix,
    gangs: Sequence[Gang],
    topologies: Mapping[str, Topology],
    masks: Mapping[Shape, Mask],
    policy: Policy,
    *,
    tiers: Mapping[GangKey, int] | None = None,
    values: Mapping[GangKey, tuple[int, ...]] | None = None,
    bonuses: Mapping[GangKey, int] | None = None,
    queue_rooms: tuple[QueueRoom, ...] = (),
    queue_of_gang: Mapping[GangKey, int] | None = None,
    queue_names: tuple[str, ...] = (),
    devices: Matrix | None = None,
    standing: tuple[Standing, ...] = (),
    neighbours: Neighbours = NOBODY,
    alike: Mask | None = None,
    queue_rules: QueueRules = QueueRules(),
) -> Built:
    """Gangs stand in rank order. ``free`` [N x R] and each ``QueueRoom.room`` are over ``resources``.

    ``masks`` holds the eligible nodes of every shape (`filters.eligible`). Without ``tiers`` a gang's tier follows
    from its priority, highest first; without ``values`` a pod is worth what it takes of the policy's value
    resource, else 1. ``queue_of_gang`` are indices into ``queue_rooms`` (absent: no queue binds). ``devices`` [N x D]
    are the states of GPUs (`Snapshot.devices`): required where a shape asks for parts of them. ``neighbours`` are the
    pods that stand already. Nodes that are not ``alike`` [N] are classes of their own.
    """
    levels = Levels(nodes, topologies)
    refused: dict[GangKey, tuple[Refusal, ...]] = {}
    kept: list[Gang] = []
    branches: list[tuple[BranchAsk, ...]] = []
    for gang in gangs:
        asks, refusals = level_asks(gang, levels)
        if refusals:
            refused[gang.key] = refusals
        else:
            kept.append(gang)
            branches.append(asks)

    closed = closed_nodes(kept, branches, standing, nodes, levels)
    columns = _columns(kept, resources)
    alone = one_per_node(kept, nodes, neighbours)
    related = relate(kept, nodes, neighbours, alone.apart, len(levels.names))
    domains = level_columns(levels.domains, related)
    own_names = tuple(resources[column] for column in columns)
    names = own_names + alone.names
    free_seen = np.hstack([free[:, columns], alone.free])
    if devices is not None and GPU in names:
        free_seen[:, names.index(GPU)] = idle_devices(devices.T) * DEVICE_MILLI
    parts = None
    if any(shape.devices is not None for shape in _shapes(kept)):
        assert devices is not None, "somebody asks for parts of devices, and their states are not given"
        parts = BuiltDevices.of(devices, nodes)
    told_apart = bool(nodes.flavors) and (
        any(gang.flavors for gang in kept)
        or any(line.flavor >= 0 for queue in queue_rooms for line in queue.lines)
        or any(each.flavor >= 0 for each in queue_rules.lending)
    )
    apart = [] if parts is None else [parts.apart]
    if told_apart and nodes.flavor_codes is not None:
        apart.append(nodes.flavor_codes[:, None].astype(np.int64))
    disliked = dislikes(_shapes(kept), nodes, neighbours) if PREFERENCE in policy.goals else {}
    apart += [costs[:, None] for costs in disliked.values()]
    if alike is not None:
        apart.append(np.where(alike, 0, np.arange(1, len(nodes) + 1))[:, None])
    requests = {
        shape: request + alone.request(shape) for shape, request in _requests(kept, own_names, resources).items()
    }
    classes = node_classes(
        free_seen,
        _demands(kept, requests, masks),
        domains,
        by_scarcity(names),
        packing_columns(names),
        np.concatenate(apart, axis=1) if apart else None,
    )
    if parts is not None:  # whoever takes a part of a device counts those left whole, so here nothing is rounded
        classes.free[:, names.index(GPU)] = free_seen[classes.first_rows, names.index(GPU)]
    gang_asks = _gang_asks(
        kept,
        branches,
        requests,
        masks,
        disliked,
        classes,
        closed,
        policy,
        tiers,
        values,
        bonuses or {},
        queue_of_gang or {},
        nodes,
        queue_rules,
        firm=any(line.firm for queue in queue_rooms for line in queue.lines),
    )
    asked = {relation.kind for relation in related.relations}
    prefers = PREFERENCE in asked or bool(disliked)
    problem = Problem(
        resources=names,
        class_nodes=np.array([len(rows) for rows in classes.rows], dtype=np.int32),
        class_free=classes.free,
        class_domain=domains[classes.first_rows] if classes.rows else domains[:0],
        level_names=(*levels.names, *related.level_names),
        domain_names=(*levels.domain_names, *related.domain_names),
        gangs=gang_asks,
        queues=tuple(
            QueueRoom(
                parent=queue.parent,
                room=tuple(queue.room[column] for column in columns) + (-1,) * len(alone.names),
                lines=tuple(
                    QuotaLine(
                        tuple(line.room[column] for column in columns) + (-1,) * len(alone.names),
                        line.flavor,
                        line.firm,
                    )
                    for line in queue.lines
                ),
            )
            for queue in queue_rooms
        ),
        # A goal or rule of which there is nothing to see would only keep others from taking the problem apart.
        goals=tuple(goal for goal in policy.goals if goal != PREFERENCE or prefers),
        rules=tuple(rule for rule in policy.rules if rule not in KINDS or rule in asked),
        node_score=policy.node_score,
        devices=None if parts is None else parts.of_rows(classes.first_rows),
        device_score=policy.device_score,
        mix=mix_of(gang_asks) if {policy.node_score, policy.device_score} & NEED_MIX else (),
        relations=tuple(related.relations),
        order=_fronts(kept, queue_rules.fronts),
        lending=tuple(
            msgspec.structs.replace(each, resource=columns.index(each.resource))
            for each in queue_rules.lending
            if each.resource in columns
        ),
        counts=tuple(
            msgspec.structs.replace(
                each, room=tuple(each.room[column] for column in columns) + (-1,) * len(alone.names)
            )
            for each in queue_rules.counts
        ),
        flavors=nodes.flavors if told_apart else (),
        class_flavor=nodes.flavor_codes[classes.first_rows] if told_apart and nodes.flavor_codes is not None else None,
    )
    return Built(
        problem=problem,
        gangs=tuple(kept),
        nodes=nodes,
        free=free_seen,
        domains=domains,
        masks=masks,
        class_rows=classes.rows,
        refused=refused,
        devices=parts,
        closed=closed,
        queue_names=queue_names,
    )


def _fronts(gangs: Sequence[Gang], fronts: Mapping[GangKey, GangKey]) -> tuple[tuple[int, int], ...]:
    index = {gang.key: number for number, gang in enumerate(gangs)} if fronts else {}
    return tuple((index[key], index[front]) for key, front in fronts.items() if key in index and front in index)


def _columns(gangs: Sequence[Gang], resources: tuple[str, ...]) -> list[int]:
    """The resources that pending work asks for, pods, and GPUs: work without GPUs is to keep away from them."""
    asked = {name for shape in _shapes(gangs) for name, requested in shape.requests if requested > 0} | {PODS}
    return [column for column, name in enumerate(resources) if name in asked or is_gpu(name)]


def _shapes(gangs: Sequence[Gang]) -> dict[Shape, None]:
    """Distinct shapes in order of first appearance."""
    return dict.fromkeys(member.shape for gang in gangs for member in gang.members)


def _requests(
    gangs: Sequence[Gang], names: tuple[str, ...], resources: tuple[str, ...]
) -> Mapping[Shape, tuple[int, ...]]:
    """A shape that asks for a resource no node has is eligible nowhere, so leaving it out here is safe."""
    known = set(resources)
    requests = {}
    for shape in _shapes(gangs):
        asked = tuple((name, amount) for name, amount in shape.requests if name in known)
        requests[shape] = tuple(int(amount) for amount in vector(asked, names))
    return requests


def _demands(
    gangs: Sequence[Gang], requests: Mapping[Shape, tuple[int, ...]], masks: Mapping[Shape, Mask]
) -> list[Demand]:
    pods: dict[Shape, int] = {}
    for gang in gangs:
        for member in gang.members:
            pods[member.shape] = pods.get(member.shape, 0) + member.count
    by_mask: dict[bytes, list[Shape]] = {}
    bits_of_mask: dict[int, bytes] = {}  # by identity: callers share one array between equal shapes
    for shape in pods:
        mask = masks[shape]
        if id(mask) not in bits_of_mask:
            bits_of_mask[id(mask)] = np.packbits(mask).tobytes()
        by_mask.setdefault(bits_of_mask[id(mask)], []).append(shape)
    demands = []
    for shapes in by_mask.values():
        matrix = np.array([requests[shape] for shape in shapes], dtype=np.int64)
        counts = np.array([pods[shape] for shape in shapes], dtype=np.int64)
        demands.append(
            Demand(
                mask=masks[shapes[0]], requests=np.unique(matrix, axis=0), total=(matrix * counts[:, None]).sum(axis=0)
            )
        )
    return demands


def _flavor_costs(gang: Gang, nodes: NodeTable) -> tuple[int, ...]:
    """What each flavor costs a gang that accepts some: how far its preference is below the highest. One that stands
    already grows where it stands."""
    if not gang.flavors:
        return ()
    preference = {choice.name: choice.preference for choice in gang.flavors}
    highest = max(preference.values())
    rows = [nodes.rows[each.node] for place in gang.held for each in place.nodes if each.node in nodes.rows]
    open_to = {nodes.flavor(row) for row in rows} or set(preference)
    return tuple(highest - preference[name] if name in preference and name in open_to else -1 for name in nodes.flavors)


def _gang_asks(
    gangs: Sequence[Gang],
    branches: Sequence[tuple[BranchAsk, ...]],
    requests: Mapping[Shape, tuple[int, ...]],
    masks: Mapping[Shape, Mask],
    disliked: Mapping[Shape, Costs],
    classes: NodeClasses,
    closed: Closed,
    policy: Policy,
    tiers: Mapping[GangKey, int] | None,
    values: Mapping[GangKey, tuple[int, ...]] | None,
    bonuses: Mapping[GangKey, int],
    queue_of_gang: Mapping[GangKey, int],
    nodes: NodeTable,
    queue_rules: QueueRules,
    *,
    firm: bool,
) -> tuple[GangAsk, ...]:
    """``firm``: whether any queue bounds what is not preemptible; else it is all the same."""
    first_rows = classes.first_rows
    eligible = {shape: np.packbits(masks[shape][first_rows]).tobytes() for shape in requests}
    dislike = {shape: tuple(costs[first_rows].tolist()) for shape, costs in disliked.items()}
    worth = {shape: dict(shape.requests).get(policy.value_resource, 0) or 1 for shape in requests}
    priorities = sorted({gang.priority for gang in gangs}, reverse=True)
    tier_of_priority = {priority: tier for tier, priority in enumerate(priorities)}
    asks = []
    for gang, gang_branches in zip(gangs, branches, strict=True):
        members = tuple(
            MemberAsk(
                request=requests[member.shape],
                count=member.count,
                minimum=member.minimum,
                branch=member.branch,
                eligible=eligible[member.shape]
                if (gang.key, number) not in closed
                else np.packbits((masks[member.shape] & ~closed[gang.key, number])[first_rows]).tobytes(),
                devices=member.shape.devices,
                dislike=dislike.get(member.shape, ()),
            )
            for number, member in enumerate(gang.members)
        )
        asks.append(
            GangAsk(
                members=members,
                branches=gang_branches,
                values=values[gang.key] if values else tuple(worth[member.shape] for member in gang.members),
                tier=tiers[gang.key] if tiers else tier_of_priority[gang.priority],
                queue=queue_of_gang.get(gang.key, -1),
                bundle=gang.single,
                firm=firm and not gang.preemptible,
                flavors=_flavor_costs(gang, nodes),
                bonus=bonuses.get(gang.key, 0),
                user=queue_rules.users.get(gang.key, -1),
                grows=bool(gang.held) and bool(queue_rules.counts),
                leader=next((at for at, member in enumerate(gang.members) if member.name == gang.leader), -1),
            )
        )
    return tuple(asks)
