"""What asks running work to give way: gangs without places, equal single pods as one, and surplus of elastic gangs.

A gang asks for its minima first, and for its surplus only after everybody's minima. To grow ends nobody's work: what it
takes is surplus, too, and not of those who have less of it. Else whoever gets room before it, as minima and those with
the least surplus do, would lose it to the next decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from scheduler.model.devices import DeviceUse
from scheduler.model.work import Gang, GangKey, NodeCount, Place

Places = tuple[Place, ...]


@dataclass(frozen=True, eq=False)
class Waiting:
    """One gang without places, or equal single pods as one; ``singles`` are those then, oldest first.

    ``begins``: a gang that grows has got its first places in this plan; ``surplus`` pods it got in this plan beyond its
    minima. ``leaves`` is how many surplus pods it leaves to each that it takes some of (None: it takes for its minima).
    ``front`` waits before it in a queue that serves strictly in order.
    """

    gang: Gang
    singles: tuple[Gang, ...] = ()
    begins: bool = False
    surplus: int = 0
    leaves: int | None = None
    front: GangKey | None = None


def unserved(gang: Gang, singles: Sequence[Gang], places: Places) -> Waiting | None:
    """What is left of an ask with these places; None where it is served as far as it may ask for."""
    pods = pods_of(places)
    if len(singles) > 1:
        return rest_of(Waiting(gang, tuple(singles)), pods) if pods < len(singles) else None
    if not pods:
        return Waiting(gang)
    if pods == gang.pods or not _is_flat(gang):
        return None
    needed = 0 if grows(gang) else sum(least_of(gang))
    return Waiting(_growing(gang, places), begins=not gang.held, surplus=pods - needed)


def in_order_of_leaves(waiting: Sequence[Waiting]) -> list[Waiting]:
    """The same turns for each queue, in which its own work stands by priority and age: what its limits hold back has no
    turn of its own on what is free, and may have one where its own queue gives way."""
    turns: dict[str, list[int]] = {}
    for turn, each in enumerate(waiting):
        turns.setdefault(each.gang.queue, []).append(turn)
    found = list(waiting)
    for own in turns.values():
        ordered = sorted((waiting[turn] for turn in own), key=lambda each: _rank(each.gang))
        for turn, each in zip(own, ordered, strict=True):
            found[turn] = each
    return found


def _rank(gang: Gang) -> tuple[int, float, GangKey]:
    return -gang.priority, gang.arrived_seconds, gang.key


def lacks(gang: Gang) -> bool:
    """Whether a gang that has some places is missing anything of its minima: branches that it may do without do not
    count."""
    present = [0] * len(gang.branches)
    whole = False
    for index in reversed(range(len(gang.branches))):
        branch = gang.branches[index]
        held = bool(gang.held_below(index))
        whole = held and not branch.minimum and present[index] >= branch.min_branches
        if branch.parent >= 0:
            present[branch.parent] += whole
    return not whole or any(member.minimum for member in gang.members if member.branch == 0)


def grows(gang: Gang) -> bool:
    """Whether all that it asks for is surplus."""
    return bool(gang.held) and not lacks(gang)


def in_two(waiting: Waiting) -> tuple[Waiting | None, Waiting | None]:
    """(what it cannot do without, what it would like beyond that). A gang with a tree or a leader asks for all at
    once: what it needs of whom is not known before."""
    gang = waiting.gang
    if grows(gang):
        return None, waiting
    if len(waiting.singles) > 1 or not _is_flat(gang):
        return waiting, None
    least = least_of(gang)
    members = tuple(
        msgspec.structs.replace(member, count=pods) for member, pods in zip(gang.members, least, strict=True) if pods
    )
    if sum(least) == gang.pods or not members:
        return waiting, None
    return Waiting(msgspec.structs.replace(gang, members=members), waiting.singles), waiting


def least_of(gang: Gang) -> list[int]:
    """Pods per member that a gang without a tree must have. What it needs beyond the minima of its members comes from
    the largest of them."""
    least = [member.minimum for member in gang.members]
    short = max(gang.branches[0].minimum, 1) - sum(least)
    for index in sorted(range(len(least)), key=lambda at: gang.members[at].shape.requests, reverse=True):
        more = max(0, min(short, gang.members[index].count - least[index]))
        least[index] += more
        short -= more
    return least


def grown(waiting: Waiting, places: Places) -> Waiting:
    """What is left of the surplus of a gang that has just got these places."""
    gang, begins = waiting.gang, waiting.begins or not waiting.gang.held
    surplus = waiting.surplus + pods_of(places) if grows(gang) else 0
    return Waiting(_growing(gang, places), begins=begins, surplus=surplus)


def some_of(waiting: Waiting, pods: int, leaves: int) -> Waiting:
    """A part of its surplus."""
    members = []
    for member in waiting.gang.members:
        count = min(member.count, pods)
        pods -= count
        members += [msgspec.structs.replace(member, count=count)] if count else []
    return replace(waiting, gang=msgspec.structs.replace(waiting.gang, members=tuple(members)), leaves=leaves)


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


def _is_flat(gang: Gang) -> bool:
    return len(gang.branches) == 1 and not gang.leader


def pods_of(places: Places) -> int:
    """Pods that have these places."""
    return sum(each.count for place in places for each in place.nodes)
