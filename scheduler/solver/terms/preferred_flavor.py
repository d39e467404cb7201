"""Goal: the flavors that gangs prefer. A pod on another one costs how far its preference is below the highest."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import Problem, Put

NAME = "preferred-flavor"


def post(model: Posting) -> list[tuple[str, Terms]]:
    """A price per pod and class; nothing at all where nobody has a choice."""
    problem = model.problem
    if not any(gang.flavors for gang in problem.gangs):
        return []
    terms: list[tuple[int, Variable]] = []
    for index, gang in enumerate(problem.gangs):
        for member in range(len(gang.members) if gang.flavors else 0):
            for node_class, count in model.counts(index, member):
                price = gang.flavors[problem.flavor_of(node_class)]
                terms += [(price, count)] if price > 0 else []
    return [(NAME, terms)]


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """The same sum, put by put."""
    choosing = [bool(gang.flavors) for gang in problem.gangs]
    if not any(choosing) or problem.class_flavor is None:
        return []
    total = 0
    for put in puts:
        if choosing[put.gang]:
            total += problem.gangs[put.gang].flavors[int(problem.class_flavor[put.node_class])] * put.count
    return [(NAME, total)]
