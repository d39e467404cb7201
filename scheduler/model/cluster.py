"""The fleet as NumPy columns, and the immutable picture of the cluster that a decision is made from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.model.bundle import Bundle, Pending
from scheduler.model.devices import MODEL_LABEL, DeviceKind, device_kind
from scheduler.model.flavor import Flavor, flavor_of
from scheduler.model.neighbours import NOBODY, Neighbours
from scheduler.model.queue import Queue
from scheduler.model.resources import Matrix, Resources
from scheduler.model.running import Guards, Running
from scheduler.model.selector import Labels
from scheduler.model.shape import Taint, Toleration
from scheduler.model.topology import Topology
from scheduler.model.volumes import VolumeFacts
from scheduler.model.work import Gang, GangKey

Mask = NDArray[np.bool_]
Codes = NDArray[np.int32]
Column = tuple[Codes, tuple[str, ...]]
"""(code per row, the values they stand for)."""

GPU_MODEL_LABEL = MODEL_LABEL


class Node(msgspec.Struct, frozen=True):
    """A node as observed; ``version`` is left out of comparisons by `same_node`."""

    name: str
    labels: Mapping[str, str]
    allocatable: Resources
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    ready: bool = True
    features: tuple[str, ...] = ()
    """status.declaredFeatures, sorted."""


@dataclass(frozen=True, eq=False)
class NodeTable:
    """The static side of the fleet: one row per node, in name order, with coded columns made on demand.

    The columns are a cache of the rows and follow from them alone, so the table is still a value.
    """

    nodes: tuple[Node, ...]
    rows: Mapping[str, int]
    ready: Mask
    unschedulable: Mask
    taint_codes: Codes
    taint_sets: tuple[tuple[Taint, ...], ...]
    flavors: tuple[str, ...] = ()
    """Names of the kinds of nodes that are told apart, sorted."""
    flavor_codes: Codes | None = None
    """The index of each node's flavor (-1: none); there only when there are flavors."""
    flavor_tolerations: tuple[tuple[Toleration, ...], ...] = ()
    """What work has that accepts each of ``flavors`` by name."""
    _labels: dict[str, Column] = field(default_factory=dict, repr=False)
    _kinds: list[DeviceKind] = field(default_factory=list, repr=False)
    _domains: dict[tuple[Topology, int], Column] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, nodes: tuple[Node, ...], flavors: tuple[Flavor, ...] = ()) -> NodeTable:
        ordered = tuple(sorted(nodes, key=lambda node: node.name))
        taint_index: dict[tuple[Taint, ...], int] = {}
        codes = [taint_index.setdefault(node.taints, len(taint_index)) for node in ordered]
        flavors = tuple(sorted(flavors, key=lambda flavor: flavor.name))
        names = tuple(flavor.name for flavor in flavors)
        index = {"": -1, **{name: number for number, name in enumerate(names)}}
        own = [index[flavor_of(node.labels, flavors)] for node in ordered] if flavors else None
        return cls(
            nodes=ordered,
            rows={node.name: row for row, node in enumerate(ordered)},
            ready=np.array([node.ready for node in ordered], dtype=np.bool_),
            unschedulable=np.array([node.unschedulable for node in ordered], dtype=np.bool_),
            taint_codes=np.array(codes, dtype=np.int32),
            taint_sets=tuple(taint_index),
            flavors=names,
            flavor_codes=None if own is None else np.array(own, dtype=np.int32),
            flavor_tolerations=tuple(flavor.tolerations for flavor in flavors),
        )

    def __len__(self) -> int:
        return len(self.nodes)

    def patched(self, changed: Mapping[str, Node]) -> NodeTable:
        """The table with other facts about some of its nodes, each of the flavor that it was. Columns are carried over;
        those in which a node now has a value that nobody had are made anew when they are asked for."""
        rows = {self.rows[name]: node for name, node in changed.items()}
        taint_index = {taints: code for code, taints in enumerate(self.taint_sets)}
        nodes, ready, unschedulable = list(self.nodes), self.ready.copy(), self.unschedulable.copy()
        taint_codes = self.taint_codes.copy()
        for row, node in rows.items():
            nodes[row], ready[row], unschedulable[row] = node, node.ready, node.unschedulable
            taint_codes[row] = taint_index.setdefault(node.taints, len(taint_index))
        labels, domains = {}, {}
        # Copies: a decision on the old table may be making columns right now, in another thread.
        for key, column in self._labels.copy().items():
            new = _patched(column, {row: node.labels.get(key) for row, node in rows.items()})
            if new is not None:
                labels[key] = new
        for (topology, depth), column in self._domains.copy().items():
            new = _patched(column, {row: topology.domain_of(node.labels, depth) for row, node in rows.items()})
            if new is not None:
                domains[topology, depth] = new
        kinds = list(self._kinds)
        for row, node in rows.items() if kinds else ():
            kinds[row] = device_kind(node.labels)
        return NodeTable(
            tuple(nodes),
            self.rows,
            ready,
            unschedulable,
            taint_codes,
            tuple(taint_index),
            self.flavors,
            self.flavor_codes,
            self.flavor_tolerations,
            labels,
            kinds,
            domains,
        )

    def flavor(self, row: int) -> str:
        """The flavor that a node counts as; empty for none."""
        code = -1 if self.flavor_codes is None else int(self.flavor_codes[row])
        return self.flavors[code] if code >= 0 else ""

    def device_kinds(self) -> list[DeviceKind]:
        """The kind of each node's GPUs, row by row."""
        if not self._kinds:
            self._kinds.extend([device_kind(node.labels) for node in self.nodes])  # all at once: threads may look
        return self._kinds

    def label_column(self, key: str) -> Column:
        """(code per row, values): the value of a label on each node; code -1 where the node lacks it. Codes follow the
        sorted values, so they do not depend on the order of nodes; a value may have lost its last node."""
        column = self._labels.get(key)
        if column is None:
            column = self._labels[key] = _column([node.labels.get(key) for node in self.nodes])
        return column

    def domain_column(self, topology: Topology, depth: int) -> Column:
        """(code per row, names): the domain of each node at a level. A domain is its whole path of label values (two
        racks named r1 in different zones are two domains); -1 where a label of the path is missing."""
        column = self._domains.get((topology, depth))
        if column is None:
            paths = [topology.domain_of(node.labels, depth) for node in self.nodes]
            column = self._domains[topology, depth] = _column(paths)
        return column


