"""Bringing gangs nearer together: the same gangs, in fewer domains of the level that they prefer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from scheduler.solver.candidates import candidates
from scheduler.solver.facade import Ended, Limits
from scheduler.solver.kinds import Kind
from scheduler.solver.model import PlacementModel
from scheduler.solver.over import over_pools
from scheduler.solver.pooled import Pooled
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


def fewest_domains_alone(model: Pooled, kind: Kind) -> int:
    """How many domains of the level that it prefers a gang of this kind touches at least, with the fleet to itself."""
    preferred, around = model.levels[kind.preferred], model.levels[kind.level]
    fewest = sum(pods for _, pods in kind.needs)
    for domain in np.unique(around[around >= 0]).tolist():
        inside = around == domain
        needed = 1
        for item, pods in kind.needs:
            fits = np.bincount(preferred[inside] + 1, weights=model.pools.fits[item][inside])
            largest_first = np.cumsum(np.sort(fits)[::-1])
            enough = np.flatnonzero(largest_first >= pods)
            needed = max(needed, int(enough[0]) + 1) if len(enough) else fewest
        fewest = min(fewest, needed)
    return fewest
