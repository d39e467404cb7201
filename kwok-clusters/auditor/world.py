"""The state of the cluster as the events tell it, and what each event means.

``World.apply`` folds one event in and returns the facts it amounts to. The world judges nothing.
"""

from collections.abc import Iterator

from auditor.events import Changed, Listed, Lost, Requested
from auditor.facts import (
    Bound,
    Fact,
    GangTouched,
    Grew,
    HistoryLost,
    Leaving,
    NodeChanged,
    QueueChanged,
    Rebound,
    RecordWritten,
    Started,
)
from auditor.gangbook import GangBook, gang_of
from auditor.objects import KINDS, QUEUE_LABEL, ApiObject, Kind, Node, Pod, PodGroup, Queue, Topology
from auditor.occupancy import Occupancy
from auditor.records import Record
from auditor.report import Finding, Severity
from auditor.requests import pod_request
from auditor.settings import Settings
from auditor.tracked import TrackedPod, Versions, asked_to_leave_at

# How far the audit log's clock and the arrival of watch events may be apart.
JOIN_SECONDS_MAX = 2.0


class World:
    """Everything known after the events so far. Promises read it and never write to it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.revision = 0
        self.now = 0.0
        self.pods: dict[str, TrackedPod] = {}
        self.nodes: dict[str, Versions[Node | None]] = {}
        self.queues: dict[str, Versions[Queue | None]] = {}
        self.topologies: dict[str, Topology] = {}
        self.started_at = 0.0
        self.book = GangBook()
        self.occupancy = Occupancy()
        self._by_name: dict[tuple[str, str], list[str]] = {}
        self._unlisted: set[Kind] = set(KINDS)

    def apply(self, event: Changed | Listed | Lost) -> list[Fact]:
        """Fold one event in; the facts stand in the order in which they became true.

        Until every kind has been listed once, events are taken in but mean nothing; then ``Started`` stands for all.
        """
        self.revision = event.revision
        self.now = max(self.now, event.at)
        started_before = not self._unlisted
        facts = list(self._facts(event))
        if self._unlisted:
            return []
        if not started_before:
            self.started_at = self.now
            return [Started()]
        return facts

    def pod_of(self, request: Requested) -> TrackedPod | None:
        """The pod that an audited request was about: by uid, else the one that had its name then.

        The log and the watch are timed by different clocks, so the nearest lifetime counts. What was asked for before
        the audit began cannot be told by name.
        """
        if request.uid:
            return self.pods.get(request.uid)
        if request.at < self.started_at - JOIN_SECONDS_MAX:
            return None
        namesakes = [self.pods[uid] for uid in self._by_name.get((request.namespace, request.name), ())]
        nearest = min(namesakes, key=lambda pod: pod.distance_seconds(request.at), default=None)
        return nearest if nearest and nearest.distance_seconds(request.at) <= JOIN_SECONDS_MAX else None

    def finding(self, severity: Severity, promise: str, subject: str, message: str, at: float | None = None) -> Finding:
        """A finding at the event taken in last."""
        return Finding(severity, promise, subject, message, self.revision, self.now if at is None else at)

    def _facts(self, event: Changed | Listed | Lost) -> Iterator[Fact]:
        match event:
            case Changed():
                yield from self._change(event, seen=not self._unlisted)
            case Listed(kind=kind, objects=objects):
                yield from self._unseen(event)
                listed = {_identity(obj) for obj in objects}
                for obj in objects:
                    yield from self._change(Changed(event.revision, event.at, kind, "MODIFIED", obj), seen=False)
                for obj in self._present(kind):
                    if _identity(obj) not in listed:
                        yield from self._change(Changed(event.revision, event.at, kind, "DELETED", obj), seen=False)
                self._unlisted.discard(kind)
            case Lost(kind=kind, reason=reason):
                yield HistoryLost(kind, reason)

    def _unseen(self, event: Listed) -> Iterator[HistoryLost]:
        """Whether a new listing shows changes that were not received one by one."""
        if event.kind in self._unlisted:
            return
        known = {_identity(obj): obj.metadata.resource_version for obj in self._present(event.kind)}
        listed = {_identity(obj): obj.metadata.resource_version for obj in event.objects}
        changed = sum(1 for identity in known.keys() | listed.keys() if known.get(identity) != listed.get(identity))
        # An API server that did not know the kind before had none of it: nothing was missed.
        if changed and known:
            yield HistoryLost(event.kind, f"{event.kind} were listed anew, {changed} had changed unseen")

    def _present(self, kind: Kind) -> list[ApiObject]:
        match kind:
            case "pods":
                return [p.pod for p in self.pods.values() if not p.gone]
            case "nodes":
                return [v.latest for v in self.nodes.values() if v.latest is not None]
            case "podgroups":
                return [g.group for g in self.book.gangs.values() if g.group is not None]
            case "queues":
                return [v.latest for v in self.queues.values() if v.latest is not None]
            case "topologies":
                return list(self.topologies.values())

    def _change(self, event: Changed, seen: bool) -> Iterator[Fact]:
        gone = event.type == "DELETED"
        keep_seconds = self.settings.reaction_seconds
        match event.object:
            case Pod() as pod:
                yield from self._pod(pod, event, seen)
            case PodGroup() as group:
                yield from self._pod_group(group, gone)
            case Node() as node:
                name = node.metadata.name
                self.nodes.setdefault(name, Versions(None)).replace(None if gone else node, event.at, keep_seconds)
                yield NodeChanged(name)
            case Queue() as queue:
                name = queue.metadata.name
                self.queues.setdefault(name, Versions(None)).replace(None if gone else queue, event.at, keep_seconds)
                yield QueueChanged(name)
            case Topology() as topology:
                self.topologies.pop(topology.metadata.name, None)
                if not gone:
                    self.topologies[topology.metadata.name] = topology

    def _pod(self, pod: Pod, event: Changed, seen: bool) -> Iterator[Fact]:
        ours = pod.spec.scheduler_name == self.settings.scheduler_name
        tracked = self.pods.get(pod.metadata.uid) or TrackedPod.of(
            pod, ours, gang_of(pod) if ours else None, seen_at=event.at if seen else 0.0
        )
        is_new = tracked.uid not in self.pods
        if is_new:
            self.pods[tracked.uid] = tracked
            self._by_name.setdefault((tracked.namespace, tracked.name), []).append(tracked.uid)
        node_before, request_before, standing_before = tracked.node, tracked.request, tracked.standing
        tracked.pod = pod
        if event.type == "DELETED":
            tracked.gone, tracked.gone_at = True, event.at
        tracked.node, tracked.request = pod.spec.node_name, pod_request(pod)
        tracked.queue = self._queue_of(tracked)
        begins_to_leave = not tracked.leaving and (tracked.gone or pod.metadata.deletion_timestamp is not None)
        if begins_to_leave:
            tracked.leave(asked_to_leave_at(pod, event.at), self.book.naming(tracked))
        bound_now = bool(tracked.node) and not node_before
        if bound_now:
            # A pod that is created with a node was put there by whoever created it.
            tracked.bind(event.revision, event.at, by_us=ours and event.type == "MODIFIED")
        gang = self.book.join(tracked)
        self.occupancy.enter(tracked)
        if bound_now:
            self.book.take_place(tracked)
            yield Bound(tracked, seen)
        elif node_before and tracked.node != node_before:
            yield Rebound(tracked, node_before)
        elif tracked.occupies and any(v > request_before.get(r, 0) for r, v in tracked.request.items()):
            yield Grew(tracked)
        if begins_to_leave:
            yield Leaving(tracked)
        if gang is not None and (is_new or tracked.standing != standing_before):
            yield GangTouched(gang.name, tracked, bound_now and seen)

    def _queue_of(self, pod: TrackedPod) -> str:
        """The PodGroup's queue, else the pod's label. A namespace's default queue is not looked up."""
        gang = self.book.gangs.get(pod.gang or "")
        if gang is not None and gang.group is not None and gang.group.spec.queue:
            return gang.group.spec.queue
        return pod.pod.metadata.labels.get(QUEUE_LABEL, "")

    def _pod_group(self, group: PodGroup, gone: bool) -> Iterator[Fact]:
        name = f"{group.metadata.namespace}/{group.metadata.name}"
        gang = self.book.gang(name)
        spec_before = gang.group.spec if gang.group else None
        records = self.book.write(group, gone, self.revision)
        for pod in gang.pods.values():
            if pod.queue != (queue := self._queue_of(pod)):
                pod.queue = queue
                self.occupancy.enter(pod)
        if records:
            self._name_those_leaving(group, records)
            yield RecordWritten(name, records)
        if gone or group.spec != spec_before:
            yield GangTouched(name)

    def _name_those_leaving(self, group: PodGroup, records: tuple[Record, ...]) -> None:
        """A record may name a pod that somebody else has begun to remove: evicting it again needs no other reason."""
        assert group.status.assignment is not None
        going = [self.pods[v.uid] for v in group.status.assignment.victims if v.uid in self.pods]
        going += [pod for record in records[1:] for pod in self.book.gang(record.gang).pods.values()]
        for pod in going:
            if pod.leaving:
                pod.named_by.add(records[0].gang)


def _identity(obj: ApiObject) -> str:
    """Pods come back under old names; everything else is its name."""
    return obj.metadata.uid if isinstance(obj, Pod) else f"{obj.metadata.namespace}/{obj.metadata.name}"
