"""Room made without a model: by sums where there is too little, else node by node, with a bound on its cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scheduler.core.taking.costs import NEWEST_FIRST
from scheduler.core.taking.ground import MaskOf, taker_of
from scheduler.core.taking.kit import Kit, View, least_of
from scheduler.core.taking.outcome import Outcome
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.plan import Giveaway, Places, with_one_more
from scheduler.core.taking.roster import Roster
from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Refusal, TierScore
from scheduler.model.work import Gang, NodeCount, Place
from scheduler.solver.clearing.bounds import least_costs, reachable
from scheduler.solver.clearing.ground import Cleared, joined


def out_of_reach(picture: Picture, gang: Gang, kit: Kit, mask_of: MaskOf) -> Refusal | None:
    """What is missing in sum, where it is more than may be taken in sum."""
    needs = least_of(gang)
    mask = np.zeros(len(picture.snapshot.nodes), dtype=np.bool_)
    for member, _ in needs:
        mask |= mask_of(member.shape)
    for column, resource in enumerate(picture.snapshot.resources):
        need = sum(dict(member.shape.requests).get(resource, 0) * pods for member, pods in needs)
        if not need:
            continue
        own = kit.ready.columns.index(column)
        missing = need - int(np.maximum(0, kit.clearing.free[mask & kit.sound, own]).sum())
        if missing > 0 and missing > (offered := reachable(kit.ready.ground, kit.clearing, own)):
            return Refusal("taking", "OutOfReach", missing, offered, resource)
    return None


def cleared(picture: Picture, view: View, kit: Kit, mask_of: MaskOf) -> Outcome | None:
    """Room by moves and by who leaves anyway, else by the cheapest class of victims that can make it; of single
    pods each may have another."""
    waiting = view.waiting
    gang, ready, ground = waiting.gang, kit.ready, kit.ready.ground
    taker = taker_of(
        gang,
        picture.snapshot,
        picture.book,
        ready.columns,
        ready.sound,
        mask_of,
        picture.charge,
        bundle=len(waiting.singles) > 1,
    )
    free, there = kit.clearing.free.copy(), kit.clearing.there.copy()
    everybody = np.ones(len(ground.node), dtype=np.bool_)
    left = gang.members[0].count
    parts: list[Cleared] = []
    passes = [(everybody, False)] if ground.movable.any() or not kit.classes else []
    passes += [(allowed, True) for allowed in kit.classes]
    for allowed, evict in passes:
        part = kit.clearing.serve(taker, allowed, evict=evict)
        if part is None:
            continue
        parts.append(part)
        if not taker.bundle:
            break
        left -= sum(pods for _, _, pods in part.places)
        if left <= 0:
            break
        taker = replace(taker, wants=(replace(taker.wants[0], count=left),))
    if not parts:
        return None
    found = joined(ground, parts)
    pods = sum(count for _, _, count in found.places)
    bound = least_costs(ground, free, there, (ground.lane >= 0)[ground.gang], taker, pods, evicts=bool(found.evicted))
    costs = tuple(
        TierScore(tier.name, -cost, -least if least == cost or tier.kind != "highest" else None)
        for tier, cost, least in zip(ground.tiers, _with_budgets(picture, kit, found), bound, strict=True)
    )
    lowest = not found.evicted or parts[0] is found or len(kit.classes) == 1
    proven = lowest and all(
        score.value == 0
        or (score.bound is not None and score.bound <= score.value)
        or (tier.kind == "highest" and len(kit.classes) == 1)
        or tier.name == NEWEST_FIRST
        for score, tier in zip(costs, ground.tiers, strict=True)
    )
    return Outcome(
        _named(picture, gang, found.places),
        _giveaway(picture.roster, picture.snapshot, kit, found),
        costs,
        proven,
        cleared=True,
    )


def _with_budgets(picture: Picture, kit: Kit, found: Cleared) -> tuple[int, ...]:
    """The cost of each tier, with the budgets that the clearing breaks where it may: it does not count them itself."""
    pods = kit.ready.pods[[*found.evicted, *found.moved]].tolist()
    asked = Counter(guard for pod in pods for guard in picture.roster.pods[pod].guards)
    allowed = picture.snapshot.guards
    broken = sum(max(0, count - max(0, allowed.get(guard, 0))) for guard, count in asked.items())
    return tuple(
        broken if tier.kind == "guards" else cost for tier, cost in zip(kit.ready.ground.tiers, found.cost, strict=True)
    )


def _named(picture: Picture, gang: Gang, places: Sequence[tuple[int, int, int]]) -> Places:
    nodes = picture.snapshot.nodes.nodes
    found: dict[int, dict[int, int]] = {}
    for member, node, pods in places:
        here = found.setdefault(member, {})
        here[node] = here.get(node, 0) + pods
    return tuple(
        Place(gang.members[member].name, tuple(NodeCount(nodes[row].name, pods) for row, pods in sorted(own.items())))
        for member, own in sorted(found.items())
    )


def _giveaway(roster: Roster, snapshot: Snapshot, kit: Kit, found: Cleared) -> Giveaway:
    evicted, moved = np.zeros(len(roster), dtype=np.bool_), np.zeros(len(roster), dtype=np.bool_)
    evicted[kit.ready.pods[found.evicted]] = True
    moved[kit.ready.pods[list(found.moved)]] = True
    to: dict[int, Places] = {}
    for pod, node in found.moved.items():
        row = int(kit.ready.pods[pod])
        gang = int(roster.gang[row])
        member = roster.gangs[gang].members[int(roster.member[row])].name
        to[gang] = with_one_more(to.get(gang, ()), member, snapshot.nodes.nodes[node].name)
    return Giveaway(evicted, moved, to)
