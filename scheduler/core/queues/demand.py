"""What waits in each leaf of the queue tree, as columns: made once per leaf and kept while its backlog stays the same.

A pending gang counts in the columns of the ledger: (resource, flavor). Which flavor it will run in is not known yet; it
counts in the first one that it accepts, those it prefers before the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.core.queues.backlog import Backlog
from scheduler.core.queues.ledger import Column
from scheduler.model.devices import DeviceKind
from scheduler.model.flavor import FlavorChoice
from scheduler.model.resources import GPU, Matrix
from scheduler.model.shape import Shape
from scheduler.model.work import Gang

FlavorsOf = Callable[[Shape], Sequence[str]]
"""The flavors on whose nodes a shape may stand, by name."""


@dataclass(frozen=True, eq=False)
class LeafDemand:
    """What the waiting work of one leaf asks for: ``request`` [columns] all of it, and ``least_by_part`` [parts x
    columns] one gang of each part of the backlog at its minima."""

    backlog: Backlog
    least_by_part: Matrix
    request: Matrix

    @classmethod
    def of(cls, backlog: Backlog, rows: _Rows) -> LeafDemand:
        asks = [rows.of(part) for part in backlog.parts]
        least, whole = (np.array(own, dtype=np.int64).reshape(len(asks), rows.width) for own in zip(*asks, strict=True))
        return cls(backlog, least, (whole * backlog.sizes[:, None]).sum(axis=0))

    @cached_property
    def least(self) -> Matrix:
        """[n x columns] what each gang takes at its minima, in the order of the backlog."""
        found: Matrix = self.least_by_part[self.backlog.part]
        return found

    @cached_property
    def firm(self) -> NDArray[np.bool_]:
        """[n] which gangs are not preemptible, in the order of the backlog."""
        parts = np.array([not part.preemptible for part in self.backlog.parts], dtype=np.bool_)
        found: NDArray[np.bool_] = parts[self.backlog.part]
        return found


class Demands:
    """The demand of every leaf, remembered from cycle to cycle; it forgets leaves in which nothing waits any more."""

    def __init__(self) -> None:
        self._columns: tuple[Column, ...] = ()
        self._kinds: tuple[DeviceKind, ...] = ()
        self._known: dict[str, LeafDemand] = {}

    def of(
        self,
        backlogs: Mapping[str, Backlog],
        columns: tuple[Column, ...],
        kinds: tuple[DeviceKind, ...],
        flavors_of: FlavorsOf,
    ) -> dict[str, LeafDemand]:
        """By queue name. ``kinds`` are the kinds of devices in the fleet: parts of GPUs count as what they take where
        they take least."""
        if (columns, kinds) != (self._columns, self._kinds):
            self._columns, self._kinds = columns, kinds
            self._known = {}
        rows = _Rows(columns, kinds, flavors_of)
        known, self._known = self._known, {}
        for queue, backlog in backlogs.items():
            before = known.get(queue)
            if before is None or before.backlog is not backlog:
                before = LeafDemand.of(backlog, rows)
            self._known[queue] = before
        return self._known


class _Rows:
    """What gangs ask for as rows over the columns; equal shapes are read once."""

    def __init__(self, columns: tuple[Column, ...], kinds: tuple[DeviceKind, ...], flavors_of: FlavorsOf) -> None:
        self.width = len(columns)
        self._kinds = kinds
        self._flavors_of = flavors_of
        self._indices: dict[str, dict[str, int]] = {}
        for index, (resource, flavor) in enumerate(columns):
            self._indices.setdefault(resource, {})[flavor] = index
        self._flavored = any(flavor for _, flavor in columns)
        self._known: dict[tuple[Shape, str], Matrix] = {}
        self._singles: dict[tuple[int, int, tuple[FlavorChoice, ...]], tuple[Matrix, Matrix]] = {}
        """What single pods ask for, by the identity of their shape."""

    def of(self, gang: Gang) -> tuple[Matrix, Matrix]:
        """(at its minima, in all)."""
        if not gang.single:
            return self._sums(gang)
        alike = (id(gang.members[0].shape), gang.members[0].count, gang.flavors)
        found = self._singles.get(alike)
        if found is None:
            found = self._singles[alike] = self._sums(gang)
        return found

    def _sums(self, gang: Gang) -> tuple[Matrix, Matrix]:
        flavor = self._flavor(gang) if self._flavored else ""
        least: Matrix = np.zeros(self.width, dtype=np.int64)
        whole: Matrix = np.zeros(self.width, dtype=np.int64)
        missing = gang.branches[0].minimum
        for member in gang.members:
            row = self._row(member.shape, flavor)
            whole += row * member.count
            least += row * member.minimum
            missing -= member.minimum
        for member in gang.members if missing > 0 else ():  # the tree asks for more than its members do
            more = min(missing, member.count - member.minimum)
            least += self._row(member.shape, flavor) * more
            missing -= more
        return least, whole

    def _row(self, shape: Shape, flavor: str) -> Matrix:
        row = self._known.get((shape, flavor))
        if row is None:
            row = self._known[shape, flavor] = np.zeros(self.width, dtype=np.int64)
            for resource, amount in requests_of(shape, self._kinds).items():
                for column in {self._indices.get(resource, {}).get(each) for each in ("", flavor)} - {None}:
                    row[column] = amount
        return row

    def _flavor(self, gang: Gang) -> str:
        preferred = sorted(gang.flavors, key=lambda choice: -choice.preference)
        accepted = [choice.name for choice in preferred]
        open_to = self._flavors_of(gang.members[0].shape)
        return next((name for name in accepted or open_to if name in open_to), "")


def requests_of(shape: Shape, kinds: Sequence[DeviceKind]) -> Mapping[str, int]:
    """What one pod asks for, parts of devices as GPUs: what they take where they take least."""
    requests = dict(shape.requests)
    if shape.devices is not None:
        taken = [kind.milli(shape.devices) for kind in kinds]
        parts = min((milli for milli in taken if milli), default=0)
        requests[GPU] = requests.get(GPU, 0) + shape.devices.count * parts
    return requests
