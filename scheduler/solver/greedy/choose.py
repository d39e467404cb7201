"""Greedy's two choices as plain functions: which nodes take the pods, and which domains are visited in what order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.greedy.node_scores import NodeScore
from scheduler.solver.greedy.stock import Slots, Stock
from scheduler.solver.problem import MemberAsk

Costs = NDArray[np.int64]

Room = NDArray[Any]
"""Pods that fit per domain code, as whole numbers; index 0 is code -1, the nodes without a domain."""


def choose_nodes(
    stock: Stock,
    slots: Slots,
    member: MemberAsk,
    count: int,
    score: NodeScore,
    spreads: bool,
    costs: Costs | None = None,
) -> list[tuple[int, int, int]]:
    """(slot, nodes, pods on each) for up to ``count`` pods; nothing when no group of ``slots`` holds one.

    Packing fills whole nodes of the best groups first, then puts the rest on the node that it fits best. Spreading puts
    one pod on each node of the best group and is to be called again. So is packing parts of devices, which fills the
    nodes of the group that is best for one pod. Where classes have ``costs`` [C] only those of the lowest are filled.
    """
    slots = slots[stock.holds(slots, member)]
    if costs is not None and len(slots):
        own = costs[stock.node_class[slots]]
        slots = slots[own == own.min()]
    if not len(slots):
        return []
    sizes = stock.size[slots]
    before = stock.rest(slots)
    if count == 1 or spreads or member.devices is not None:
        best = int(np.argmin(score(before, stock.rest_after(slots, member))))
        each = 1 if spreads else min(count, int(stock.fits(slots[best : best + 1], member)[0]))
        return [(int(slots[best]), min(count // each, int(sizes[best])), each)]
    fits = stock.fits(slots, member)
    fills = np.minimum(fits, count)
    chosen: list[tuple[int, int, int]] = []
    left = count
    for at in np.argsort(score(before, stock.rest_after(slots, member, fills)), kind="stable").tolist():
        fill = int(fills[at])
        nodes = min(int(sizes[at]), left // fill)
        if nodes:
            chosen.append((int(slots[at]), nodes, fill))
            sizes[at] -= nodes
            left -= nodes * fill
        if left == 0:
            return chosen
        if sizes[at]:  # what is left is less than one more of these nodes holds
            break
    holding = slots[(sizes > 0) & (fits >= left)]
    if len(holding):
        best = int(np.argmin(score(stock.rest(holding), stock.rest_after(holding, member, left))))
        chosen.append((int(holding[best]), 1, left))
    return chosen


def tightest_domains(
    rooms: list[tuple[int, Room, bool]], free: Room, minimum: int, *, roomiest: bool, disliked: Room | None = None
) -> list[int]:
    """Domain codes in the order to try. ``rooms`` are (needed, room per domain, whether it is the lead member).

    A domain qualifies when every member's need fits there by itself and all together reach the branch's ``minimum``;
    the lead member's room says how tight it is, then how much of what is scarce is ``free`` there. What a pod costs
    there on average (``disliked``) goes before all that.
    """
    if not rooms:
        return []
    qualifies = np.ones(len(rooms[0][1]), dtype=np.bool_)
    qualifies[0] = False
    total = np.zeros(len(rooms[0][1]))
    tightness = rooms[0][1]
    for need, room, leads in rooms:
        qualifies &= room >= need
        total += room
        tightness = room if leads else tightness
    qualifies &= (total >= minimum) & (total > 0)
    domains = np.flatnonzero(qualifies)
    sign = -1 if roomiest else 1
    keys = [sign * free[domains], sign * tightness[domains]]
    order = np.lexsort(keys if disliked is None else [*keys, disliked[domains]])
    codes: list[int] = (domains[order] - 1).tolist()
    return codes


def fewest_domains(room: Room, touched: list[int], count: int) -> list[int]:
    """Domain codes in the order to fill: those used already, then the largest, and for what is left the tightest."""
    order = [domain for domain in touched if domain + 1 < len(room) and room[domain + 1] > 0]
    left = count - sum(int(room[domain + 1]) for domain in order)
    open_domains = [domain for domain in np.flatnonzero(room[1:] > 0).tolist() if domain not in order]
    open_domains.sort(key=lambda domain: (-room[domain + 1], domain))
    while left > 0 and open_domains:
        fitting = [domain for domain in open_domains if room[domain + 1] >= left]
        chosen = min(fitting, key=lambda domain: (room[domain + 1], domain)) if fitting else open_domains[0]
        open_domains.remove(chosen)
        order.append(chosen)
        left -= int(room[chosen + 1])
    nowhere = [-1] if len(room) and room[0] > 0 and -1 not in order else []
    return order + open_domains + nowhere
