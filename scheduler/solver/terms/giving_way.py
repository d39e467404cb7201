"""Goal: running work is disturbed as little as possible, cost by cost in the order of the policy.

What is counted is what is kept: the tiers are the negative of it, so that nothing given way is the best of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from scheduler.solver.giving import Giving, Tier, Yielder
from scheduler.solver.leaving import post_gone
from scheduler.solver.posting import Get, Posting, Terms, Variable
from scheduler.solver.problem import Problem, Put

NAME = "giving-way"


def post(model: Posting) -> list[tuple[str, Terms]]:
    """Weights of pods that stay, of gangs that are still there, of pods elsewhere; flags for the highest weight."""
    giving = model.problem.giving
    if giving is None:
        return []
    return [(_name(tier), _terms(model, giving, index, tier)) for index, tier in enumerate(giving.tiers)]


def _terms(model: Posting, giving: Giving, index: int, tier: Tier) -> Terms:
    if tier.kind == "guards":
        beyond = []
        for guard, allowed in enumerate(giving.guards):
            gone = post_gone(model, giving, guard)
            most = sum(model.upper(each) for each in gone)
            over = model.number(most, partial(_beyond, gone, allowed))
            model.at_most([*((1, each) for each in gone), (-1, over)], allowed)
            beyond.append((1, over))
        return beyond
    terms: list[tuple[int, Variable]] = []
    levels: dict[int, list[Yielder]] = {}
    for yielder in giving.yielders:
        weights = yielder.weights[index]
        if tier.kind == "evicted" or (tier.kind == "whole" and model.problem.gangs[yielder.gang].bundle):
            for member, weight in enumerate(weights):
                terms += [(-weight, count) for _, count in model.counts(yielder.gang, member) if weight]
        elif tier.kind == "whole":
            total = sum(weight * yielder.pods(member) for member, weight in enumerate(weights))
            if total:
                terms.append((-total, _post_there(model, yielder)))
        elif tier.kind == "moved":
            for member, weight in enumerate(weights):
                terms += [(weight, moved) for moved in _post_moved(model, yielder, member)] if weight else []
        elif max(weights, default=0) > 0 and yielder.lane >= 0:
            levels.setdefault(max(weights), []).append(yielder)
    for step, level in enumerate(sorted(levels)):
        previous = sorted(levels)[step - 1] if step else 0
        reached = [yielder for each in sorted(levels)[step:] for yielder in levels[each]]
        terms.append((level - previous, _post_lost(model, reached)))
    return terms


def _post_there(model: Posting, yielder: Yielder) -> Variable:
    """The flag that a gang is there, which is on only where it has a pod: minima of nothing hold without any."""
    there = model.present(yielder.gang, 0)
    counts = [count for member in range(len(yielder.charge)) for _, count in model.counts(yielder.gang, member)]
    model.at_most([(1, there), *((-1, count) for count in counts)], 0)
    return there


def _post_lost(model: Posting, yielders: list[Yielder]) -> Variable:
    """A flag that is on where any of these gangs loses a pod."""
    counts = [count for each in yielders for at in range(len(each.charge)) for _, count in model.counts(each.gang, at)]
    pods = sum(each.pods(at) for each in yielders for at in range(len(each.charge)))
    flag = model.number(1, lambda get: int(sum(map(get, counts)) < pods))
    model.at_most([*((-1, count) for count in counts), (-pods, flag)], -pods)
    return flag


def _post_moved(model: Posting, yielder: Yielder, member: int) -> list[Variable]:
    """Pods elsewhere: all on other classes, and those on an own class beyond what stands there."""
    stands = {stand.node_class: stand.pods for stand in yielder.stands if stand.member == member}
    moved = []
    for node_class, count in model.counts(yielder.gang, member):
        here = stands.get(node_class, 0)
        if not here:
            moved.append(count)
        elif model.upper(count) > here:
            more = model.number(model.upper(count) - here, partial(_beyond, [count], here))
            model.at_most([(1, count), (-1, more)], here)
            moved.append(more)
    return moved


def _beyond(counts: Sequence[Variable], least: int, get: Get) -> int:
    return sum(map(get, counts)) - least


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """The same, put by put."""
    giving = problem.giving
    if giving is None:
        return []
    there: dict[tuple[int, int], dict[int, int]] = {}
    for put in puts:
        here = there.setdefault((put.gang, put.member), {})
        here[put.node_class] = here.get(put.node_class, 0) + put.count
    found = []
    for index, tier in enumerate(giving.tiers):
        cost = 0
        for yielder in giving.yielders:
            placed = [there.get((yielder.gang, member), {}) for member in range(len(yielder.charge))]
            alone = problem.gangs[yielder.gang].bundle
            cost = _cost_of(cost, tier, yielder, yielder.weights[index], placed, alone=alone)
        if tier.kind == "guards":
            for guard, allowed in enumerate(giving.guards):
                cost += max(0, _leaving(giving, guard, there) - allowed)
        found.append((_name(tier), cost))
    return found


def _cost_of(
    cost: int,
    tier: Tier,
    yielder: Yielder,
    weights: tuple[int, ...],
    placed: list[dict[int, int]],
    *,
    alone: bool,
) -> int:
    """``alone``: each pod is a gang of its own."""
    pods = [sum(here.values()) for here in placed]
    if tier.kind == "evicted" or (tier.kind == "whole" and alone):
        return cost - sum(weight * there for weight, there in zip(weights, pods, strict=True))
    if tier.kind == "whole":
        return cost - (sum(weight * yielder.pods(at) for at, weight in enumerate(weights)) if any(pods) else 0)
    if tier.kind == "moved":
        for member, (weight, here) in enumerate(zip(weights, placed, strict=True)):
            stands = {stand.node_class: stand.pods for stand in yielder.stands if stand.member == member}
            cost += weight * sum(max(0, count - stands.get(at, 0)) for at, count in here.items())
        return cost
    if tier.kind == "highest" and any(there < yielder.pods(at) for at, there in enumerate(pods)):
        return max(cost, max(weights, default=0))
    return cost


def _leaving(giving: Giving, guard: int, there: dict[tuple[int, int], dict[int, int]]) -> int:
    return sum(
        max(0, stand.pods - there.get((yielder.gang, stand.member), {}).get(stand.node_class, 0))
        for yielder in giving.yielders
        if guard in yielder.guards
        for stand in yielder.stands
    )


def _name(tier: Tier) -> str:
    return f"{NAME}/{tier.name}"
