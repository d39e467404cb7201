"""What waiting pods take from one another through their volumes, as resources of a plan.

Filters look at one pod at a time. What several pods of one plan take together becomes a column of the problem, which
every part of the solver treats like any other resource:

* volumes that a CSI driver may still attach to a node;
* a claim that only one pod may use: one piece in the whole cluster;
* volumes that exist and could serve waiting claims, on each node that can use them and in the whole cluster;
* a disk that must not be shared on a node.

The room of the whole cluster is the room of a root above all queues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from scheduler.core.volumes.words import CLUSTER
from scheduler.core.window import Ask
from scheduler.model.cluster import Mask, NodeTable, Snapshot
from scheduler.model.resources import MEMORY, Matrix, quantity_text, resources
from scheduler.model.shape import ClaimAsk, Disk, Shape, VolumeAsk
from scheduler.model.volumes import Volume, VolumeFacts
from scheduler.solver.asks.filters import Eligibility
from scheduler.solver.asks.volume_match import fitting, provisionable, usable
from scheduler.solver.problem import QueueRoom

ENOUGH = 2**31
"""More pieces than any plan asks for."""

WHOLE = 2**20
"""A disk that is written to: more than all its readers together."""


class Column(msgspec.Struct, frozen=True):
    """Pieces of one kind: how many each node offers and the cluster in all (-1: no bound), and who takes how many."""

    name: str
    free: Matrix
    room: int
    takes: Mapping[VolumeAsk, int]


@dataclass(frozen=True, eq=False)
class Counted:
    """A window with its volumes counted: shapes ask for pieces, nodes offer them. ``free`` is [nodes x columns]."""

    asks: list[Ask]
    found: dict[Shape, Eligibility]
    columns: tuple[Column, ...]
    free: Matrix
    bounds: tuple[int, ...]
    """What the cluster has left of each column; -1: no bound."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def rooms(
        self, rooms: tuple[QueueRoom, ...], names: tuple[str, ...]
    ) -> tuple[tuple[QueueRoom, ...], tuple[str, ...]]:
        """The rooms of the queues with the new columns, below a root that bounds the cluster where anything does."""
        open_columns = tuple(-1 for _ in self.bounds)
        wider = [
            msgspec.structs.replace(
                each,
                room=(*each.room, *open_columns),
                lines=tuple(msgspec.structs.replace(line, room=(*line.room, *open_columns)) for line in each.lines),
            )
            for each in rooms
        ]
        if all(bound < 0 for bound in self.bounds):
            return tuple(wider), names
        root = len(rooms)
        below = [msgspec.structs.replace(each, parent=root) if each.parent < 0 else each for each in wider]
        width = len(rooms[0].room) if rooms else 0
        return (*below, QueueRoom(-1, (*(-1 for _ in range(width)), *self.bounds))), (*names, CLUSTER)

    def without(self, taken: Mapping[int, Matrix]) -> Counted:
        """What is left when these pieces ([columns] by node row) are handed out."""
        free = self.free.copy()
        total = np.zeros(len(self.columns), dtype=np.int64)
        for row, pieces in taken.items():
            free[row] -= pieces
            total += pieces
        bounds = tuple(
            bound if bound < 0 else max(0, bound - int(gone)) for bound, gone in zip(self.bounds, total, strict=True)
        )
        return replace(self, free=free, bounds=bounds)


def counted(snapshot: Snapshot, asks: list[Ask], found: Mapping[Shape, Eligibility]) -> Counted | None:
    """The window with its volumes counted; None where nobody in it has volumes that others could take."""
    pods: Counter[VolumeAsk] = Counter()
    for ask in asks:
        for member in ask.gang.members:
            if member.shape.volumes is not None:
                pods[member.shape.volumes] += member.count
    if not pods or snapshot.volumes is None:
        return None
    columns = (
        *_attached(pods, snapshot.nodes, snapshot.volumes),
        *_once(pods, snapshot.nodes),
        *_existing(pods, snapshot.nodes, snapshot.volumes),
        *_disks(pods, snapshot.nodes),
    )
    if not columns:
        return None
    shapes = {shape: _with_pieces(shape, columns) for shape in found}
    return Counted(
        asks=[_with_shapes(ask, shapes) for ask in asks],
        found={shapes[shape]: allowed for shape, allowed in found.items()},
        columns=columns,
        free=np.column_stack([column.free for column in columns]),
        bounds=tuple(column.room for column in columns),
    )


def _with_pieces(shape: Shape, columns: Sequence[Column]) -> Shape:
    asked = shape.volumes
    if asked is None:
        return shape
    pieces = {column.name: column.takes[asked] for column in columns if asked in column.takes}
    return msgspec.structs.replace(shape, requests=resources({**dict(shape.requests), **pieces})) if pieces else shape


