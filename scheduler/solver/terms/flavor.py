"""Filter and rule: a gang that accepts some flavors goes to nodes of those, and runs in one of them as a whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.plan import Refusal
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import Problem, Put

NAME = "one-flavor"


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: flavors are asked for, and the node counts as none of them."""
    names = [*fleet.nodes.flavors, ""]
    accepted = np.array([not shape.flavors or name in shape.flavors for name in names], dtype=np.bool_)
    if shape.only_flavor is not None:
        accepted &= np.array(names) == shape.only_flavor
    codes = fleet.nodes.flavor_codes
    return (
        np.full(len(fleet.nodes), not accepted[-1], dtype=np.bool_) if codes is None else np.asarray(~accepted[codes])
    )


def post(model: Posting) -> None:
    """Per gang with a choice a flag for each flavor that it could have, and at most one of them on."""
    problem = model.problem
    for index, gang in enumerate(problem.gangs):
        if not gang.flavors or gang.bundle:
            continue
        counts: dict[int, list[Variable]] = {}
        for member in range(len(gang.members)):
            for node_class, count in model.counts(index, member):
                counts.setdefault(problem.flavor_of(node_class), []).append(count)
        if len(counts) > 1:
            flags = [model.used(own, gang.pods) for _, own in sorted(counts.items())]
            model.at_most([(1, flag) for flag in flags], 1)


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    chosen: dict[int, set[int]] = {}
    for put in puts:
        gang = problem.gangs[put.gang]
        if gang.flavors and not gang.bundle and problem.class_flavor is not None:
            chosen.setdefault(put.gang, set()).add(int(problem.class_flavor[put.node_class]))
    return [
        Refusal(NAME, "SeveralFlavors", needed=1, offered=len(flavors), where=f"gang {gang}")
        for gang, flavors in sorted(chosen.items())
        if len(flavors) > 1
    ]
