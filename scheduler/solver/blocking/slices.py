"""Why slices do not fit: how many of them the fleet, or the best domain of a required level, holds at most.

A bound, so it proves a "no": unlike pods count as if all were like the smallest of them and could go where any may.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.plan import Refusal
from scheduler.solver.asks.fits import fits_on
from scheduler.solver.build import Built
from scheduler.solver.greedy.distribution import DomainTree, Layer
from scheduler.solver.greedy.slicer import layers_of
from scheduler.solver.tree import members_below


def too_few_slices(built: Built, index: int, branch: int, pods_needed: int) -> Refusal | None:
    """What lacks of the coarsest slices of a branch that needs so many pods; None when enough may fit.

    Slices that the gang holds in part are not looked at.
    """
    problem, gang = built.problem, built.problem.gangs[index]
    ask = gang.branches[branch]
    members = [member for member in members_below(gang, branch) if member != gang.leader and gang.members[member].count]
    if not ask.slices or "slices" not in problem.rules or any(layer.held for layer in ask.slices) or not members:
        return None
    if pods_needed <= 0:
        return None
    mask = np.any([built.mask(index, member) for member in members], axis=0)
    if ask.pinned >= 0:
        mask &= built.domains[:, ask.required] == ask.pinned
    if ask.required >= 0:
        mask &= built.domains[:, ask.required] >= 0
    rows = np.flatnonzero(mask)
    size = ask.slices[0].size
    needed = -(-pods_needed // size)
    if not len(rows):
        return Refusal("slices", "NotEnough", needed, 0, counts=(("size", size),))
    smallest = tuple(map(min, zip(*(gang.members[member].request for member in members), strict=True)))
    layers = layers_of(ask, slices=True, near=False)
    if ask.required >= 0:
        layers = (Layer(ask.required), *layers)
    codes = built.domains[rows][:, [layer.column for layer in layers]].T.astype(np.int64)
    tree = DomainTree(layers, codes, np.minimum(fits_on(built.free[rows], smallest), pods_needed * size))
    at, room = tree.best() if ask.required >= 0 else (0, tree.most())
    if room // size >= needed:
        return None
    where = problem.level_names[ask.slices[0].level]
    if ask.required >= 0:
        name = problem.domain_names[ask.required][int(np.unique(codes[0])[at])]
        where += f" in {problem.level_names[ask.required]} {name}"
    return Refusal("slices", "NotEnough", needed, room // size, where=where, counts=(("size", size),))
