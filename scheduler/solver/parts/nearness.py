"""Bringing gangs nearer together: the same gangs, in fewer domains of the level that they prefer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.solver.candidates import candidates
from scheduler.solver.facade import Ended, Limits
from scheduler.solver.model import PlacementModel
from scheduler.solver.parts.kinds import Kind, kinds
from scheduler.solver.parts.over import over_pools
from scheduler.solver.parts.pooled import Pooled, pooled
from scheduler.solver.problem import Incumbent, Problem, Put
from scheduler.solver.terms import preferred_topology, served_value


def nearer(
    problem: Problem,
    start: Sequence[Put],
    limits: Limits,
    stop: Callable[[], bool],
    spend: Callable[[Ended], None],
) -> tuple[Put, ...] | None:
    """A placement that serves as much and touches fewer domains, with its spots; None when none was found.

    Over pools, where the question is which domains are touched and not which nodes.
    """
    over = over_pools(replace(problem, goals=(served_value.NAME, preferred_topology.NAME)))
    pooled_start = over.pooled(start)
    model = PlacementModel(
        over.problem, candidates(over.problem), set(range(len(problem.gangs))), Incumbent(pooled_start, ())
    )
    for _ in model.post():
        if stop():
            return None
    values = model.values(pooled_start)
    *held, (name, touched) = model.goals
    if name != preferred_topology.NAME:
        return None
    for _, terms in held:
        model.cp.at_most(terms, sum(coefficient * values[variable] for coefficient, variable in terms))
    model.cp.minimise(touched)
    model.cp.hint(values)
    found: Sequence[int] | None = None
    for event in model.cp.search(limits, stop):
        if isinstance(event, Ended):
            spend(event)
        else:
            found = event.values
    return None if found is None else over.realise(model.puts(found))


def fewest_of_served(problem: Problem, puts: Iterable[Put]) -> int:
    """What nearness costs the gangs of a placement at least, wherever they stand: each as if it had the fleet as it is
    before the placement to itself. No bound on the goal, for others may be served in their place; but it says how much
    of what is touched could be saved at most."""
    own_kinds = kinds(problem)
    model = pooled(problem, own_kinds)
    served = {put.gang for put in puts}
    return sum(
        fewest_touched(model, kind) * len(served.intersection(kind.gangs))
        for kind in own_kinds
        if kind.near and not kind.bundle
    )


def fewest_touched(model: Pooled, kind: Kind) -> int:
    """What nearness costs a gang of this kind at least: alone in the fleet, in the best domain that it may be in."""
    around = model.levels[kind.level]
    domains = np.unique(around[around >= 0]).tolist()
    wider = sum(int(preferred_topology.WIDER**number) for number in range(1, len(kind.near)))
    return wider + min((_fewest_inside(model, kind, around == domain) for domain in domains), default=1)


def _fewest_inside(model: Pooled, kind: Kind, inside: Mask) -> int:
    """How many domains of the finest level that is sought hold what it needs, if they are the largest of these pools;
    as many as it has pods where they do not."""
    codes = model.levels[kind.near[-1]][inside] + 1
    fewest = 1
    for item, pods in kind.needs:
        room = np.cumsum(np.sort(np.bincount(codes, weights=model.pools.fits[item][inside]))[::-1])
        enough = np.flatnonzero(room >= pods)
        fewest = max(fewest, int(enough[0]) + 1 if len(enough) else pods)
    return fewest