def _column(found: list[str | None]) -> Column:
    values = tuple(sorted({value for value in found if value is not None}))
    index = {value: code for code, value in enumerate(values)}
    return np.array([-1 if value is None else index[value] for value in found], dtype=np.int32), values


def _patched(column: Column, found: Mapping[int, str | None]) -> Column | None:
    """A column with the values that some rows have now; None when one of them is new to it."""
    codes, values = column
    patched = codes.copy()
    for row, value in found.items():
        if value is None:
            patched[row] = -1
            continue
        code = bisect_left(values, value)
        if code == len(values) or values[code] != value:
            return None
        patched[row] = code
    return patched, values


class Held(msgspec.Struct, frozen=True):
    """Nodes whose domains of a level a gang asked for exclusively."""

    topology: str
    level: str
    nodes: tuple[str, ...]


class Standing(msgspec.Struct, frozen=True):
    """A gang with places, running or committed: the nodes that it uses, and what of them it holds exclusively."""

    gang: GangKey
    nodes: tuple[str, ...]
    exclusive: tuple[Held, ...] = ()


class Holding(msgspec.Struct, frozen=True):
    """What one user holds in one leaf; ``amounts`` only where some queue counts them."""

    gangs: int
    pods: int
    amounts: Resources = ()


UseKey = tuple[str, str, bool]
"""(queue, flavor of the node or empty, whether it is not preemptible)."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a decision is made from: observed facts with our own committed places as an overlay.

    ``gangs`` and ``bundles`` are what waits; single pods may be among the gangs, too.

    ``capacity`` and ``free`` are [nodes x resources] in smallest units, rows as in ``nodes``; ``free`` counts leaving
    pods until they are gone, and every committed place. ``use`` is what each queue holds, per resource column;
    ``use_by`` the same split by what quotas tell apart. ``standing`` are the gangs that have places; it may be empty
    where no gang asks for exclusive domains.
    """

    version: int
    resources: tuple[str, ...]
    nodes: NodeTable
    capacity: Matrix
    free: Matrix
    gangs: tuple[Gang, ...]
    queues: Mapping[str, Queue]
    use: Mapping[str, Matrix]
    use_by: Mapping[UseKey, Matrix]
    topologies: Mapping[str, Topology]
    bundles: tuple[Bundle, ...] = ()
    neighbours: Neighbours = NOBODY
    devices: Matrix | None = None
    """[nodes x devices] the states of GPUs by number (`scheduler.model.devices`), 0 beyond a node's last. Made only
    where something pending asks for parts of devices or something placed holds some."""
    volumes: VolumeFacts | None = None
    """None where no waiting pod has volumes."""
    standing: tuple[Standing, ...] = ()
    foreign: Matrix | None = None
    """[nodes x resources] what pods take that are in no queue of ours; None: nothing."""
    past_by: Mapping[tuple[str, str], Matrix] = field(default_factory=dict)
    """(queue, flavor of the node or empty) -> decayed past use, columns as ``use``; empty where no queue keeps one."""
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    """Labels by namespace; empty where no queue selects namespaces."""
    held_by: Mapping[tuple[str, str], Holding] = field(default_factory=dict)
    """(leaf, user) -> what is held; empty where no queue counts gangs, pods or users."""
    running: tuple[Running, ...] = ()
    """Every gang that has places and may have to give way; empty where nobody may take."""
    guards: Guards = field(default_factory=dict)

    @property
    def pending(self) -> Pending:
        """Everything that waits."""
        return Pending(self.gangs, self.bundles)
