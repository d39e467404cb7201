"""A decision's places checked against the gang's topology asks, on the nodes as they are labelled now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from scheduler.core.facts.standing import holders, standing
from scheduler.core.facts.store import Store
from scheduler.core.gangs.resolve import PART
from scheduler.model.cluster import Standing
from scheduler.model.plan import Refusal
from scheduler.model.topology import TORUS, Topology, TopologyAsk
from scheduler.model.work import Gang, Place


def misplaced(store: Store, gang: Gang, places: tuple[Place, ...]) -> Refusal | None:
    """Which branch does not keep what it asks for, the places that the gang holds included; None: every one does."""
    if gang.single:
        return None
    branch_of = {member.name: member.branch for member in gang.members}
    for number, branch in enumerate(gang.branches):
        ask = branch.topology
        new = [place for place in places if number in gang.line(branch_of[place.member])]
        if ask is None or not new:
            continue
        topology = _topology(store, ask.topology)
        if topology is None:
            return Refusal("required-topology", "UnknownTopology", where=ask.topology)
        inside = [*new, *gang.held_below(number)]
        refusal = (
            _apart(store, topology, ask, inside)
            or _in_part(store, topology, ask, gang, inside)
            or _shared(store, topology, ask, gang, inside)
        )
        if refusal is not None:
            return refusal
    return _intruding(store, gang, places)


def _apart(store: Store, topology: Topology, ask: TopologyAsk, inside: Sequence[Place]) -> Refusal | None:
    """More than one domain of the required level."""
    if not ask.required:
        return None
    depth = topology.depth_of(ask.required)
    if depth is None and ask.required == TORUS:
        depth = topology.box_of(sum(each.count for place in inside for each in place.nodes))
    if depth is None:
        return Refusal("required-topology", "UnknownLevel", where=f"{topology.name} {ask.required}")
    domains = {_domain(store, topology, depth, each.node) for place in inside for each in place.nodes}
    if len(domains) > 1:
        return Refusal("required-topology", "Apart", 1, len(domains), where=ask.required)
    return None


def _in_part(store: Store, topology: Topology, ask: TopologyAsk, gang: Gang, inside: Sequence[Place]) -> Refusal | None:
    """A domain with a part of a slice, or a leader that stands outside of them all."""
    for number, layer in enumerate(ask.slices):
        depth = topology.depth_of(layer.required)
        if depth is None and layer.required == TORUS:
            depth = topology.box_of(layer.size)
        if depth is None:
            return Refusal("required-topology", "UnknownLevel", where=f"{topology.name} {layer.required}")
        pods: Counter[str | None] = Counter()
        leads = set()
        for place in inside:
            for each in place.nodes:
                domain = _domain(store, topology, depth, each.node)
                if gang.leader and place.member.partition(PART)[0] == gang.leader:
                    leads.add(domain)
                else:
                    pods[domain] += each.count
        for domain, count in pods.items():
            if domain is None or count % layer.size:
                where = f"{layer.required} {domain or ''}".strip()
                return Refusal("slices", "PartOfSlice", layer.size, count % layer.size, where=where)
        if number == 0 and not leads <= pods.keys():
            return Refusal("leader", "Apart", 1, where=layer.required)
    return None


def _shared(store: Store, topology: Topology, ask: TopologyAsk, gang: Gang, inside: Sequence[Place]) -> Refusal | None:
    """Another gang in a domain that this one asks for exclusively."""
    depth = topology.depth_of(ask.exclusive) if ask.exclusive else None
    if depth is None:
        return None
    mine = {_domain(store, topology, depth, each.node) for place in inside for each in place.nodes}
    for other in standing(store):
        if other.gang != gang.key and mine & {_domain(store, topology, depth, node) for node in other.nodes}:
            return Refusal("exclusive-domains", "Shared", where=other.gang)
    return None


def _intruding(store: Store, gang: Gang, places: Iterable[Place]) -> Refusal | None:
    """Places in a domain that another gang holds exclusively."""
    nodes = {each.node for place in places for each in place.nodes}
    for other in holders(store):
        if other.gang != gang.key and any(_meet(store, other, number, nodes) for number in range(len(other.exclusive))):
            return Refusal("exclusive-domains", "Shared", where=other.gang)
    return None


def _meet(store: Store, other: Standing, number: int, nodes: set[str]) -> bool:
    held = other.exclusive[number]
    topology = _topology(store, held.topology)
    depth = None if topology is None else topology.depth_of(held.level)
    if topology is None or depth is None:
        return False
    domains = {_domain(store, topology, depth, node) for node in held.nodes} - {None}
    return any(_domain(store, topology, depth, node) in domains for node in nodes)


def _domain(store: Store, topology: Topology, depth: int, name: str) -> str | None:
    node = store.nodes.get(name)
    return None if node is None else topology.domain_of(node.labels, depth)


def _topology(store: Store, name: str) -> Topology | None:
    if name:
        return store.topologies.get(name)
    return next(iter(store.topologies.values())) if len(store.topologies) == 1 else None
