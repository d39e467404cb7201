"""What has been observed, with our own committed and assumed places as an overlay, kept as running totals.

Every pod that takes room is *charged* once: to its node, its queue and its gang. A commit record reserves what its pods
have not taken yet. Both are kept as NumPy totals, so that a snapshot is an array copy however many pods there are.
"""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np

from scheduler.core.facts.ages import Ages
from scheduler.core.facts.books import Charge, GangBook, Spot, spots, taken_by
from scheduler.core.facts.census import Census
from scheduler.core.facts.columns import Columns
from scheduler.core.facts.devices import DeviceBook, Uses
from scheduler.core.facts.guards import GuardBook
from scheduler.core.facts.holdings import Holdings
from scheduler.core.facts.notices import Notices
from scheduler.core.facts.queue_use import QueueUse
from scheduler.core.volumes.volumes import VolumeBook
from scheduler.model.bundle import Pending
from scheduler.model.cluster import Holding, Node, NodeTable, Snapshot
from scheduler.model.devices import device_kind, slots_of
from scheduler.model.events import PriorityClassSeen
from scheduler.model.flavor import Flavor, flavor_of
from scheduler.model.neighbours import NOBODY, Neighbours
from scheduler.model.queue import Counts, Queue
from scheduler.model.relations import LabelSet
from scheduler.model.resources import GPU, Matrix, resources
from scheduler.model.shape import Shape
from scheduler.model.topology import Topology
from scheduler.model.volumes import VolumeFacts
from scheduler.model.work import Assignment, GangKey, Pod, PodGroup, group_key

SHAPES_WITH_VOLUMES_MAX = 20_000


