"""Goal: as much value served as possible, tier by tier; the minima of all gangs before anybody's surplus.

First, per tier, what the placed gangs are worth at their minima (and all pods of bundles, which are gangs of their
own); then, per tier with elastic gangs, what all placed pods are worth.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import GangAsk, Problem, Put
from scheduler.solver.tree import minima_below

NAME = "served-value"


def post(model: Posting) -> list[tuple[str, Terms]]:
    """Worth times presence for the minima, worth times counts for everything; negative, since costs are minimised."""
    problem = model.problem
    minima: dict[int, list[tuple[int, Variable]]] = {tier: [] for tier in _tiers(problem)}
    total: dict[int, list[tuple[int, Variable]]] = {tier: [] for tier in _elastic_tiers(problem)}
    for index, gang in enumerate(problem.gangs):
        pods: list[tuple[int, Variable]] = []
        for member, value in enumerate(gang.values):
            pods += [(-value, count) for _, count in model.counts(index, member)]
        if gang.tier in total:
            total[gang.tier] += pods
        if gang.bundle:
            minima[gang.tier] += pods
        elif worth := least_worth(gang) + gang.bonus:
            present = model.present(index, 0)
            model.at_most([(1, present), *((-1, count) for _, count in pods)], 0)
            minima[gang.tier].append((-worth, present))
    stages: list[tuple[str, Terms]] = [(_name(tier), terms) for tier, terms in minima.items()]
    return stages + [(_surplus_name(tier), terms) for tier, terms in total.items()]


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """The same sums, put by put."""
    minima = dict.fromkeys(_tiers(problem), 0)
    total = dict.fromkeys(_elastic_tiers(problem), 0)
    placed: set[int] = set()
    for put in puts:
        gang = problem.gangs[put.gang]
        value = gang.values[put.member] * put.count
        if gang.tier in total:
            total[gang.tier] -= value
        if gang.bundle:
            minima[gang.tier] -= value
        elif put.gang not in placed:
            placed.add(put.gang)
            minima[gang.tier] -= least_worth(gang) + gang.bonus
    return [(_name(tier), cost) for tier, cost in minima.items()] + [
        (_surplus_name(tier), cost) for tier, cost in total.items()
    ]


def least_worth(gang: GangAsk) -> int:
    """What a gang is worth at its minima; where the tree leaves a choice of members, at the cheapest."""
    needs = minima_below(gang, 0)
    open_pods = gang.branches[0].minimum - sum(needs.values())
    return sum(gang.values[member] * need for member, need in needs.items()) + max(0, open_pods) * min(gang.values)


def _tiers(problem: Problem) -> list[int]:
    return sorted({gang.tier for gang in problem.gangs})


def _elastic_tiers(problem: Problem) -> list[int]:
    return sorted({gang.tier for gang in problem.gangs if not gang.bundle and _is_elastic(gang)})


def _is_elastic(gang: GangAsk) -> bool:
    """Whether a gang may have more pods than it needs."""
    needed = max(gang.branches[0].minimum, sum(minima_below(gang, 0).values()))
    return sum(member.count for member in gang.members) > needed


def _name(tier: int) -> str:
    return f"{NAME}/{tier}"


def _surplus_name(tier: int) -> str:
    return f"{NAME}/{tier}/surplus"
