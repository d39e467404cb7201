"""Raw watch lines to events: typed, only the fields a scheduler reads, equal shapes shared.

A `Decoder` holds nothing but caches of values that follow from their input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import msgspec

from scheduler.model import events as ev
from scheduler.model.cluster import Node
from scheduler.model.devices import DeviceUse, device_use, parse_uses
from scheduler.model.events import Event
from scheduler.model.flavor import Flavor, FlavorChoice
from scheduler.model.grouping import GroupingReport, GroupingStatus
from scheduler.model.relations import LabelSet
from scheduler.model.resources import from_quantities
from scheduler.model.running import Guard
from scheduler.model.shape import Shape, Taint
from scheduler.model.topology import Level, Slice, Topology, TopologyAsk, Torus
from scheduler.model.work import (
    Assignment,
    Condition,
    Cost,
    GangKey,
    Grant,
    MemberSpec,
    Move,
    NodeCount,
    Place,
    Pod,
    PodGroup,
    SubGroup,
    Terms,
    VerdictRecord,
    Victim,
)
from scheduler.wire import names, raw, storage
from scheduler.wire.durations import duration_seconds, moment_seconds
from scheduler.wire.pod_relations import asks_of_others
from scheduler.wire.pod_shape import pod_shape, resize_infeasible, template_shape, tolerations
from scheduler.wire.pod_volumes import pod_volumes
from scheduler.wire.queues import queue_of
from scheduler.wire.selectors import label_selector

SHAPE_ANNOTATIONS = (names.ANNOTATION_GPU_MODEL, *names.DEVICE_ASKS)
SHAPE_TEXTS_MAX = 20_000


class Bookmark(msgspec.Struct, frozen=True):
    """A stream is current up to this version; ``initial_end`` marks the end of the initial list."""

    version: str
    initial_end: bool


class StreamError(msgspec.Struct, frozen=True):
    """The server ended the stream with a Status (410: the version is too old, list again)."""

    code: int
    message: str


class Malformed(msgspec.Struct, frozen=True):
    """An object that could not be read: it is skipped, counted and logged once by the edge."""

    kind: str
    name: str
    message: str
    key: str
    """What names the object within its kind: the UID of a pod, else namespace/name."""


Seen = Event | Bookmark | StreamError | Malformed


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()


def _storage_gone(kind: str) -> Callable[[raw.Meta], Event]:
    return lambda meta: ev.StorageGone(kind, f"{meta.namespace}/{meta.name}".lstrip("/"))


GONE: Mapping[str, Callable[[raw.Meta], Event]] = {
    "nodes": lambda meta: ev.NodeGone(meta.name),
    "pods": lambda meta: ev.PodGone(meta.uid),
    "podgroups": lambda meta: ev.PodGroupGone(meta.namespace, meta.name),
    "queues": lambda meta: ev.QueueGone(meta.name),
    "topologies": lambda meta: ev.TopologyGone(meta.name),
    "resourceflavors": lambda meta: ev.FlavorGone(meta.name),
    "namespaces": lambda meta: ev.NamespaceGone(meta.name),
    "priorityclasses": lambda meta: ev.PriorityClassGone(meta.name),
    "poddisruptionbudgets": lambda meta: ev.GuardGone(f"{meta.namespace}/{meta.name}"),
    **{kind: _storage_gone(kind) for kind in storage.READERS},
}
"""What it means that an object is gone: only its names are read, whatever else it holds."""


class Decoder:
    """Turns lines of one watch stream per kind into events. `kinds` names the kinds it knows."""

    def __init__(self, scheduler_name: str = names.SCHEDULER) -> None:
        self._scheduler_name = scheduler_name
        self._line = msgspec.json.Decoder(raw.WatchLine)
        self._bookmark = msgspec.json.Decoder(raw.BookmarkObject)
        self._status = msgspec.json.Decoder(raw.StatusObject)
        self._named = msgspec.json.Decoder(raw.NamedObject)
        self._pod = msgspec.json.Decoder(raw.PodObject)
        self._version = ""
        self._shapes: dict[Shape, Shape] = {}
        self._shape_of_text: dict[bytes, Shape] = {}
        self._label_sets: dict[LabelSet, LabelSet] = {}
        self._labels: dict[tuple[str, str], tuple[str, str]] = {}
        self._readers: dict[str, Callable[[bytes | msgspec.Raw], Event]] = {
            "nodes": self._read_node,
            "pods": self._read_pod,
            "podgroups": self._read_group,
            "queues": self._read_queue,
            "topologies": self._read_topology,
            "resourceflavors": self._read_flavor,
            "namespaces": self._read_namespace,
            "priorityclasses": self._read_priority_class,
            "poddisruptionbudgets": self._read_guard,
            **{kind: partial(self._read_storage, kind) for kind in storage.READERS},
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._readers)

    def line(self, kind: str, line: bytes) -> tuple[Seen, str]:
        """One watch line as (what it says, the object's resourceVersion)."""
        envelope = self._line.decode(line)
        if envelope.type == "BOOKMARK":
            bookmark = self._bookmark.decode(envelope.object)
            initial_end = (bookmark.metadata.annotations or {}).get("k8s.io/initial-events-end") == "true"
            return Bookmark(bookmark.metadata.resourceVersion, initial_end), bookmark.metadata.resourceVersion
        if envelope.type == "ERROR":
            status = self._status.decode(envelope.object)
            return StreamError(status.code, status.message), ""
        return self.object(kind, envelope.object, gone=envelope.type == "DELETED")

    def object(self, kind: str, body: bytes | msgspec.Raw, *, gone: bool = False) -> tuple[Seen, str]:
        """One object as (event, resourceVersion); `Malformed` when it can not be read."""
        if gone:
            meta = self._named.decode(body).metadata
            return GONE[kind](meta), meta.resourceVersion
        try:
            event = self._readers[kind](body)
        except (msgspec.ValidationError, ValueError) as trouble:
            meta = self._named.decode(body).metadata
            label = f"{meta.namespace}/{meta.name}".lstrip("/")
            key = meta.uid if kind == "pods" else label
            return Malformed(kind, label, str(trouble), key), meta.resourceVersion
        return event, self._version

    def _read_node(self, body: bytes | msgspec.Raw) -> Event:
        node = msgspec.json.decode(body, type=raw.NodeObject)
        self._version = node.metadata.resourceVersion
        ready = any(each.type == "Ready" and each.status == "True" for each in node.status.conditions or ())
        return ev.NodeSeen(
            Node(
                name=node.metadata.name,
                labels=node.metadata.labels or {},
                allocatable=from_quantities(node.status.allocatable or {}),
                taints=tuple(Taint(each.key, each.value, each.effect) for each in node.spec.taints or ()),
                unschedulable=node.spec.unschedulable,
                ready=ready,
                features=tuple(sorted(node.status.declaredFeatures or ())),
            )
        )

    def _read_pod(self, body: bytes | msgspec.Raw) -> Event:
        pod = self._pod.decode(body)
        meta, spec, status = pod.metadata, pod.spec, pod.status
        self._version = meta.resourceVersion
        labels = meta.labels or {}
        annotations = meta.annotations or {}
        node, spec.nodeName = spec.nodeName, ""
        volumes, spec.volumes = pod_volumes(meta.name, spec.volumes or ()), None  # of no other pod's business
        label_set = self._label_set(meta.namespace, labels)
        shape = self._shape(spec, annotations, status, label_set)
        waiting, evicted = "", False
        for condition in status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                waiting = condition.reason
            elif condition.type == names.CONDITION_EVICTED:
                evicted = condition.status == "True"
        return ev.PodSeen(
            Pod(
                uid=meta.uid,
                namespace=meta.namespace,
                name=meta.name,
                version=meta.resourceVersion,
                shape=shape,
                node=node,
                devices=_devices(annotations) if node and shape.devices is not None else (),
                ours=spec.schedulerName == self._scheduler_name,
                finished=status.phase in ("Succeeded", "Failed"),
                succeeded=status.phase == "Succeeded",
                leaving=meta.deletionTimestamp is not None,
                gated=bool(spec.schedulingGates),
                priority=spec.priority or 0,
                created_seconds=_seconds(meta.creationTimestamp),
                group=labels.get(names.LABEL_POD_GROUP, ""),
                member=labels.get(names.LABEL_SUBGROUP, ""),
                queue=labels.get(names.LABEL_QUEUE, ""),
                topology=_annotated_topology(annotations),
                preemptible=annotations.get(names.ANNOTATION_PREEMPTIBLE, "true") != "false",
                label_set=label_set,
                waiting_reason=waiting,
                volumes=volumes,
                nominated=status.nominatedNodeName,
                started_seconds=_seconds(status.startTime),
                saved_seconds=moment_seconds(annotations.get(names.ANNOTATION_LAST_CHECKPOINT, "")),
                leaves_seconds=_seconds(meta.deletionTimestamp),
                movable=annotations.get(names.ANNOTATION_MOVABLE, "true") != "false",
                preempts=spec.preemptionPolicy != "Never",
                user=annotations.get(names.ANNOTATION_USER, ""),
                marked_evicted=evicted,
                owner=next((each.uid for each in meta.ownerReferences or () if each.controller), ""),
            )
        )

    def _label_set(self, namespace: str, labels: Mapping[str, str]) -> LabelSet:
        """One object per set of labels and per label: pods of one job have most of them in common."""
        if len(self._label_sets) + len(self._labels) >= SHAPE_TEXTS_MAX:
            self._label_sets.clear()
            self._labels.clear()
        pairs = tuple(self._labels.setdefault(pair, pair) for pair in sorted(labels.items()))
        label_set = LabelSet(namespace, pairs)
        return self._label_sets.setdefault(label_set, label_set)

    def _shape(
        self, spec: raw.PodSpec, annotations: Mapping[str, str], status: raw.PodStatus, label_set: LabelSet
    ) -> Shape:
        """One object per shape: pods of one job say the same, so what was read once is found by its text."""
        asked = tuple(annotations.get(name) for name in SHAPE_ANNOTATIONS)
        own = label_set if asks_of_others(spec) else None
        text = msgspec.json.encode((spec, asked, _resized(status), own))
        shape = self._shape_of_text.get(text)
        if shape is None:
            if len(self._shape_of_text) >= SHAPE_TEXTS_MAX:
                self._shape_of_text.clear()
            shape = pod_shape(spec, annotations, status, own)
            shape = self._shape_of_text[text] = self._shapes.setdefault(shape, shape)
        return shape

    def _read_group(self, body: bytes | msgspec.Raw) -> Event:
        group = msgspec.json.decode(body, type=raw.PodGroupObject)
        meta, spec, status = group.metadata, group.spec, group.status
        annotations = meta.annotations or {}
        self._version = meta.resourceVersion
        verdict = None
        if status.verdict is not None:
            verdict = VerdictRecord(status.verdict.cause, status.verdict.message, _seconds(status.verdict.since))
        return ev.PodGroupSeen(
            PodGroup(
                uid=meta.uid,
                namespace=meta.namespace,
                name=meta.name,
                version=meta.resourceVersion,
                generation=meta.generation,
                created_seconds=_seconds(meta.creationTimestamp),
                leaving=meta.deletionTimestamp is not None,
                finalizers=tuple(meta.finalizers or ()),
                queue=spec.queue,
                priority_class=spec.priorityClassName,
                members=tuple(
                    MemberSpec(
                        name=each.name,
                        count=each.count,
                        minimum=each.minCount,
                        shape=None if each.template is None else template_shape(each.template, meta.namespace),
                        sub_group=each.subGroup,
                    )
                    for each in spec.members or ()
                ),
                min_member=spec.minMember,
                min_sub_group=spec.minSubGroup,
                sub_groups=tuple(
                    SubGroup(each.name, each.parent, each.minMember, each.minSubGroup, _ask(each.topology))
                    for each in spec.subGroups or ()
                ),
                topology=_ask(spec.topology),
                preemptible=spec.preemptible,
                suspend=spec.suspend,
                leader=spec.leader,
                rank_label=spec.rankOrder.label if spec.rankOrder is not None else "",
                flavors=tuple(FlavorChoice(each.name, each.preference) for each in spec.flavors or ()),
                phase=status.phase,
                epoch=status.epoch,
                scheduled=status.scheduled,
                queued_at_seconds=_seconds(status.queuedAt),
                assignment=_assignment(status.assignment),
                verdict=verdict,
                conditions=_conditions(status.conditions),
                movable=spec.movable,
                saved_seconds=moment_seconds(annotations.get(names.ANNOTATION_LAST_CHECKPOINT, "")),
                checkpoint_seconds=None if spec.checkpoint is None else duration_seconds(spec.checkpoint.interval),
                stale_grace_seconds=duration_seconds(spec.stalenessGrace),
                delay_seconds=duration_seconds(spec.preemptionDelay),
                user=annotations.get(names.ANNOTATION_USER, ""),
                evictions=status.evictions,
                for_pod=annotations.get(names.ANNOTATION_FOR_POD, ""),
            )
        )

    def _read_queue(self, body: bytes | msgspec.Raw) -> Event:
        queue = msgspec.json.decode(body, type=raw.QueueObject)
        self._version = queue.metadata.resourceVersion
        created = _seconds(queue.metadata.creationTimestamp)
        return ev.QueueSeen(queue_of(queue, created, _conditions(queue.status.conditions)))

    def _read_topology(self, body: bytes | msgspec.Raw) -> Event:
        topology = msgspec.json.decode(body, type=raw.TopologyObject)
        self._version = topology.metadata.resourceVersion
        levels = tuple(Level(each.name, each.nodeLabel) for each in topology.spec.levels)
        found = Topology(topology.metadata.name, levels, _torus(topology.spec.torus))
        return ev.TopologySeen(found, _grouping_status(topology.metadata, topology.status))

    def _read_flavor(self, body: bytes | msgspec.Raw) -> Event:
        flavor = msgspec.json.decode(body, type=raw.FlavorObject)
        self._version = flavor.metadata.resourceVersion
        selector = tuple(sorted((flavor.spec.nodeSelector or {}).items()))
        found = Flavor(flavor.metadata.name, selector, tolerations(flavor.spec.tolerations))
        return ev.FlavorSeen(found, _grouping_status(flavor.metadata, flavor.status))

    def _read_namespace(self, body: bytes | msgspec.Raw) -> Event:
        namespace = self._named.decode(body)
        self._version = namespace.metadata.resourceVersion
        annotations = namespace.metadata.annotations or {}
        labels = tuple(sorted((namespace.metadata.labels or {}).items()))
        return ev.NamespaceSeen(namespace.metadata.name, annotations.get(names.ANNOTATION_DEFAULT_QUEUE, ""), labels)

    def _read_priority_class(self, body: bytes | msgspec.Raw) -> Event:
        priority = msgspec.json.decode(body, type=raw.PriorityClassObject)
        self._version = priority.metadata.resourceVersion
        return ev.PriorityClassSeen(
            priority.metadata.name, priority.value, priority.globalDefault, priority.preemptionPolicy != "Never"
        )

    def _read_guard(self, body: bytes | msgspec.Raw) -> Event:
        budget = msgspec.json.decode(body, type=raw.BudgetObject)
        meta, status = budget.metadata, budget.status
        self._version = meta.resourceVersion
        allowed = status.disruptionsAllowed if status.observedGeneration >= meta.generation else 0
        return ev.GuardSeen(Guard(meta.namespace, meta.name, label_selector(budget.spec.selector), max(0, allowed)))

    def _read_storage(self, kind: str, body: bytes | msgspec.Raw) -> Event:
        found, self._version = storage.READERS[kind](body)
        return ev.StorageSeen(kind, found)


def _resized(status: raw.PodStatus) -> tuple[object, ...]:
    """What a pod's status says about amounts: only that bears on its shape."""
    statuses = (*(status.containerStatuses or ()), *(status.initContainerStatuses or ()))
    reported = [each for each in statuses if each.allocatedResources is not None or each.resources is not None]
    return reported, status.allocatedResources, status.resources, resize_infeasible(status)


def _grouping_status(meta: raw.Meta, status: raw.GroupingStatusObject) -> GroupingStatus:
    """What a predecessor or we wrote about a topology or flavor; without a report where nobody did."""
    report = None
    if status.nodes is not None:
        report = GroupingReport(status.nodes, tuple((each.level, each.count) for each in status.domains or ()))
    ready = next((each for each in _conditions(status.conditions) if each.type == "Ready"), None)
    return GroupingStatus(meta.resourceVersion, meta.generation, status.observedGeneration, ready, report)


def _conditions(conditions: list[raw.Condition] | None) -> tuple[Condition, ...]:
    return tuple(
        Condition(each.type, each.status, each.reason, each.message, _seconds(each.lastTransitionTime))
        for each in conditions or ()
    )


def _annotated_topology(annotations: Mapping[str, str]) -> TopologyAsk | None:
    required = annotations.get(names.ANNOTATION_TOPOLOGY_REQUIRED, "")
    preferred = annotations.get(names.ANNOTATION_TOPOLOGY_PREFERRED, "")
    if not required and not preferred:
        return None
    return TopologyAsk(annotations.get(names.ANNOTATION_TOPOLOGY, ""), required, preferred)


def _ask(ask: raw.TopologyAskObject | None) -> TopologyAsk | None:
    if ask is None:
        return None
    slices = tuple(Slice(each.size, each.required) for each in ask.slices or ())
    return TopologyAsk(ask.name, ask.required, ask.preferred, slices, ask.exclusive, ask.balance == "Even")


def _torus(torus: raw.TorusObject | None) -> Torus | None:
    if torus is None:
        return None
    shapes = tuple(_sides(shape) for shape in torus.shapes or ())
    return Torus(torus.coordinateLabel, _sides(torus.dimensions), shapes, torus.level)


def _sides(text: str) -> tuple[int, ...]:
    return tuple(int(side) for side in text.split("x"))


def _devices(annotations: Mapping[str, str]) -> tuple[DeviceUse, ...]:
    """The parts of devices that a pod says it has. What cannot be read is as good as not said: the pod then counts on
    whole devices."""
    try:
        return parse_uses(annotations.get(names.ANNOTATION_GPU_DEVICES, ""))
    except ValueError:
        return ()


def _places(places: list[raw.PlaceObject] | None) -> tuple[Place, ...]:
    return tuple(
        Place(
            each.member,
            tuple(NodeCount(node.name, node.count, _uses(node.devices)) for node in each.nodes),
        )
        for each in places or ()
    )


def _uses(devices: list[raw.DeviceObject] | None) -> tuple[DeviceUse, ...]:
    return tuple(device_use(each.index, each.milli, each.slice) for each in devices or ())


def _assignment(record: raw.AssignmentObject | None) -> Assignment | None:
    if record is None:
        return None
    return Assignment(
        epoch=record.epoch,
        made_from=record.madeFrom,
        decided_at_seconds=_seconds(record.decidedAt),
        places=_places(record.places),
        victims=_victims(record.victims),
        moves=tuple(Move(GangKey(each.gang), _places(each.places), _victims(each.pods)) for each in record.moves or ()),
        terms=_terms(record.terms),
    )


def _terms(terms: raw.TermsObject | None) -> Terms:
    if terms is None:
        return Terms()
    return Terms(
        tuple(Grant(each.right, each.queue, each.gang) for each in terms.grants or ()),
        tuple(Cost(each.tier, each.value, each.least) for each in terms.costs or ()),
        terms.proven,
    )


def _victims(pods: list[raw.VictimObject] | None) -> tuple[Victim, ...]:
    return tuple(Victim(each.uid, each.namespace, each.name) for each in pods or ())
