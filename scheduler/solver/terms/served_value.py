"""Goal: as much value served as possible, tier by tier; the minima of all gangs before anybody's surplus.

Stages 0..T-1 count what gangs are worth at their minima (and bundles, whose pods are gangs of their own), tier by tier;
stages T..2T-1 count all placed pods, and exist only where some gang is elastic.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "served-value"


def stages(problem: Problem) -> tuple[int, ...]:
    """The stages that can tell placements apart, in order."""
    tiers = sorted({gang.tier for gang in problem.gangs})
    elastic = sorted({gang.tier for gang in problem.gangs if not gang.bundle and _elastic(gang)})
    return (*(tier for tier in tiers), *(tier + _surplus_from(problem) for tier in elastic))


def stage_name(problem: Problem, stage: int) -> str:
    first_surplus = _surplus_from(problem)
    return f"{NAME}/{stage}" if stage < first_surplus else f"{NAME}/{stage - first_surplus}/surplus"


def cost(problem: Problem, puts: Iterable[Put], stage: int) -> int:
    first_surplus = _surplus_from(problem)
    value = 0
    placed: set[int] = set()
    for put in puts:
        gang = problem.gangs[put.gang]
        if stage >= first_surplus or gang.bundle:
            if gang.tier == stage % first_surplus:
                value += gang.values[put.member] * put.count
        elif gang.tier == stage and put.gang not in placed:
            placed.add(put.gang)
            value += least_worth(gang)
    return -value


def least_worth(gang: GangAsk) -> int:
    """What a gang is worth at its minima; where the tree leaves a choice of members, at the cheapest."""
    needed = sum(value * member.minimum for value, member in zip(gang.values, gang.members, strict=True))
    open_pods = gang.branches[0].minimum - sum(member.minimum for member in gang.members)
    return needed + max(0, open_pods) * min(gang.values)


def _elastic(gang: GangAsk) -> bool:
    return sum(member.count for member in gang.members) > max(
        gang.branches[0].minimum, sum(member.minimum for member in gang.members)
    )


def _surplus_from(problem: Problem) -> int:
    return 1 + max((gang.tier for gang in problem.gangs), default=0)
