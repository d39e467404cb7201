"""What a tiny world is about, in words, so that a number of worlds says something."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.model.work import Gang
from tests.oracle.world import LEVELS, World


def features(world: World) -> set[str]:
    """Everything that somebody in the world asks for, or that makes it uneven."""
    return {*_of_fleet(world), *(each for gang in world.gangs for each in _of_gang(gang))}


def _of_fleet(world: World) -> Iterator[str]:
    labels = [tuple(node.labels.get(level) for level in LEVELS) for node in world.nodes]
    if any(None in each for each in labels):
        yield "missing labels"
    racks = [each[:2] for each in labels if None not in each]
    if len({racks.count(each) for each in racks}) > 1:
        yield "unequal racks"
    limited = {queue.name for queue in world.queues if any(quota.limit is not None for quota in queue.quotas)}
    if limited:
        yield "queue limits"
    if any(queue.name in limited and queue.parent in limited for queue in world.queues):
        yield "nested queue limits"


def _of_gang(gang: Gang) -> Iterator[str]:
    if any(branch.parent > 0 for branch in gang.branches):
        yield "three-level tree"
    elif len(gang.branches) > 1:
        yield "subgroups"
    if any(one.branch == other.branch for one in gang.members for other in gang.members if one.name < other.name):
        yield "unlike pods in a branch"
    if gang.leader:
        yield "leader"
    if sum(member.minimum for member in gang.members) < gang.pods and gang.branches[0].minimum < gang.pods:
        yield "elastic"
    for branch in gang.branches:
        ask = branch.topology
        if ask is not None:
            asked = {
                "required level": ask.required,
                "preferred level": ask.preferred,
                "slices": ask.slices,
                "nested slices": len(ask.slices) > 1,
                "exclusive": ask.exclusive,
                "balance": ask.balance,
            }
            yield from (name for name, there in asked.items() if there)
    for member in gang.members:
        relations, devices = member.shape.relations, member.shape.devices
        if devices is not None:
            yield "MIG" if devices.profile else "shares of a GPU" if devices.count == 1 else "shares of several GPUs"
        if relations is not None:
            asks = {
                "anti-affinity": relations.anti_affinity,
                "affinity": relations.affinity,
                "spread": relations.spread,
            }
            yield from (name for name, there in asks.items() if there)
