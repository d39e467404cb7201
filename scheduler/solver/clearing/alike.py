"""Where all that may go are pods by themselves and of one kind, as large as who asks, nothing is to be searched: the
cheapest of them go, wherever they stand, as many as their right allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.resources import Matrix
from scheduler.solver.clearing.ground import Ground, Indices
from scheduler.solver.giving import Right


def are_alike(ground: Ground, pods: Indices, there: Mask, slack: Indices, free: Matrix, request: Matrix) -> bool:
    """Whether each of these pods makes room for exactly one pod that asks for ``request`` [R], goes alone or stays, and
    counts for the same queues under the same rights."""
    gangs = ground.gang[pods]
    one = gangs[0]
    alone = np.bincount(ground.gang[there], minlength=len(ground.lane))[gangs] == 1
    asked = request > 0
    return bool(
        alone.all()
        and not ground.movable[gangs].any()
        and (ground.whole[gangs] | (slack[gangs] > 0)).all()
        and (ground.group[gangs] == ground.group[one]).all()
        and (ground.guard[pods] < 0).all()
        and (ground.room[pods][:, asked] == request[asked]).all()
        and (free[ground.node[pods]] >= 0).all()
        and (ground.charge[pods] == ground.charge[pods[0]]).all()
    )


def may_go(right: Right, use: Matrix, line: Sequence[int], charge: Matrix) -> int:
    """How many of them may go one after the other: each while every queue in ``line`` is above its floor in something
    that is asked for; where the right keeps the floors, as long as none is below its own afterwards."""
    most = 2**31
    asked = np.array(right.asked, dtype=np.bool_)
    for row in line if right.floors else ():
        above = (use[row] - np.array(right.floors[row], dtype=np.int64))[asked]
        step = charge[asked]
        falls = step > 0
        if right.keep:
            whole = above[falls] // step[falls]
            most = min(most, int(whole.min(initial=most)) if (above[~falls] >= 0).all() else 0)
        if not (above[~falls] > 0).any():  # else it stays above its floor in what they do not hold
            most = min(most, int((-(-above[falls] // step[falls])).max(initial=0)))
    return max(0, most)
