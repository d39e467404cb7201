"""The promises, one file each: a class that turns the facts it cares for into findings.

What belongs here: a promise of the scheduler that can be seen at the API server. A promise reads the world, keeps only
memory of its own, and decides whose effect broke it: the scheduler's is a violation, anybody else's a note.
What does not: decoding, bookkeeping that two promises share (that is the world's).
Who may import it: ``judge`` only. Promises do not import one another.
"""

from collections.abc import Iterator
from typing import Protocol

from auditor.facts import Fact
from auditor.promises.assignment import Assignment
from auditor.promises.binding import Binding
from auditor.promises.capacity import Capacity
from auditor.promises.devices import Devices
from auditor.promises.eviction import Eviction
from auditor.promises.gang import GangMinimum
from auditor.promises.history import History
from auditor.promises.placement import Placement
from auditor.promises.queue import QueueLimit
from auditor.promises.topology import RequiredTopology
from auditor.promises.victims import Victims
from auditor.report import Finding
from auditor.world import World


class Promise(Protocol):
    """One promise: facts in, findings out."""

    def judge(self, fact: Fact) -> Iterator[Finding]:
        """What this fact breaks."""
        ...


def promises(world: World) -> list[Promise]:
    """Every promise, over one world. The order is the order of findings of one fact."""
    return [
        History(world),
        Capacity(world),
        Devices(world),
        Assignment(world),
        GangMinimum(world),
        Binding(world),
        Placement(world),
        RequiredTopology(world),
        Eviction(world),
        Victims(world),
        QueueLimit(world),
    ]
