"""What the world remembers of a pod, of a gang, and of things that others change under the scheduler's feet."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from auditor.objects import EVICTED_CONDITION, PREEMPTIBLE_ANNOTATION, SUBGROUP_LABEL, Member, Pod, PodGroup
from auditor.records import GangName, PlaceKey, Record
from auditor.requests import Resources, amounts, pod_request, smallest

T = TypeVar("T")

DEVICE_ANNOTATIONS = ("muster.dev/gpu-", "muster.dev/mig-")


@dataclass(slots=True)
class Versions(Generic[T]):
    """A value and those it has replaced of late."""

    latest: T
    superseded: list[tuple[float, T]] = field(default_factory=list)

    def replace(self, value: T, at: float, keep_seconds: float) -> None:
        self.superseded = [(until, old) for until, old in self.superseded if until >= at - keep_seconds]
        self.superseded.append((at, self.latest))
        self.latest = value

    def since(self, at: float) -> list[T]:
        """The latest value first, then every one that was in force at ``at`` or later."""
        return [self.latest, *(old for until, old in reversed(self.superseded) if until >= at)]


@dataclass(slots=True)
class TrackedPod:
    """One pod (one uid) from its first sight on; kept after it is gone, for the audit log to be joined with."""

    uid: str
    namespace: str
    name: str
    ours: bool
    pod: Pod
    request: Resources
    gang: GangName | None
    seen_at: float
    queue: str = ""
    node: str = ""
    bound_revision: int = 0
    bound_at: float = 0.0
    bound_by_us: bool = False
    place: PlaceKey | None = None
    leaving: bool = False
    left_at: float = 0.0
    gone: bool = False
    gone_at: float = float("inf")
    named_by: set[GangName] = field(default_factory=set)

    @classmethod
    def of(cls, pod: Pod, ours: bool, gang: GangName | None, seen_at: float) -> "TrackedPod":
        """Begin to remember a pod, not bound yet. ``seen_at`` is 0 for one that was there before the audit."""
        meta = pod.metadata
        return cls(meta.uid, meta.namespace, meta.name, ours, pod, pod_request(pod), gang, seen_at)

    def bind(self, revision: int, at: float, by_us: bool) -> None:
        self.bound_revision, self.bound_at, self.bound_by_us = revision, at, by_us

    def leave(self, at: float, named_by: set[GangName]) -> None:
        self.leaving, self.left_at, self.named_by = True, at, named_by

    def distance_seconds(self, at: float) -> float:
        """How far a moment is from the pod's lifetime; 0 within it."""
        return max(0.0, self.seen_at - at, at - self.gone_at)

    @property
    def subject(self) -> str:
        return f"pod {self.namespace}/{self.name}"

    @property
    def label(self) -> str:
        """The member or subgroup that the pod says it belongs to."""
        return self.pod.metadata.labels.get(SUBGROUP_LABEL, "")

    @property
    def succeeded(self) -> bool:
        return self.pod.status.phase == "Succeeded"

    @property
    def ended(self) -> bool:
        return self.gone or self.pod.status.phase in ("Succeeded", "Failed")

    @property
    def occupies(self) -> bool:
        """Whether it takes room on its node: bound, and neither terminal nor gone. A leaving pod still does."""
        return bool(self.node) and not self.ended

    @property
    def active(self) -> bool:
        """Whether it counts as a running part of its gang."""
        return self.occupies and not self.leaving

    @property
    def standing(self) -> tuple[str, bool, bool]:
        """What of the pod its gang's minimum depends on."""
        return self.node, self.leaving, self.ended

    @property
    def marked_evicted(self) -> bool:
        return any(c.type == EVICTED_CONDITION and c.status == "True" for c in self.pod.status.conditions)

    @property
    def evicted_reason(self) -> str:
        """Why the scheduler says that it evicted the pod; empty where it does not say so."""
        said = (c.reason for c in self.pod.status.conditions if c.type == EVICTED_CONDITION and c.status == "True")
        return next(said, "")

    @property
    def asks_more_than_room(self) -> bool:
        """Whether who stands beside it matters, or which part of a device or which volume it gets."""
        spec, affinity = self.pod.spec, self.pod.spec.affinity
        near = affinity is not None and (affinity.pod_affinity or affinity.pod_anti_affinity)
        ports = any(port.host_port for container in spec.containers for port in container.ports)
        claims = any(volume.persistent_volume_claim for volume in spec.volumes)
        parts = any(key.startswith(DEVICE_ANNOTATIONS) for key in self.pod.metadata.annotations)
        return bool(near or ports or claims or parts or spec.topology_spread_constraints)

    @property
    def stated_preemptible(self) -> bool:
        """What the pod itself says, for a pod without a gang."""
        return self.pod.metadata.annotations.get(PREEMPTIBLE_ANNOTATION, "true") != "false"


