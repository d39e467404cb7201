"""Goal: what pods prefer without requiring it: node affinity, taints, and the pods around them as things stand."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.asks.preferences import class_costs
from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import PREFERENCE, Problem, Put

NAME = PREFERENCE


def post(model: Posting) -> list[tuple[str, Terms]]:
    """A price per pod and class; nothing at all where nobody prefers anything."""
    prices = class_costs(model.problem)
    if not prices:
        return []
    terms: list[tuple[int, Variable]] = []
    for (gang, member), costs in prices.items():
        terms += [(int(costs[at]), count) for at, count in model.counts(gang, member) if costs[at]]
    return [(NAME, terms)]


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """The same sum, put by put."""
    prices = class_costs(problem)
    if not prices:
        return []
    own = (put for put in puts if (put.gang, put.member) in prices)
    return [(NAME, sum(int(prices[put.gang, put.member][put.node_class]) * put.count for put in own))]
