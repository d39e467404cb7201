"""Who is served before whom, as decisions use it: turns in the order of service, each with the tier it belongs to.

A tier is served before the next whatever that costs there. Where several leaves wait for the same, work inside
guarantees is one tier, what stays within fair shares the next, what goes beyond comes last; beyond the guarantee the
priority of queues counts, and inside everything else the priority of gangs. Inside a leaf that waits alone only the
priority of gangs is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from scheduler.core.queues.backlog import Backlog
from scheduler.core.queues.demand import FlavorsOf
from scheduler.core.queues.entitled import Entitled, free_by_column
from scheduler.core.queues.ledger import Ledger
from scheduler.core.queues.order import INSIDE, order_of_service
from scheduler.model.cluster import NodeTable, Snapshot
from scheduler.model.policy import Policy
from scheduler.model.shape import Shape
from scheduler.model.work import Gang
from scheduler.solver.asks.filters import Eligibility

Tier = tuple[int, tuple[int, ...], int]
"""(band, priorities of the queues from the top down, priority); each so that the smaller is served first."""

Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Turns:
    """Every gang, and every single pod, in the order of service: ``gangs``, and side by side with them ``part``, the
    index of what each is or is of in ``parts``; ``tier``, the smaller the earlier; and ``expected``, whether there is
    as much left in the fleet when its turn has come. What is equal is one part: a gang, or the pods of a bundle."""

    gangs: Sequence[Gang]
    part: Whole
    parts: Sequence[Gang]
    tier: Whole
    expected: NDArray[np.bool_]

    @classmethod
    def alone(cls, backlog: Backlog) -> Turns:
        """The only leaf in which anything waits: nothing counts but the priority of gangs."""
        _, tier = np.unique(-backlog.priorities, return_inverse=True)
        return cls(backlog.gangs, backlog.part, backlog.parts, tier, np.ones(len(backlog.part), dtype=np.bool_))


def turns(
    backlogs: Mapping[str, Backlog], snapshot: Snapshot, policy: Policy, entitled: Callable[[], Entitled]
) -> Turns:
    """The turns of everything that waits. ``entitled`` is asked only where more than one leaf waits."""
    if len(backlogs) <= 1:
        return Turns.alone(next(iter(backlogs.values()), Backlog((), ())))
    found = entitled()
    free = free_by_column(snapshot.free, snapshot, found.book.columns)
    order = order_of_service(found, free, policy.entitlement.between)
    parts = list(chain.from_iterable(each.parts for each in order.backlogs))
    before = np.cumsum([0, *(len(each.parts) for each in order.backlogs)])
    part = np.concatenate([each.part + start for each, start in zip(order.backlogs, before, strict=False)])[order.turns]
    tier = _tiers(parts, part, order.bands[order.turns], found.book)
    return Turns([order.gangs[index] for index in order.turns.tolist()], part, parts, tier, order.expected[order.turns])


def _tiers(parts: Sequence[Gang], part: Whole, bands: Whole, book: Ledger) -> Whole:
    """[n] the number of the tier of each turn, worked out once per part and band."""
    lines = _queue_priorities(book)
    width = int(bands.max(initial=0)) + 1
    found, inverse = np.unique(part * width + bands, return_inverse=True)
    tiers: list[Tier] = []
    for code in found.tolist():
        gang, band = parts[code // width], code % width
        tiers.append((band, lines[gang.queue] if band != INSIDE else (), -gang.priority))
    number = {tier: at for at, tier in enumerate(sorted(set(tiers)))}
    numbers: Whole = np.array([number[tier] for tier in tiers], dtype=np.int64)[inverse]
    return numbers


def _queue_priorities(book: Ledger) -> dict[str, tuple[int, ...]]:
    """The priorities on the way down to each queue; nothing where no queue has one."""
    if not any(queue.priority for queue in book.queues):
        return dict.fromkeys(book.names, ())
    return {
        name: tuple(-book.queues[above].priority for above in reversed(book.line(row)))
        for row, name in enumerate(book.names)
    }


def flavors_of(nodes: NodeTable, eligible: Callable[[Shape], Eligibility]) -> FlavorsOf:
    """The flavors of the nodes that a shape is eligible for."""

    def found(shape: Shape) -> Sequence[str]:
        if nodes.flavor_codes is None:
            return ()
        codes = set(nodes.flavor_codes[eligible(shape)[0]].tolist())
        return [name for code, name in enumerate(nodes.flavors) if code in codes]

    return found