def _with_shapes(ask: Ask, shapes: Mapping[Shape, Shape]) -> Ask:
    if all(member.shape.volumes is None for member in ask.gang.members):
        return ask
    members = tuple(msgspec.structs.replace(each, shape=shapes[each.shape]) for each in ask.gang.members)
    return msgspec.structs.replace(ask, gang=msgspec.structs.replace(ask.gang, members=members))


# -- the columns -------------------------------------------------------------------------------------------------------


def _attached(pods: Iterable[VolumeAsk], nodes: NodeTable, facts: VolumeFacts) -> list[Column]:
    """Per driver with limits. A volume that several pods share counts for each of them: never too many are attached,
    and what is spared shows when they are."""
    columns = []
    for driver in sorted({name for asked in pods for name, _ in asked.attach}):
        free = np.full(len(nodes), ENOUGH, dtype=np.int64)
        limited = False
        for csi_node in facts.csi_nodes.values():
            row, limit = nodes.rows.get(csi_node.name), dict(csi_node.drivers).get(driver)
            if row is not None and limit is not None:
                free[row] = max(0, limit - facts.attached.get(csi_node.name, {}).get(driver, 0))
                limited = True
        if limited:
            takes = {asked: count for asked in pods for name, count in asked.attach if name == driver}
            columns.append(Column(f"volumes of {driver}", free, -1, takes))
    return columns


def _once(pods: Mapping[VolumeAsk, int], nodes: NodeTable) -> list[Column]:
    users: Counter[str] = Counter()
    for asked, count in pods.items():
        for key in asked.once:
            users[key] += count
    contested = sorted(key for key, count in users.items() if count > 1)
    return [
        Column(
            f"uses of claim {key}",
            np.ones(len(nodes), dtype=np.int64),
            1,
            {asked: 1 for asked in pods if key in asked.once},
        )
        for key in contested
    ]


def _existing(pods: Mapping[VolumeAsk, int], nodes: NodeTable, facts: VolumeFacts) -> list[Column]:
    """One column per set of volumes that some claim could use, taken by all claims that can use no others.

    Exact where the sets lie within one another, as those of one class do that differ in size, and where each volume
    belongs to one node or all of them to the same nodes. Else what several nodes could use is handed round among them.
    """
    serving: dict[ClaimAsk, frozenset[str]] = {}
    by_name: dict[str, Volume] = {}
    for asked in pods:
        for claim in asked.unbound:
            if claim not in serving and not (claim.selected_node or claim.prebound or claim.shared):
                found = fitting(claim, facts)
                by_name |= {each.name: each for each in found}
                serving[claim] = frozenset(each.name for each in found)
    columns: dict[frozenset[str], Column] = {}
    for claim, names in sorted(serving.items(), key=lambda item: (item[0].storage_class, sorted(item[1]))):
        if not names or names in columns:
            continue
        takes = {}
        for asked in pods:
            count = sum(1 for each in asked.unbound if serving.get(each, frozenset()) and serving[each] <= names)
            if count:
                takes[asked] = count
        reach = np.array([usable(by_name[name], nodes) for name in sorted(names)], dtype=np.bool_)
        can_be_made = provisionable(claim, facts, nodes)
        free = np.where(can_be_made, ENOUGH, _offered(reach))
        room = -1 if can_be_made.any() else len(names)
        name = f"volumes of class {claim.storage_class} from {quantity_text(MEMORY, claim.request)}"
        alike = sum(column.name.startswith(name) for column in columns.values())
        columns[names] = Column(f"{name} #{alike + 1}" if alike else name, free, room, takes)
    return list(columns.values())


def _offered(reach: Mask) -> Matrix:
    """How many of the volumes ([volumes x nodes] usable) each node may count on."""
    several = reach.sum(axis=1) > 1
    if not several.any() or len({row.tobytes() for row in reach}) == 1:
        return np.asarray(reach.sum(axis=0), dtype=np.int64)
    offered: Matrix = reach[~several].sum(axis=0).astype(np.int64)
    turn: Counter[bytes] = Counter()
    for row in reach[several]:
        within = np.flatnonzero(row)
        offered[within[turn[row.tobytes()] % len(within)]] += 1
        turn[row.tobytes()] += 1
    return offered


def _disks(pods: Mapping[VolumeAsk, int], nodes: NodeTable) -> list[Column]:
    """A disk that is only read may be mounted by many on a node, else by one."""
    users: Counter[tuple[str, str]] = Counter()
    for asked, count in pods.items():
        for disk in asked.disks:
            users[(disk.kind, disk.name)] += count
    columns = []
    for kind, name in sorted(key for key, count in users.items() if count > 1):
        takes = {}
        for asked in pods:
            amount = max((_share(disk) for disk in asked.disks if (disk.kind, disk.name) == (kind, name)), default=0)
            if amount:
                takes[asked] = amount
        columns.append(Column(f"disk {kind} {name}", np.full(len(nodes), WHOLE, dtype=np.int64), -1, takes))
    return columns


def _share(disk: Disk) -> int:
    return 1 if disk.read_only else WHOLE
