"""The ledger of one cycle: what every queue is entitled to, made from the snapshot that a decision is made from.

The total is what ready, uncordoned nodes can allocate, less what pods of others take there. Pods that leave count in
nobody's use. Only what queues speak of has a column, and what placed work is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from scheduler.core.facts.books import taken_by
from scheduler.core.queues.backlog import Backlog, Backlogs
from scheduler.core.queues.demand import Demands, FlavorsOf, LeafDemand
from scheduler.core.queues.ledger import Column, Ledger, Tree, entered
from scheduler.model.cluster import NodeTable, Snapshot
from scheduler.model.devices import DeviceKind
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue
from scheduler.model.resources import CPU, Matrix, vector
from scheduler.model.running import Running


@dataclass(frozen=True, eq=False)
class Entitled:
    """The queue tree in numbers, and what waits in its leaves (by name), in the same columns."""

    book: Ledger
    waiting: Mapping[str, LeafDemand]


class Entitlements:
    """Makes the ledger of each cycle, and remembers from one to the next what has not changed: the tree, and the demand
    of leaves."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._backlogs = Backlogs()
        self._demands = Demands()
        self._tree: Tree | None = None
        self._stated: object = None
        self._kinds: tuple[DeviceKind, ...] = ()
        self._kinds_of: NodeTable | None = None
        self._running: tuple[Running, ...] = ()
        self._leaving: tuple[Running, ...] = ()

    def of(
        self,
        snapshot: Snapshot,
        backlogs: Mapping[str, Backlog] | None = None,
        flavors_of: FlavorsOf | None = None,
        total: Mapping[Column, int] | None = None,
    ) -> Entitled:
        """``backlogs`` are the work that its queues admit (None: all that waits). ``flavors_of`` says where a shape may
        stand (None: anywhere), ``total`` what there is where no nodes say so."""
        tree = self._tree_of(snapshot)
        names = snapshot.nodes.flavors
        waiting = self._demands.of(
            self._backlogs.of(snapshot.pending) if backlogs is None else backlogs,
            tree.columns,
            self._device_kinds(snapshot.nodes),
            flavors_of or (lambda _: names),
        )
        use, firm = _use(snapshot, tree, self._who_leaves(snapshot.running))
        request = use.copy()
        for name, demand in waiting.items():
            if name in tree.rows:
                request[tree.rows[name]] += demand.request
        book = entered(
            tree,
            _total(snapshot, tree.columns, total),
            use,
            request,
            firm=firm,
            past=_past(snapshot, tree),
            history=_history(tree),
            zero_weight_last=self._policy.entitlement.zero_weight == "last",
        )
        return Entitled(book, waiting)

    def _tree_of(self, snapshot: Snapshot) -> Tree:
        counted = self._policy.value_resource
        if counted not in snapshot.resources or not snapshot.capacity[:, snapshot.resources.index(counted)].any():
            counted = CPU
        stated = (counted, [_stated(queue) for queue in snapshot.queues.values()])
        if self._tree is None or stated != self._stated:
            self._stated = stated
            self._tree = Tree.of(snapshot.queues, columns_of(snapshot.queues.values(), counted))
        return self._tree

    def _who_leaves(self, running: tuple[Running, ...]) -> tuple[Running, ...]:
        """Gangs with pods that leave."""
        if running is not self._running:
            self._running = running
            rows = dict.fromkeys(row for row, gang in enumerate(running) for pod in gang.pods if pod.leaving)
            self._leaving = tuple(running[row] for row in rows)
        return self._leaving

    def _device_kinds(self, nodes: NodeTable) -> tuple[DeviceKind, ...]:
        if nodes is not self._kinds_of:
            self._kinds_of, self._kinds = nodes, tuple(dict.fromkeys(nodes.device_kinds()))
        return self._kinds


def columns_of(queues: Iterable[Queue], counted: str) -> tuple[Column, ...]:
    """What some queue speaks of, and the resource that placed work is worth where nobody does: as a whole, or per
    flavor where quotas name flavors only."""
    found = {(quota.resource, quota.flavor) for queue in queues for quota in queue.quotas}
    if all(resource != counted for resource, _ in found):
        found.add((counted, ""))
    return tuple(sorted(found))


def _stated(queue: Queue) -> tuple[Any, ...]:
    """What of a queue the tree is made of: not its status, which changes all the time."""
    return (
        queue.name,
        queue.parent,
        queue.created_seconds,
        queue.quotas,
        queue.weight,
        queue.priority,
        queue.order,
        queue.history,
    )


