"""The last step where parts of devices are about: who really fits on which device once the victims are gone.

The model counts what devices hold and does not know which of them those who stay are on. So whoever takes, and whoever
moves, is placed once more on the devices as they will be. Where that fails, those who hold parts of devices beside the
taker are put elsewhere too, as far as they may be moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from scheduler.core.taking.plan import Giveaway, Places
from scheduler.core.taking.problem import devices_without
from scheduler.core.taking.roster import Roster
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.policy import Policy
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, GangKey, Member
from scheduler.solver.build import build
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.greedy.greedy import place

MaskOf = Callable[[Shape], Mask]


def on_devices(
    snapshot: Snapshot,
    roster: Roster,
    gang: Gang,
    own: Places,
    gives: Giveaway,
    may_move: Mask,
    policy: Policy,
    mask_of: MaskOf,
) -> tuple[Places, Giveaway] | None:
    """The same decision with its places on devices; None where it does not fit after all."""
    found = _placed(snapshot, roster, gang, own, gives.evicted, gives.moved, policy, mask_of)
    if found is not None:
        return found
    nodes = np.isin(roster.node, [snapshot.nodes.rows[each.node] for place in own for each in place.nodes])
    parts = np.array([bool(pod.devices) for pod in roster.pods], dtype=np.bool_)
    beside = nodes & parts & may_move[roster.gang] & ~roster.leaving & ~gives.evicted
    if not (beside & ~gives.moved).any():
        return None
    return _placed(snapshot, roster, gang, own, gives.evicted, gives.moved | beside, policy, mask_of)


def _placed(
    snapshot: Snapshot,
    roster: Roster,
    gang: Gang,
    own: Places,
    evicted: Mask,
    moved: Mask,
    policy: Policy,
    mask_of: MaskOf,
) -> tuple[Places, Giveaway] | None:
    """The taker first, with as many pods as it was given, then whoever moves; all of them or nothing."""
    gone = evicted | moved | roster.leaving
    movers = [int(each) for each in np.unique(roster.gang[moved])]
    asks = [_as_given(gang, own), *(_mover(roster, number, moved) for number in movers)]
    masks = {member.shape: mask_of(member.shape) for ask in asks for member in ask.members}
    built = build(
        snapshot.nodes,
        snapshot.resources,
        np.maximum(0, roster.free + roster.room_on(gone)),
        asks,
        snapshot.topologies,
        masks,
        policy,
        tiers={ask.key: at for at, ask in enumerate(asks)},
        neighbours=snapshot.neighbours,
        devices=devices_without(snapshot, roster, gone),
        standing=tuple(each for each in snapshot.standing if each.gang not in {roster.gangs[at].key for at in movers}),
    )
    if built.refused:
        return None
    places = expand(built, place(built.problem).puts)
    if isinstance(places, Unexpandable):
        return None
    if any(_count(each) < ask.pods for each, ask in zip(places, asks, strict=True)):
        return None
    to = dict(zip(movers, places[1:], strict=True))
    return places[0], _without_idle_moves(snapshot, roster, Giveaway(evicted, moved, to))


def _as_given(gang: Gang, own: Places) -> Gang:
    counts = {place.member: sum(each.count for each in place.nodes) for place in own}
    members = tuple(
        msgspec.structs.replace(member, count=counts[member.name], minimum=min(member.minimum, counts[member.name]))
        for member in gang.members
        if member.name in counts
    )
    return msgspec.structs.replace(gang, members=members)


def _mover(roster: Roster, number: int, moved: Mask) -> Gang:
    """The pods of a gang that move, as a gang of their own."""
    running = roster.gangs[number]
    counts = np.bincount(roster.member[moved & (roster.gang == number)], minlength=len(running.members)).tolist()
    members = tuple(
        Member(member.name, member.shape, count, count)
        for member, count in zip(running.members, counts, strict=True)
        if count
    )
    return Gang(
        key=GangKey(f"running/{running.key}"),
        name=running.name,
        queue=running.queue,
        priority=running.priority,
        arrived_seconds=running.arrived_seconds,
        members=members,
        branches=(Branch("", -1, minimum=sum(counts), topology=running.branches[0].topology),),
    )


def _without_idle_moves(snapshot: Snapshot, roster: Roster, gives: Giveaway) -> Giveaway:
    """Whoever came to stand on the very devices that it has stays."""
    moved, to = gives.moved.copy(), dict(gives.to)
    for number, places in gives.to.items():
        pods = np.flatnonzero(moved & (roster.gang == number)).tolist()
        new = {(each.node, each.devices) for place in places for each in place.nodes}
        old = {(snapshot.nodes.nodes[int(roster.node[pod])].name, roster.pods[pod].devices) for pod in pods}
        if new == old:
            moved[pods] = False
            del to[number]
    return replace(gives, moved=moved, to=to)


def _count(places: Places) -> int:
    return sum(each.count for place in places for each in place.nodes)
