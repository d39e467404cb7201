"""What is kept of each pod that takes room, and of each gang's record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from scheduler.core.facts.devices import Uses
from scheduler.model.devices import DEVICE_MILLI
from scheduler.model.relations import LabelSet
from scheduler.model.resources import GPU, Resources, resources
from scheduler.model.shape import Shape
from scheduler.model.work import Assignment, GangKey, NodeCount, Place

Spot = tuple[str, str, Uses]
"""(member, node, what each pod holds of its devices)."""


class Charge(msgspec.Struct, frozen=True):
    """Where a pod counts: on its node and queue while it runs, and as one of its gang's pods until it has failed."""

    node: str
    shape: Shape
    queue: str
    gang: GangKey | None
    member: str
    takes_room: bool
    label_set: LabelSet | None = None
    leaving: bool = False
    devices: Uses = ()
    firm: bool = False
    """Not preemptible."""
    group: GangKey | None = None
    """The gang that the pod is of by its label. Unlike ``gang`` it outlives the record: a gang whose pods are still
    leaving is one gang that holds places, not as many as it has pods."""

    @property
    def spot(self) -> Spot:
        return self.member, self.node, self.devices


@dataclass(slots=True)
class GangBook:
    """The bookkeeping of one gang: its record, and how many of its pods stand on each spot."""

    record: Assignment | None = None
    queue: str = ""
    firm: bool = False
    shapes: dict[str, Shape] = field(default_factory=dict)
    labels: dict[str, LabelSet] = field(default_factory=dict)
    wanted: Counter[Spot] = field(default_factory=Counter)
    taken: Counter[Spot] = field(default_factory=Counter)
    spent: Counter[Spot] = field(default_factory=Counter)
    """Places whose pod succeeded and was deleted: done with, for as long as this record stands."""
    before: tuple[Assignment, Counter[Spot]] | None = None
    """The record before this one with its spent places, should the commit of this one be refused."""
    done: Counter[str] = field(default_factory=Counter)
    """Pods by member that succeeded and were deleted under any record of this gang."""

    def turn_page(self, record: Assignment | None) -> None:
        """Another record stands: what was spent of the one before is no longer in it."""
        before = self.before
        if record is None:
            self.before, self.spent = None, Counter()
            self.done.clear()
        elif before is not None and before[0] == record:
            self.before, self.spent = None, before[1]
        elif self.record is not None:
            self.before, self.spent = (self.record, self.spent), Counter()

    def residual(self, spot: Spot) -> int:
        """How many pods of the record have not taken this spot yet."""
        return max(0, self.wanted[spot] - self.taken[spot] - self.spent[spot])


def spots(places: tuple[Place, ...]) -> Counter[Spot]:
    """Places as counts by spot."""
    found: Counter[Spot] = Counter()
    for place in places:
        for each in place.nodes:
            found[(place.member, each.node, each.devices)] += each.count
    return found


def places_of(counts: Counter[Spot]) -> tuple[Place, ...]:
    """Counts by spot as places, one entry per member, node and set of devices, in this order."""
    by_member: dict[str, list[NodeCount]] = {}
    for (member, node, devices), count in sorted(counts.items()):
        if count > 0:
            by_member.setdefault(member, []).append(NodeCount(node, count, devices))
    return tuple(Place(member, tuple(nodes)) for member, nodes in by_member.items())


def taken_by(shape: Shape, devices: Uses) -> Resources:
    """What a pod takes of its node and its queue. One that asks for parts of devices and of which nobody knows where
    they are takes the devices whole."""
    if shape.devices is None:
        return shape.requests
    milli = sum(use.milli for use in devices) if devices else shape.devices.count * DEVICE_MILLI
    return resources({**dict(shape.requests), GPU: milli})


def by_member(counts: Counter[Spot]) -> Counter[str]:
    """Counts by spot added up per member."""
    total: Counter[str] = Counter()
    for (member, _, _), count in counts.items():
        total[member] += count
    return total
