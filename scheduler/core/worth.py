"""What placed work is worth to a solver: by its size, or strictly by its turn.

By ``value`` a pod is worth its amount of the policy's value resource and a little by its CPU, and less than one unit
more the earlier its turn: value decides, turns break ties. By ``strict`` order whoever has an earlier turn outweighs
all that come later in its tier; a new tier begins where the numbers would grow too large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

from scheduler.core.window import Ask
from scheduler.model.cluster import NodeTable
from scheduler.model.policy import Policy
from scheduler.model.resources import GPU
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, GangKey

AGE_STEPS = 1000
"""How finely turns break ties between work of equal value: always less than one unit of value."""

ROOT_STEPS = 1000
"""How finely square roots of sizes are told apart."""

WORTH_MAX = 2**40
"""Sums of a few of these stay exact wherever a solver computes."""


@dataclass(frozen=True)
class Worth:
    """By gang: its tier, what one pod of each member is worth, and what its presence is worth besides."""

    tiers: Mapping[GangKey, int]
    values: Mapping[GangKey, tuple[int, ...]]
    bonuses: Mapping[GangKey, int]


def worth_of(asks: Sequence[Ask], nodes: NodeTable, policy: Policy) -> Worth:
    """Asks stand in the order of service, tier by tier."""
    return _strict(asks) if policy.entitlement.order == "strict" else _by_value(asks, nodes, policy)


def _by_value(asks: Sequence[Ask], nodes: NodeTable, policy: Policy) -> Worth:
    """A turn counts by the square root of the work behind it: else the turns of many small gangs together would always
    outweigh that of a large one of the same value, or a large one's those of everybody."""
    worth: dict[Shape, int] = {}
    for ask in asks:
        for member in ask.gang.members:
            if member.shape not in worth:
                worth[member.shape] = _size(member.shape, policy, nodes)
    sizes = [_amount(ask.gang, worth) for ask in asks]
    largest = max(sizes, default=1)
    tiers, values, bonuses = {}, {}, {}
    for turn, (ask, size) in enumerate(zip(asks, sizes, strict=True)):
        gang = ask.gang
        root = isqrt(ROOT_STEPS * ROOT_STEPS * size // largest)
        age = (AGE_STEPS - 1) * (len(asks) - turn) * root // (len(asks) * ROOT_STEPS)
        tiers[gang.key] = ask.tier
        values[gang.key] = tuple(
            worth[member.shape] * AGE_STEPS + (age if gang.single else 0) for member in gang.members
        )
        bonuses[gang.key] = 0 if gang.single else age
    return Worth(tiers, values, bonuses)


def _amount(gang: Gang, worth: Mapping[Shape, int]) -> int:
    """What a gang is worth with all its pods; of single pods, which are gangs of their own, one."""
    return sum(worth[member.shape] * (1 if gang.single else member.count) for member in gang.members)


def _strict(asks: Sequence[Ask]) -> Worth:
    """From the last turn to the first, each worth more than all that come after it."""
    tiers: dict[GangKey, int] = {}
    values: dict[GangKey, tuple[int, ...]] = {}
    bonuses: dict[GangKey, int] = {}
    tier, later = 0, 0
    for ask in reversed(asks):
        gang = ask.gang
        pods = gang.pods
        if later + (later + 1) * pods > WORTH_MAX:
            tier, later = tier - 1, 0
        tiers[gang.key] = tier
        if gang.single:
            values[gang.key], bonuses[gang.key] = (later + 1,), 0
            later += (later + 1) * pods
        else:
            values[gang.key], bonuses[gang.key] = (1,) * len(gang.members), later
            later += later + pods
    return Worth({key: own - tier for key, own in tiers.items()}, values, bonuses)


def _size(shape: Shape, policy: Policy, nodes: NodeTable) -> int:
    """What one placed pod is worth: its amount of the policy's value resource; without any, a little by its CPU. Parts
    of GPUs are worth what they take where they take least."""
    requests = dict(shape.requests)
    parts = 0
    if shape.devices is not None and policy.value_resource == GPU:
        taken = [kind.milli(shape.devices) for kind in dict.fromkeys(nodes.device_kinds())]
        parts = shape.devices.count * min((milli for milli in taken if milli), default=0)
    return requests.get(policy.value_resource, 0) + parts + requests.get("cpu", 0) // 64 + 1