@dataclass(slots=True)
class Gang:
    """A PodGroup, its pods, and the commit records that speak of it.

    ``active`` are those of its pods that run; ``succeeded`` pods count as present, also when they have been removed;
    ``requests`` is what a pod of each member takes.
    """

    name: GangName
    group: PodGroup | None = None
    pods: dict[str, TrackedPod] = field(default_factory=dict)
    active: dict[str, TrackedPod] = field(default_factory=dict)
    succeeded: dict[str, TrackedPod] = field(default_factory=dict)
    own: Record | None = None
    moves: dict[GangName, Record] = field(default_factory=dict)
    requests: dict[str, Resources] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"podgroup {self.name}"

    @property
    def record(self) -> Record | None:
        """The record in force: the newest of its own and those of beneficiaries that move it."""
        records = [*self.moves.values(), *([self.own] if self.own else [])]
        return max(records, key=lambda r: r.revision, default=None)

    @property
    def members(self) -> dict[str, Member]:
        """The declared members by name."""
        return {member.name: member for member in self.group.spec.members} if self.group else {}

    def member_of(self, pod: TrackedPod) -> str:
        """The pod's declared member: by its label, or the only one there is; empty when that does not tell."""
        members = self.members
        if pod.label in members:
            return pod.label
        return next(iter(members)) if len(members) == 1 and not pod.label else ""

    def branch_of(self, pod: TrackedPod) -> str:
        """The subgroup that the pod counts in: its member's, else the one its label names."""
        member = self.members.get(self.member_of(pod))
        return (member.sub_group or member.name) if member else pod.label

    def fill(self, pod: TrackedPod, record: Record) -> PlaceKey | None:
        """Let a bound pod take its place in a record; None when there is none for it.

        A declared member's pods take that member's places. Places of other names are the scheduler's own grouping of
        pods, and any pod of no declared member may take them, first where there is room.
        """
        member = self.member_of(pod)
        on_node = record.on(pod.node)
        if (member, pod.node) in on_node:
            candidates = [(member, pod.node)]
        else:
            declared = self.members
            candidates = [key for key in on_node if not member or key[0] not in declared]
        with_room = [key for key in candidates if record.unfilled(key) > 0]
        place = next(iter(with_room or candidates), None)
        if place is not None:
            record.filled.setdefault(place, set()).add(pod.uid)
        return place

    def request_of(self, member: str) -> Resources:
        """What one pod of a member takes at least: as seen on its pods, else as its template says.

        Of a name that is not declared it is not known which pods it stands for: what all of the gang's take.
        """
        if member in self.requests and member:
            return self.requests[member]
        declared = self.members.get(member)
        if declared is not None:
            return {**amounts(declared.template.requests), "pods": 1} if declared.template else {}
        return smallest(pod.request for pod in self.pods.values())


def asked_to_leave_at(pod: Pod, otherwise: float) -> float:
    """When its deletion was asked for: the timestamp of the deletion less the grace it was given."""
    if pod.metadata.deletion_timestamp is None:
        return otherwise
    ends = datetime.fromisoformat(pod.metadata.deletion_timestamp).timestamp()
    return ends - (pod.metadata.deletion_grace_period_seconds or 0)
