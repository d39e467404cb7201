"""What giving way costs, tier by tier in the order of the policy, as weights of pods."""

from __future__ import annotations

import numpy as np

from scheduler.core.ledger import Ledger
from scheduler.core.rights import OWN_QUEUE, Rights
from scheduler.core.roster import Roster
from scheduler.model.policy import Policy
from scheduler.model.resources import Matrix, unit_of
from scheduler.solver.giving import Tier

NEWEST_FIRST = "older-evicted"
"""Decides between sets of equal cost: of two gangs the one that came later goes. So whoever is older and waits finds
nobody newer in its place."""

_ADDED = {"lost-seconds", "gpus-evicted", "pods-evicted"}
"""Costs of evicted pods that add up; surplus pods go before whole gangs, so each is first counted for these alone."""


def costs_of(
    roster: Roster,
    rights: Rights,
    resources: tuple[str, ...],
    book: Ledger,
    policy: Policy,
    now_seconds: float,
) -> tuple[tuple[Tier, ...], Matrix]:
    """(tiers, [P x T] weight of each pod in each). Tiers in which nothing has a weight are left out."""
    gangs = roster.gangs
    elastic = np.array([_has_surplus(roster, number) for number in range(len(gangs))], dtype=np.bool_)
    lanes = np.array([rights.lanes[lane].rights[0].name == OWN_QUEUE if lane >= 0 else False for lane in rights.lane])
    priorities = sorted({each.priority for each, lane in zip(gangs, rights.lane, strict=True) if lane >= 0})
    rank = {priority: place + 1 for place, priority in enumerate(priorities)}
    value = policy.value_resource
    amount = roster.room[:, resources.index(value)] if value in resources else np.zeros(len(roster), dtype=np.int64)
    if not amount.any():  # what runs holds nothing of what is worth most: what its queues are charged for decides
        column = int(np.argmax(roster.charge.sum(axis=0) / np.maximum(1, np.array(book.total))))
        value, amount = book.columns[column][0], roster.charge[:, column]
    amount = amount // (unit_of(value) // 10 or 1)
    own = lanes[roster.gang] if len(gangs) else np.zeros(len(roster), dtype=np.bool_)
    lost = np.array(
        [max(0, int(now_seconds - max(each.saved_seconds, each.started_seconds))) for each in gangs], dtype=np.int64
    )[roster.gang]
    one = np.ones(len(roster), dtype=np.int64)
    weights = {
        "guards-broken": one * 0,
        "own-queue": own.astype(np.int64),
        "least-above-share": np.where(own, 0, rights.rank[roster.gang]),
        "highest-priority": np.array([rank.get(each.priority, 0) for each in gangs], dtype=np.int64)[roster.gang],
        "lost-seconds": amount * lost,
        "gpus-evicted": amount,
        "pods-evicted": one,
        "moved-seconds": amount * lost,
        "pods-moved": one,
    }
    kinds = {
        "guards-broken": "guards",
        "least-above-share": "highest",
        "highest-priority": "highest",
        "moved-seconds": "moved",
        "pods-moved": "moved",
    }
    tiers: list[Tier] = []
    found: list[Matrix] = []
    for name in policy.taking.costs:
        if name in _ADDED and elastic.any() and weights[name].any():
            tiers.append(Tier(f"{name}/whole", "whole"))
            found.append(weights[name])
        if weights[name].any() or (name == "guards-broken" and policy.taking.break_guards):
            tiers.append(Tier(name, kinds.get(name, "evicted")))
            found.append(weights[name])
    order = np.argsort(np.argsort([-each.arrived_seconds for each in gangs], kind="stable"), kind="stable")
    tiers.append(Tier(NEWEST_FIRST, "evicted"))
    found.append(order[roster.gang] if len(gangs) else one)
    return tuple(tiers), np.array(found, dtype=np.int64).reshape(-1, len(roster)).T


def _has_surplus(roster: Roster, number: int) -> bool:
    gang = roster.gangs[number]
    return len(gang.pods) > max(gang.branches[0].minimum, sum(member.minimum for member in gang.members))
