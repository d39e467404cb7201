"""Who is served before whom, as decisions use it: turns in the order of service, each with the tier it belongs to.

A tier is served before the next whatever that costs there. Where several leaves wait for the same, work inside
guarantees is one tier, what stays within fair shares the next, what goes beyond comes last; beyond the guarantee the
priority of queues counts, and inside everything else the priority of gangs. Inside a leaf that waits alone only the
priority of gangs is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from scheduler.core.demand import FlavorsOf, in_leaf
from scheduler.core.entitled import Entitled, free_by_column
from scheduler.core.ledger import Ledger
from scheduler.core.order import INSIDE, order_of_service
from scheduler.model.cluster import NodeTable, Snapshot
from scheduler.model.policy import Policy
from scheduler.model.shape import Shape
from scheduler.model.work import Gang
from scheduler.solver.filters import Eligibility

Tier = tuple[int, tuple[int, ...], int]
"""(band, priorities of the queues from the top down, priority); each so that the smaller is served first."""


class Turn(msgspec.Struct, frozen=True):
    """One gang, or one single pod, when its turn comes. ``expected``: by then there is as much left in the fleet."""

    gang: Gang
    tier: Tier
    expected: bool = True


def turns(gangs: Sequence[Gang], snapshot: Snapshot, policy: Policy, entitled: Callable[[], Entitled]) -> list[Turn]:
    """The turns of everything that waits. ``entitled`` is asked only where more than one leaf waits."""
    if len({gang.queue for gang in gangs}) <= 1:
        return [Turn(gang, (INSIDE, (), -gang.priority)) for gang in in_leaf(gangs)]
    found = entitled()
    free = free_by_column(snapshot.free, snapshot, found.book.columns)
    order = order_of_service(found, free, policy.entitlement.between)
    lines = _queue_priorities(found.book)
    ordered = []
    for index, band, expected in zip(
        order.turns.tolist(),
        order.bands[order.turns].tolist(),
        order.expected[order.turns].tolist(),
        strict=True,
    ):
        gang = order.gangs[index]
        line = lines[gang.queue] if band != INSIDE else ()
        ordered.append(Turn(gang, (band, line, -gang.priority), expected))
    return ordered


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
