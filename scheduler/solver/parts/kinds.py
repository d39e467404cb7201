"""Kinds: gangs that a solver need not tell apart, because they need the same pods under the same asks.

What is kept of a gang is what it needs at its minima for certain, so a placement of kinds is a relaxation of a
placement of gangs: a bound on it is a bound for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from scheduler.solver.problem import BranchAsk, GangAsk, MemberAsk, Problem
from scheduler.solver.terms.served_value import least_worth
from scheduler.solver.tree import minima_below

_PLAIN_BRANCH = BranchAsk(parent=-1, minimum=0, min_branches=0)


class Item(NamedTuple):
    """A pod as nodes see it: its request, and the classes where it may stand."""

    request: tuple[int, ...]
    eligible: bytes


class Kind(msgspec.Struct, frozen=True):
    """``gangs`` stand in order of ``worths``, the most valuable first; ``needs`` are (item, pods) of one of them.

    ``level`` is the level column inside one domain of which all of it must stand (-1: anywhere), ``pinned`` that domain
    where it is known; of ``near`` levels, coarse to fine, few domains are sought. Of a bundle ``gangs`` names the one
    bundle, and ``count`` says how many pods it has, each of which is placed by itself; of other kinds it is the number
    of gangs.
    """

    gangs: tuple[int, ...]
    worths: tuple[int, ...]
    needs: tuple[tuple[Item, int], ...]
    count: int
    level: int
    near: tuple[int, ...]
    pinned: int
    queue: int
    tier: int
    bundle: bool


def is_plain(gang: GangAsk) -> bool:
    """Whether its kind says all there is to say about its minima: one branch, and one way to reach its minimum.

    Anything that a gang asks beyond what is read here makes it not plain.
    """
    branch = gang.branches[0]
    known = msgspec.structs.replace(
        _PLAIN_BRANCH,
        minimum=branch.minimum,
        required=branch.required,
        preferred=branch.preferred,
        pinned=branch.pinned,
        wider=branch.wider,
    )
    if len(gang.branches) > 1 or branch != known or gang.flavors or gang.firm or gang.leader >= 0:
        return False
    if any(member != _plain_member(member) for member in gang.members):
        return False
    if gang.bundle:
        return branch.required < 0
    certain = sum(minima_below(gang, 0).values())
    return certain >= max(1, branch.minimum) or len(gang.members) == 1


def kinds(problem: Problem) -> list[Kind]:
    """The kinds of a problem's gangs, in the order of their first gangs; what has no pod is of no kind."""
    alike: dict[object, list[tuple[int, int]]] = {}
    for index, gang in enumerate(problem.gangs):
        if not gang.pods:
            continue
        branch = gang.branches[0]
        key = (
            index if gang.bundle else -1,
            needs(gang),
            branch.required if _binds(problem) else -1,
            branch.near,
            branch.pinned,
            gang.queue,
            gang.tier,
            is_plain(gang),
        )
        worth = gang.values[0] if gang.bundle else least_worth(gang) + gang.bonus
        alike.setdefault(key, []).append((-worth, index))
    return [_kind(problem, sorted(own)) for own in alike.values()]


def _kind(problem: Problem, own: Iterable[tuple[int, int]]) -> Kind:
    ordered = list(own)
    gang = problem.gangs[ordered[0][1]]
    branch = gang.branches[0]
    count = gang.members[0].count if gang.bundle else len(ordered)
    return Kind(
        gangs=tuple(index for _, index in ordered),
        worths=(-ordered[0][0],) * count if gang.bundle else tuple(-worth for worth, _ in ordered),
        needs=needs(gang),
        count=count,
        level=branch.required if _binds(problem) else -1,
        near=branch.near,
        pinned=branch.pinned,
        queue=gang.queue,
        tier=gang.tier,
        bundle=gang.bundle,
    )


def _binds(problem: Problem) -> bool:
    return "required-topology" in problem.rules


def _plain_member(member: MemberAsk) -> MemberAsk:
    return MemberAsk(member.request, member.count, member.minimum, member.branch, member.eligible)


def needs(gang: GangAsk) -> tuple[tuple[Item, int], ...]:
    """Pods per item that it needs for certain. Of a gang with one member these are all; else what its minimum leaves
    open is not counted."""
    if gang.bundle:
        return ((_item(gang.members[0]), 1),)
    certain: dict[Item, int] = {}
    for index, pods in minima_below(gang, 0).items():
        if len(gang.members) == 1:
            pods = max(pods, gang.branches[0].minimum)
        if pods > 0:
            item = _item(gang.members[index])
            certain[item] = certain.get(item, 0) + pods
    return tuple(sorted(certain.items()))


def _item(member: MemberAsk) -> Item:
    return Item(member.request, member.eligible)