class Store:
    """Observed facts and totals. Changed only by the engine, one event at a time."""

    def __init__(self) -> None:
        self.version = 0
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Pod] = {}
        self.groups: dict[GangKey, PodGroup] = {}
        self.members_of: dict[GangKey, dict[str, Pod]] = {}
        self.queues: dict[str, Queue] = {}
        self.topologies: dict[str, Topology] = {}
        self.default_queue_of: dict[str, str] = {}
        self.priority_classes: dict[str, PriorityClassSeen] = {}
        self.guards = GuardBook()
        self.notices = Notices()
        self.ages = Ages()
        self.columns = Columns()
        self.charges: dict[str, Charge] = {}
        self.volumes = VolumeBook()
        self._shapes_with_volumes: dict[Shape, Shape] = {}
        self.books: dict[GangKey, GangBook] = {}
        self._slots: dict[str, int] = {}
        self._slot_names: list[str] = []
        self._used: Matrix = np.zeros((64, 4), dtype=np.int64)
        self._foreign: Matrix = np.zeros((64, 4), dtype=np.int64)
        """Of ``_used``, what is in no queue."""
        self.flavors: dict[str, Flavor] = {}
        self.holdings = Holdings()
        self._queue_use = QueueUse(self.queues, self.columns.widened)
        self.census = Census()
        self._devices = DeviceBook()
        self._table: NodeTable | None = None
        self._changed: dict[str, Node] = {}
        """Nodes of the table that have other facts by now."""
        self._capacity: Matrix | None = None
        self._table_slots: np.ndarray[tuple[int], np.dtype[np.intp]] = np.zeros(0, dtype=np.intp)

    # -- nodes -----------------------------------------------------------------------------------------------------

    def see_node(self, node: Node) -> bool:
        """Whether anything that matters for placement changed."""
        if self.nodes.get(node.name) == node:
            return False
        flavor = self.flavor_on(node.name)
        known = node.name in self.nodes
        self.nodes[node.name] = node
        self._slot(node.name)
        if known:
            self._changed[node.name] = node
        else:
            self._table = None
        if self.flavor_on(node.name) != flavor:
            self._recount()
        self.version += 1
        return True

    def lose_node(self, name: str) -> None:
        if self.nodes.pop(name, None) is not None:
            self._table = None
            self.version += 1

    def table(self) -> NodeTable:
        """The fleet's static columns: patched where nodes changed, made anew when nodes came or went."""
        if self._table is None:
            self._table = NodeTable.of(tuple(self.nodes.values()), tuple(self.flavors.values()))
            self._table_slots = np.array([self._slot(node.name) for node in self._table.nodes], dtype=np.intp)
            self._capacity = None
        elif self._changed:
            self._table = self._table.patched(self._changed)
            if self._capacity is not None:
                self._capacity = self._patched_capacity(self._table, self._capacity)
        self._changed = {}
        return self._table

    def _patched_capacity(self, table: NodeTable, capacity: Matrix) -> Matrix:
        rows = [self.columns.row(node.allocatable) for node in self._changed.values()]
        patched = self.columns.widened(capacity).copy()
        for node, row in zip(self._changed.values(), rows, strict=True):
            patched[table.rows[node.name]] = self.columns.widened(row)
        return patched

    def capacity(self) -> Matrix:
        """Allocatable amounts, rows as in `table`, columns as in `columns`."""
        table = self.table()
        if self._capacity is not None:
            self._capacity = self.columns.widened(self._capacity)
        else:
            for node in table.nodes:
                self.columns.row(node.allocatable)
            capacity = np.zeros((len(table), len(self.columns.names)), dtype=np.int64)
            for row, node in enumerate(table.nodes):
                capacity[row] = self.columns.row(node.allocatable)
            self._capacity = capacity
        return self._capacity

    def free(self) -> Matrix:
        """Capacity less what pods take and records reserve; negative where others took more than there is."""
        capacity = self.capacity()
        self._used = self.columns.widened(self._used)
        free: Matrix = capacity - self._used[self._table_slots]
        return free

    def free_on(self, node: str) -> Matrix:
        """The free row of one node."""
        self._used = self.columns.widened(self._used)
        own = self.columns.widened(self.columns.row(self.nodes[node].allocatable))
        free: Matrix = own - self._used[self._slots[node]]
        return free

    def slot_of(self, node: str) -> int:
        """The row of a node in the totals; it keeps it for good."""
        return self._slot(node)

    def node_of_slot(self, slot: int) -> str:
        """The name of the node, there or gone, that has a row in the totals."""
        return self._slot_names[slot]

    def _slot(self, node: str) -> int:
        slot = self._slots.get(node)
        if slot is None:
            slot = self._slots[node] = len(self._slots)
            self._slot_names.append(node)
            if slot >= len(self._used):
                self._used = np.concatenate([self._used, np.zeros_like(self._used)])
                self._foreign = np.concatenate([self._foreign, np.zeros_like(self._foreign)])
        return slot

    # -- pods ------------------------------------------------------------------------------------------------------

    def see_pod(self, pod: Pod) -> None:
        before = self.pods.get(pod.uid)
        self.pods[pod.uid] = pod
        self.volumes.see_pod(pod)
        if pod.group and pod.ours:
            key = group_key(pod.namespace, pod.group)
            self.members_of.setdefault(key, {})[pod.uid] = pod
        if before is None or before.version != pod.version:
            self.version += 1

    def lose_pod(self, uid: str) -> Pod | None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self.volumes.lose_pod(uid)
            if pod.group and pod.ours:
                self.forget_member(group_key(pod.namespace, pod.group), uid)
            self.version += 1
        return pod

    def renew_pod(self, uid: str, version: str) -> None:
        """A write of ours made a new version of a pod that the watch has not shown yet."""
        pod = self.pods.get(uid)
        if pod is not None and not pod.node and newer(pod.version, version) != pod.version:
            pod = self.pods[uid] = msgspec.structs.replace(pod, version=version)
            if pod.group and pod.ours:
                self.members_of[group_key(pod.namespace, pod.group)][uid] = pod

    def forget_member(self, key: GangKey, uid: str) -> None:
        pods = self.members_of.get(key)
        if pods is not None:
            pods.pop(uid, None)
            if not pods:
                del self.members_of[key]

    def charge(self, uid: str, charge: Charge | None) -> None:
        """Count a pod where the charge says, instead of where it counted before (None: nowhere)."""
        before = self.charges.get(uid)
        if before == charge:
            return
        if before is not None:
            self._count(uid, before, -1)
            del self.charges[uid]
        if charge is not None:
            self._count(uid, charge, 1)
            self.charges[uid] = charge
        self.volumes.stand(uid, charge.node if charge is not None and charge.takes_room else "")
        self.version += 1

    def with_volumes(self, pod: Pod) -> Pod:
        """A waiting pod with what its volumes ask for now in its shape: one object for equal shapes."""
        asked = self.volumes.ask_of(pod)
        if asked is None:
            return pod
        if len(self._shapes_with_volumes) >= SHAPES_WITH_VOLUMES_MAX:
            self._shapes_with_volumes.clear()
        shape = msgspec.structs.replace(pod.shape, volumes=asked)
        return msgspec.structs.replace(pod, shape=self._shapes_with_volumes.setdefault(shape, shape))

    def spend(self, uid: str) -> None:
        """A pod that had succeeded was deleted: it counts no more, and its place is not asked for again."""
        charge = self.charges.get(uid)
        self.charge(uid, None)
        if charge is None or charge.gang is None:
            return
        book, spot = self.book(charge.gang), charge.spot
        if book.record is None:
            return  # whatever it did was for a start that is over
        book.done[charge.member] += 1
        before = book.residual(spot)
        book.spent[spot] += 1
        self._add_residual(book, charge, book.residual(spot) - before)

    def _count(self, uid: str, charge: Charge, sign: int) -> None:
        if charge.takes_room:
            self.holdings.add(charge.queue, charge.gang or charge.group or uid, sign)
            self._add(
                charge.node,
                charge.queue,
                charge.shape,
                sign,
                charge.label_set,
                leaving=charge.leaving,
                devices=charge.devices,
                firm=charge.firm,
            )
        if charge.gang is not None:
            book = self.book(charge.gang)
            spot = charge.spot
            before = book.residual(spot)
            book.taken[spot] += sign
            self._add_residual(book, charge, book.residual(spot) - before)

    def _add_residual(self, book: GangBook, charge: Charge, times: int) -> None:
        """What a record still reserves on a spot grew or shrank because of one of its pods."""
        shape = book.shapes.get(charge.member, charge.shape)
        labels = book.labels.get(charge.member)
        self.holdings.add(book.queue, charge.gang or "", times)
        self._add(charge.node, book.queue, shape, times, labels, devices=charge.devices, firm=book.firm)

    def _add(
        self,
        node: str,
        queue: str,
        shape: Shape,
        times: int,
        label_set: LabelSet | None = None,
        *,
        leaving: bool = False,
        devices: Uses = (),
        firm: bool = False,
    ) -> None:
        if not times:
            return
        row = self.columns.row(taken_by(shape, devices))
        if times != 1:
            row = row * times
        slot = self._slot(node)
        if self._used.shape[1] != len(row):
            self._used = self.columns.widened(self._used)
        self._used[slot] += row
        if not queue:
            self._foreign = self.columns.widened(self._foreign)
            self._foreign[slot] += row
        self.census.count(slot, shape, label_set, times, leaving=leaving)
        if devices:
            self._devices.count(slot, devices, times)
        self._use(node, queue, shape, times, devices, firm=firm)

    def fallback_queue(self, namespace: str) -> str:
        """The queue of work that names none: the namespace's default, else `default` if there is one, else none."""
        return self.default_queue_of.get(namespace) or ("default" if "default" in self.queues else "")

    def use_by_flavor(self) -> dict[tuple[str, str], Matrix]:
        """What each leaf uses on nodes of each flavor (empty: of none)."""
        found: dict[tuple[str, str], Matrix] = {}
        for (queue, flavor, _), amounts in self._queue_use.by_key().items():
            found[queue, flavor] = found.get((queue, flavor), 0) + amounts
        return found

    def use_below(self, queue: str, column: int, flavor: str = "", *, firm: bool = False) -> int:
        """What a queue and everything below it use of one resource (`QueueUse.below`)."""
        return self._queue_use.below(queue, column, flavor, firm=firm)

    def requeue(self) -> None:
        """The tree of queues changed: add up its totals anew."""
        self._queue_use.requeue()

    def see_flavor(self, flavor: Flavor) -> bool:
        """Whether it is another one than before."""
        if self.flavors.get(flavor.name) == flavor:
            return False
        self.flavors[flavor.name] = flavor
        self._recount()
        return True

    def lose_flavor(self, name: str) -> None:
        if self.flavors.pop(name, None) is not None:
            self._recount()

    def flavor_on(self, node: str) -> str:
        """The flavor that a node counts as (empty: none)."""
        if not self.flavors or node not in self.nodes:
            return ""
        return flavor_of(self.nodes[node].labels, self.flavors.values())

    def _recount(self) -> None:
        """Nodes count as other flavors: what queues use is added up anew, pod by pod and record by record."""
        self._table = None
        self._queue_use.clear()
        for charge in self.charges.values():
            if charge.takes_room:
                self._use(charge.node, charge.queue, charge.shape, 1, charge.devices, firm=charge.firm)
        for book in self.books.values():
            for spot in book.wanted:
                shape = book.shapes.get(spot[0])
                if shape is not None:
                    self._use(spot[1], book.queue, shape, book.residual(spot), spot[2], firm=book.firm)
        self.version += 1

    def _use(self, node: str, queue: str, shape: Shape, times: int, devices: Uses, *, firm: bool) -> None:
        if queue and times:
            row = self.columns.widened(self.columns.row(taken_by(shape, devices)))
            self._queue_use.add(queue, self.flavor_on(node), firm, times * row)

    # -- records ---------------------------------------------------------------------------------------------------

    def book(self, key: GangKey) -> GangBook:
        book = self.books.get(key)
        if book is None:
            book = self.books[key] = GangBook()
        return book

    def reserve(
        self,
        key: GangKey,
        record: Assignment | None,
        queue: str,
        shapes: dict[str, Shape],
        labels: dict[str, LabelSet] | None = None,
        *,
        firm: bool = False,
    ) -> None:
        """Let a gang's record (None: none) reserve what its pods have not taken, instead of what it reserved before.

        ``labels`` are what the pods of each member look like to others, where that is known.
        """
        labels = labels or {}
        self.notices.serve(key, record)
        book = self.books.get(key)
        if book is None:
            if record is None:
                return
            book = self.book(key)
        if (book.record, book.queue, book.firm, book.shapes, book.labels) == (record, queue, firm, shapes, labels):
            return
        self._reserve_all(key, book, -1)
        if record != book.record:
            book.turn_page(record)
        book.record, book.queue, book.firm = record, queue, firm
        book.shapes, book.labels = dict(shapes), dict(labels)
        book.wanted = spots(record.places) if record is not None else Counter()
        self._reserve_all(key, book, 1)
        if record is None and not book.taken.total():
            del self.books[key]
        self.version += 1

    def _reserve_all(self, key: GangKey, book: GangBook, sign: int) -> None:
        for spot in book.wanted:
            shape = book.shapes.get(spot[0])
            if shape is not None:
                labels = book.labels.get(spot[0])
                self.holdings.add(book.queue, key, sign * book.residual(spot))
                self._add(
                    spot[1], book.queue, shape, sign * book.residual(spot), labels, devices=spot[2], firm=book.firm
                )

    def spent_of(self, key: GangKey, record: Assignment) -> Counter[Spot]:
        """Places of a record whose pods succeeded and were deleted, also while another record is being written."""
        book = self.books.get(key)
        if book is None:
            return Counter()
        before = book.before
        return before[1] if before is not None and before[0] == record and book.record != record else book.spent

    def open_spots(self, key: GangKey) -> Counter[Spot]:
        """How many pods of each member the record still expects on each node."""
        book = self.books.get(key)
        if book is None or book.record is None:
            return Counter()
        return Counter({spot: left for spot in book.wanted if (left := book.residual(spot)) > 0})

    # -- the picture -----------------------------------------------------------------------------------------------

    def snapshot(self, pending: Pending) -> Snapshot:
        free = self.free()
        return Snapshot(
            version=self.version,
            resources=tuple(self.columns.names),
            nodes=self.table(),
            capacity=self.capacity(),
            free=free,
            gangs=pending.gangs,
            bundles=pending.bundles,
            queues=dict(self.queues),
            use=self._queue_use.by_queue(),
            use_by=self._queue_use.by_key(),
            topologies=dict(self.topologies),
            held_by=self._held_by(),
            namespaces=dict(self.census.namespaces)
            if any(queue.namespace_selector != () for queue in self.queues.values())
            else {},
            foreign=self.columns.widened(self._foreign)[self._table_slots],
            neighbours=self._neighbours(pending),
            volumes=self._facts_for(pending),
            devices=self._device_states(pending),
        )

    def _held_by(self) -> dict[tuple[str, str], Holding]:
        """What each user holds in each leaf; looked up only where some queue has counts."""
        if all(queue.counts == Counts() for queue in self.queues.values()):
            return {}
        amounts: dict[tuple[str, str], dict[str, int]] = {}
        if any(queue.counts.user_resources for queue in self.queues.values()):
            for uid, charge in self.charges.items():
                if charge.takes_room and charge.queue:
                    own = amounts.setdefault((charge.queue, self._user_of(charge.gang or uid)), {})
                    for resource, amount in taken_by(charge.shape, charge.devices):
                        own[resource] = own.get(resource, 0) + amount
        found: dict[tuple[str, str], Holding] = {}
        for queue in self.queues:
            for key, pods in self.holdings.of(queue).items():
                where = (queue, self._user_of(key))
                before = found.get(where, Holding(0, 0, resources(amounts.get(where, {}))))
                found[where] = Holding(before.gangs + 1, before.pods + pods, before.amounts)
        return found

    def _user_of(self, key: str) -> str:
        """Of a gang by its key, or of a single pod by its UID."""
        owner = self.groups.get(GangKey(key)) or self.pods.get(key)
        return key.partition("/")[0] if owner is None else owner.user or owner.namespace

    def _device_states(self, pending: Pending) -> Matrix | None:
        """The states of all devices; costs nothing where nobody has a part of one or asks for it."""
        asked = (member.shape.devices for gang in pending.asking for member in gang.members)
        if not self._devices and all(each is None for each in asked):
            return None
        column = self.columns.names.index(GPU)
        table = self.table()
        return self._devices.matrix(
            self._table_slots,
            self.capacity()[:, column],
            self._used[self._table_slots, column],
            [slots_of(kind) for kind in table.device_kinds()],
        )

    def devices_on(self, node: str) -> list[int]:
        """The states of one node's devices."""
        column, slot = self.columns.names.index(GPU), self._slots[node]
        capacity = dict(self.nodes[node].allocatable).get(GPU, 0)
        used = int(self._used[slot, column])
        return self._devices.states(slot, capacity, used, slots_of(device_kind(self.nodes[node].labels)))

    def shares_devices(self, node: str) -> bool:
        """Whether somebody has a part of a device there."""
        return self._slots[node] in self._devices

    def _neighbours(self, pending: Pending) -> Neighbours:
        """Who stands where, as far as these gangs and they ask something of one another; costs nothing where nobody
        does."""
        asks = pending.asking
        shapes = {member.shape for gang in asks for member in gang.members if member.shape.relations is not None}
        if not shapes and not self.census.has_carriers:
            return NOBODY
        asking = [selector for shape in shapes if shape.relations for selector in shape.relations.selectors]
        seen = (label_set for gang in pending.all for member in gang.members for label_set in member.label_sets)
        self.table()
        return self.census.neighbours(asking, seen, self._table_slots)

    def _facts_for(self, pending: Pending) -> VolumeFacts | None:
        """The picture of storage where somebody who waits has volumes."""
        if any(member.shape.volumes is not None for gang in pending.asking for member in gang.members):
            return self.volumes.facts()
        return None


def newer(one: str, other: str) -> str:
    """The later of two resourceVersions (comparable integers since Kubernetes 1.35, KEP-5504)."""
    return max(one, other, key=lambda version: int(version) if version.isdigit() else -1)
