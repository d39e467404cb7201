"""What making room costs at least: sums that no choice of victims and places can undercut.

Every node is looked at by itself, in one resource, and pods in fractions: what a node asks for ``k`` pods of a taker is
then a convex curve, and the cheapest pods of all curves bound the whole. A gang's cost is spread over its pods.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.resources import Matrix
from scheduler.solver.clearing.clearing import Clearing
from scheduler.solver.clearing.ground import Ground, Taker
from scheduler.solver.giving import Lane

_MOST_PER_NODE = 64


def least_costs(
    ground: Ground, free: Matrix, there: Mask, evictable: Mask, taker: Taker, pods: int, *, evicts: bool
) -> tuple[int, ...]:
    """Per tier, given what is ``free`` [N x R], who is still ``there`` [P] and who may be evicted [P], for so many
    pods of a taker with one member; nothing is known (zero) of the others.

    Where somebody may be moved, an eviction is forced only by what is missing in sum. A bound on moves holds for plans
    that evict nobody, and is given where the plan at hand does not (``evicts``).
    """
    if len(taker.wants) != 1 or pods <= 0:
        return (0,) * len(ground.tiers)
    want = taker.wants[0]
    movable = there & ground.movable[ground.gang]
    found = []
    for index, tier in enumerate(ground.tiers):
        weights = ground.weights[:, index]
        if tier.kind == "evicted":
            column = _lead(want.request)
            bound = (
                _in_sum(ground, free, there & evictable, weights, want.request, want.mask, column, pods)
                if movable.any()
                else _by_node(ground, free, there & evictable, weights, want.request, want.mask, column, pods)
            )
        elif tier.kind == "moved" and not evicts:
            bound = _by_node(ground, free, movable, weights, want.request, want.mask, _lead(want.request), pods)
        else:
            bound = 0
        found.append(bound)
    return tuple(found)


def _lead(request: Matrix) -> int:
    """The scarcest resource that is asked for: the last by construction."""
    return int(np.flatnonzero(request > 0)[-1])


def _in_sum(
    ground: Ground, free: Matrix, pods: Mask, weights: Matrix, request: Matrix, mask: Mask, column: int, count: int
) -> int:
    """The cheapest pods, in fractions, that free what is missing in sum over all nodes."""
    missing = int(request[column]) * count - int(np.maximum(0, free[mask, column]).sum())
    here = pods & (ground.room[:, column] > 0)
    if missing <= 0 or not here.any():
        return 0
    room, cost = ground.room[here, column].astype(np.float64), weights[here].astype(np.float64)
    order = np.argsort(cost / room, kind="stable")
    freed = np.cumsum(room[order])
    last = int(np.searchsorted(freed, missing))
    if last >= len(order):
        return int(cost.sum())
    before = freed[last - 1] if last else 0.0
    exact = cost[order][:last].sum() + cost[order][last] * (missing - before) / room[order][last]
    return int(np.ceil(exact - 1e-6))


def _by_node(
    ground: Ground, free: Matrix, pods: Mask, weights: Matrix, request: Matrix, mask: Mask, column: int, count: int
) -> int:
    """The cheapest pods of the curves of all nodes."""
    size = int(request[column])
    here = np.flatnonzero(pods & mask[ground.node] & (ground.room[:, column] > 0))
    room, cost, node = ground.room[here, column], weights[here].astype(np.float64), ground.node[here]
    total = np.maximum(0, free[:, column]) + np.bincount(node, weights=room, minlength=len(free)).astype(np.int64)
    most = np.where(mask, np.minimum(total // size, _MOST_PER_NODE), 0)
    order = np.lexsort((cost / room, node))
    room, cost, node = room[order], cost[order], node[order]
    starts = np.flatnonzero(np.diff(node, prepend=-1))
    freed = np.cumsum(room).astype(np.float64)
    spent = np.cumsum(cost)
    base_freed = np.where(starts > 0, freed[starts - 1], 0.0)
    base_spent = np.where(starts > 0, spent[starts - 1], 0.0)
    step_of = {int(each): at for at, each in enumerate(node[starts].tolist())}
    steps: list[float] = []
    for row in np.flatnonzero(most).tolist():
        at = step_of.get(row)
        before = 0.0
        for k in range(1, int(most[row]) + 1):
            missing = size * k - max(0, int(free[row, column]))
            curve = 0.0
            if missing > 0:
                if at is None:
                    break
                own = slice(int(starts[at]), int(starts[at + 1]) if at + 1 < len(starts) else len(node))
                curve = float(
                    np.interp(missing, [0.0, *(freed[own] - base_freed[at])], [0.0, *(spent[own] - base_spent[at])])
                )
            steps.append(curve - before)
            before = curve
    if len(steps) < count:
        return 0
    return int(np.ceil(np.sort(steps)[:count].sum() - 1e-6))


def reachable(ground: Ground, clearing: Clearing, column: int) -> int:
    """The most of one resource that evictions can set free.

    Where rights look at one column alone, a queue gives what it has above its floor and no more than one unit beyond,
    and so does every queue above it. Without rights, or with several columns, everybody who may go counts.
    """
    evictable = clearing.there & (ground.lane >= 0)[ground.gang]
    count = len(ground.lane)
    room = np.bincount(ground.gang[evictable], weights=ground.room[evictable, column], minlength=count)
    in_all = int(room.sum())
    floors = [_floors(lane) for lane in ground.lanes]
    columns = {each for _, each in floors}
    if len(columns) != 1 or None in columns:
        return in_all
    (asked,) = columns
    charge = np.bincount(ground.gang[evictable], weights=ground.charge[evictable, asked], minlength=count)
    if not np.array_equal(charge, room):  # the ledger counts something else: parts of devices, or one flavor
        return in_all
    step = max(1, int(np.gcd.reduce(ground.charge[evictable, asked], initial=0)))
    given: dict[int, float] = {}
    largest: dict[int, float] = {}
    least = np.min([each for each, _ in floors], axis=0)
    lines: dict[tuple[int, ...], list[int]] = {}
    for group in range(int(ground.group.max(initial=-1)) + 1):
        mine = ground.group == group
        gang = int(np.flatnonzero(mine)[0])
        lines.setdefault(ground.rows[gang][: ground.branch[gang]], []).append(group)
        own, unit = float(charge[mine].sum()), float(charge[mine].max(initial=0.0))
        row = ground.rows[gang][0] if ground.rows[gang] else -1
        given[row] = given.get(row, 0.0) + own
        largest[row] = max(largest.get(row, 0.0), unit)
    total = 0.0
    for line in sorted(lines, key=len, reverse=True):
        if not line:
            return in_all
        amount, unit = given.get(line[0], 0.0), largest.get(line[0], 0.0)
        for row in line:
            above = float(clearing.use[row, asked] - least[row][asked])
            before_last = (above - 1) // step * step  # what goes first is whole steps below what it is above
            amount = min(amount, before_last + unit if above > 0 else 0.0)
        total += amount
        given[line[0]] = 0.0
    return min(in_all, int(total))


def _floors(lane: Lane) -> tuple[Matrix, int | None]:
    """(the lowest floors of its rights, the one column that they look at; None: several, or nobody is protected)."""
    columns = {column for right in lane.rights for column, asked in enumerate(right.asked) if asked}
    if len(columns) != 1 or not all(right.floors for right in lane.rights):
        return np.zeros((0, 0), dtype=np.int64), None
    return np.min([np.array(right.floors, dtype=np.int64) for right in lane.rights], axis=0), columns.pop()
