"""What asks running work to give way: gangs without places, equal single pods as one, and surplus of elastic gangs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from scheduler.model.devices import DeviceUse
from scheduler.model.work import Gang, NodeCount, Place

Places = tuple[Place, ...]


@dataclass(frozen=True, eq=False)
class Waiting:
    """One gang without places, or equal single pods as one; ``singles`` are those then, oldest first.

    ``placed`` are places that an elastic gang got on what is free in the same plan: the rest of it asks for more.
    """

    gang: Gang
    singles: tuple[Gang, ...] = ()
    placed: Places = ()


def unserved(gang: Gang, singles: Sequence[Gang], places: Places) -> Waiting | None:
    """What is left of an ask with these places; None where it is served as far as it may ask for."""
    pods = _pods(places)
    if len(singles) > 1:
        return rest_of(Waiting(gang, tuple(singles)), pods) if pods < len(singles) else None
    if not pods:
        return Waiting(gang)
    if pods < gang.pods and len(gang.branches) == 1 and not gang.leader:
        return Waiting(_growing(gang, places), placed=places)
    return None


def rest_of(waiting: Waiting, pods: int) -> Waiting | None:
    """Equal single pods without the first so many; None where none is left."""
    rest = waiting.singles[pods:]
    if not rest:
        return None
    member = msgspec.structs.replace(waiting.gang.members[0], count=len(rest))
    return Waiting(msgspec.structs.replace(waiting.gang, key=rest[0].key, members=(member,)), rest)


def with_more(before: Places, more: Places) -> Places:
    """The places of one gang as one list."""
    counts: dict[str, dict[tuple[str, tuple[DeviceUse, ...]], int]] = {}
    for place in (*before, *more):
        own = counts.setdefault(place.member, {})
        for each in place.nodes:
            own[each.node, each.devices] = own.get((each.node, each.devices), 0) + each.count
    return tuple(
        Place(member, tuple(NodeCount(node, count, devices) for (node, devices), count in own.items()))
        for member, own in counts.items()
    )


def _growing(gang: Gang, places: Places) -> Gang:
    """The surplus of a gang that has its minima."""
    have = {place.member: sum(each.count for each in place.nodes) for place in places}
    members = tuple(
        msgspec.structs.replace(member, count=left, minimum=0)
        for member in gang.members
        if (left := member.count - have.get(member.name, 0)) > 0
    )
    root = msgspec.structs.replace(gang.branches[0], minimum=0)
    held = (*gang.held, *places)
    return msgspec.structs.replace(gang, members=members, branches=(root,), held=held, held_branches=(0,) * len(held))


def _pods(places: Places) -> int:
    return sum(each.count for place in places for each in place.nodes)
