"""What giving way costs, tier by tier in the order of the policy, as weights of pods."""

from __future__ import annotations

import numpy as np

from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.rights import OWN_QUEUE, Rights
from scheduler.core.taking.roster import Roster
from scheduler.model.cluster import Mask
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
    among: Mask,
) -> tuple[tuple[Tier, ...], Matrix]:
    """(tiers, [P x T] weight of each pod in each). Tiers in which nothing has a weight are left out. ``among`` [G] are
    those of whose priorities the highest is counted."""
    traits, gang = roster.traits, roster.gang
    of_lane = np.array([*(lane.rights[0].name == OWN_QUEUE for lane in rights.lanes), False], dtype=np.bool_)
    priorities = np.unique(traits.priority[among])
    rank = np.where(np.isin(traits.priority, priorities), np.searchsorted(priorities, traits.priority) + 1, 0)
    value = policy.value_resource
    amount = roster.room[:, resources.index(value)] if value in resources else np.zeros(len(roster), dtype=np.int64)
    if not amount.any():  # what runs holds nothing of what is worth most: what its queues are charged for decides
        column = int(np.argmax(roster.charge.sum(axis=0) / np.maximum(1, np.array(book.total))))
        value, amount = book.columns[column][0], roster.charge[:, column]
    amount = amount // (unit_of(value) // 10 or 1)
    own = of_lane[rights.lane][gang]
    since = np.maximum(traits.saved_seconds, traits.started_seconds)
    lost = np.maximum(0, now_seconds - since).astype(np.int64)[gang]
    one = np.ones(len(roster), dtype=np.int64)
    weights = {
        "guards-broken": one * 0,
        "own-priority": np.where(own, rank[gang], 0),
        "own-queue": own.astype(np.int64),
        "least-above-share": np.where(own, 0, rights.rank[gang]),
        "highest-priority": rank[gang],
        "lost-seconds": amount * lost,
        "gpus-evicted": amount,
        "pods-evicted": one,
        "moved-seconds": amount * lost,
        "pods-moved": one,
    }
    kinds = {
        "guards-broken": "guards",
        "own-priority": "highest",
        "least-above-share": "highest",
        "highest-priority": "highest",
        "moved-seconds": "moved",
        "pods-moved": "moved",
    }
    tiers: list[Tier] = []
    found: list[Matrix] = []
    for name in policy.taking.costs:
        if name in _ADDED and traits.surplus.any() and weights[name].any():
            tiers.append(Tier(f"{name}/whole", "whole"))
            found.append(weights[name])
        if weights[name].any() or (name == "guards-broken" and policy.taking.break_guards):
            tiers.append(Tier(name, kinds.get(name, "evicted")))
            found.append(weights[name])
    order = np.argsort(np.argsort(-traits.arrived_seconds, kind="stable"), kind="stable")
    tiers.append(Tier(NEWEST_FIRST, "evicted"))
    found.append(order[gang])
    return tuple(tiers), np.array(found, dtype=np.int64).reshape(len(found), len(roster)).T