def _history(tree: Tree) -> Mapping[int, Fraction]:
    """How much past use counts among the children of each queue. At the top, where there is no parent to say so, the
    queues themselves do: the largest factor among them."""
    found = {row: Fraction(queue.history.factor) for row, queue in enumerate(tree.queues) if queue.history is not None}
    top = [found[row] for row in found if tree.parents[row] < 0]
    return {**found, -1: max(top, default=Fraction(0))}


def _use(snapshot: Snapshot, tree: Tree, leaving: Iterable[Running]) -> tuple[Matrix, Matrix]:
    """[queues x columns] what each leaf uses, and what of it is not preemptible, without the pods that leave."""
    use = np.zeros((len(tree.names), len(tree.columns)), dtype=np.int64)
    firm = np.zeros_like(use)
    columns = _Columns(tree.columns, snapshot.resources)
    for (name, flavor, is_firm), amounts in snapshot.use_by.items():
        row = tree.rows.get(name)
        if row is not None:
            taken = columns.of(amounts, flavor)
            use[row] += taken
            if is_firm:
                firm[row] += taken
    for gang in leaving:
        row = tree.rows.get(gang.queue)
        if row is not None:
            taken = _leaving(gang, snapshot, columns)
            use[row] -= taken
            if not gang.preemptible:
                firm[row] -= taken
    return use, firm


def _past(snapshot: Snapshot, tree: Tree) -> Matrix:
    """[queues x columns] the decayed past use of leaves."""
    past: Matrix = np.zeros((len(tree.names), len(tree.columns)), dtype=np.int64)
    columns = _Columns(tree.columns, snapshot.resources)
    for (name, flavor), amounts in snapshot.past_by.items():
        if name in tree.rows:
            past[tree.rows[name]] += columns.of(amounts, flavor)
    return past


def _leaving(gang: Running, snapshot: Snapshot, columns: _Columns) -> Matrix:
    shapes = {member.name: member.shape for member in gang.members}
    taken = np.zeros(columns.width, dtype=np.int64)
    for pod in gang.pods:
        if pod.leaving:
            node = snapshot.nodes.rows.get(pod.node)
            flavor = "" if node is None else snapshot.nodes.flavor(node)
            taken += columns.of(vector(taken_by(shapes[pod.member], pod.devices), snapshot.resources), flavor)
    return taken


class _Columns:
    """From resource columns of a snapshot, on nodes of a flavor, to the columns of the ledger."""

    def __init__(self, columns: Sequence[Column], resources: tuple[str, ...]) -> None:
        self.width = len(columns)
        index = {name: number for number, name in enumerate(resources)}
        self._pairs: dict[str, list[tuple[int, int]]] = {}
        for column, (resource, flavor) in enumerate(columns):
            if resource in index:
                self._pairs.setdefault(flavor, []).append((column, index[resource]))

    def of(self, amounts: Matrix, flavor: str) -> Matrix:
        row: Matrix = np.zeros(self.width, dtype=np.int64)
        for each in ("", flavor) if flavor else ("",):
            for column, resource in self._pairs.get(each, ()):
                row[column] = amounts[resource]
        return row


def _total(snapshot: Snapshot, columns: tuple[Column, ...], stated: Mapping[Column, int] | None) -> tuple[int, ...]:
    if stated is not None:
        return tuple(stated.get(column, 0) for column in columns)
    foreign = 0 if snapshot.foreign is None else snapshot.foreign
    found = free_by_column(snapshot.capacity - foreign, snapshot, columns)
    into = _Columns(columns, snapshot.resources)
    for (name, flavor, _), amounts in snapshot.use_by.items():
        if name not in snapshot.queues:  # work that outlived its queue
            found -= into.of(amounts, flavor)
    return tuple(np.maximum(found, 0).tolist())


def free_by_column(amounts: Matrix, snapshot: Snapshot, columns: tuple[Column, ...]) -> Matrix:
    """[columns] sums of [nodes x resources] over usable nodes, per flavor where the column has one."""
    usable = snapshot.nodes.ready & ~snapshot.nodes.unschedulable
    codes = snapshot.nodes.flavor_codes
    sums: dict[str, Matrix] = {"": amounts[usable].sum(axis=0)}
    for code, name in enumerate(snapshot.nodes.flavors) if codes is not None else ():
        sums[name] = amounts[usable & (codes == code)].sum(axis=0)
    index = {name: number for number, name in enumerate(snapshot.resources)}
    return np.array(
        [sums[flavor][index[resource]] if resource in index and flavor in sums else 0 for resource, flavor in columns],
        dtype=np.int64,
    )
