"""A decision checked against the newest facts by plain arithmetic, sharing no code with the model that made it.

An accepted decision is applied to the store before the next one is checked, so the store is all there is to look at.
"""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.core.admission import Admission
from scheduler.core.store import Store, spots
from scheduler.model.plan import Decision, Refusal
from scheduler.model.resources import Matrix
from scheduler.model.topology import Topology
from scheduler.model.work import Gang, Place


def refusal_of(store: Store, admission: Admission, gang: Gang, decision: Decision) -> Refusal | None:
    """Why a decision no longer holds on the store as it is now; None when it does."""
    shapes = {member.name: member.shape for member in gang.members}
    need: dict[str, Matrix] = {}
    for (member, node), count in spots(decision.places).items():
        if node not in store.nodes:
            return Refusal("capacity", "NodeGone", where=node)
        if member not in shapes:
            return Refusal("gang-minimum", "UnknownMember", where=member)
        if not admission.admits(node, shapes[member]):
            return Refusal("filters", "NodeChanged", where=node)
        row = store.columns.row(shapes[member].requests) * count
        need[node] = need[node] + row if node in need else row
    return (
        _no_room(store, need)
        or _wrong_count(gang, decision)
        or _apart(store, gang, decision.places)
        or _over_limit(store, gang.queue, need)
    )


def _no_room(store: Store, need: Mapping[str, Matrix]) -> Refusal | None:
    for node, row in need.items():
        free = store.free_on(node)
        short = (row > free[: len(row)]) & (row > 0)
        if short.any():
            column = int(short.argmax())
            return Refusal(
                "capacity", "NodeFull", int(row[column]), int(free[column]), store.columns.names[column], node
            )
    return None


def _wrong_count(gang: Gang, decision: Decision) -> Refusal | None:
    placed = {place.member: sum(each.count for each in place.nodes) for place in decision.places}
    total = sum(placed.values())
    if total < gang.branches[0].minimum:
        return Refusal("gang-minimum", "TooFew", gang.branches[0].minimum, total)
    for member in gang.members:
        if placed.get(member.name, 0) > member.count:
            return Refusal("gang-minimum", "TooMany", member.count, placed[member.name], where=member.name)
    return None


def _apart(store: Store, gang: Gang, places: tuple[Place, ...]) -> Refusal | None:
    """Whether the topology that the whole gang requires is kept, the places it holds included."""
    ask = gang.branches[0].topology
    if ask is None or not ask.required or gang.single:
        return None
    topology = _topology(store.topologies, ask.topology)
    depth = None if topology is None else topology.depth_of(ask.required)
    if topology is None or depth is None:
        return Refusal("required-topology", "UnknownLevel", where=ask.required)
    labels = [level.node_label for level in topology.levels[: depth + 1]]
    domains = set()
    for place in (*places, *gang.held):
        for each in place.nodes:
            node = store.nodes.get(each.node)
            domains.add(None if node is None else tuple(node.labels.get(label) for label in labels))
    if len(domains) > 1:
        return Refusal("required-topology", "Apart", 1, len(domains), where=ask.required)
    return None


def _topology(topologies: Mapping[str, Topology], name: str) -> Topology | None:
    if name:
        return topologies.get(name)
    return next(iter(topologies.values())) if len(topologies) == 1 else None


def _over_limit(store: Store, queue: str, need: Mapping[str, Matrix]) -> Refusal | None:
    line: list[str] = []
    while queue in store.queues and queue not in line:
        line.append(queue)
        for quota in store.queues[queue].quotas:
            if quota.limit is None or quota.flavor or quota.resource not in store.columns.names:
                continue
            column = store.columns.names.index(quota.resource)
            asked = sum(int(row[column]) for row in need.values() if column < len(row))
            room = quota.limit - store.use_below(queue, column)
            if asked > max(0, room):
                return Refusal("queue-limit", "Limit", asked, max(0, room), quota.resource, queue)
        queue = store.queues[queue].parent
    return None
