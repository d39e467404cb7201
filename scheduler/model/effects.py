"""What the engine asks for. It never performs an effect; an edge does, and reports `Done` or `Failed`."""

from __future__ import annotations

import msgspec

from scheduler.model.devices import DeviceUse
from scheduler.model.grouping import GroupingReport
from scheduler.model.queue import QueueReport
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Assignment, Condition, GangKey


class Commit(msgspec.Struct, frozen=True):
    """Write a whole decision into its PodGroup's status by compare-and-swap on ``version``."""

    namespace: str
    name: str
    version: str
    assignment: Assignment


class Release(msgspec.Struct, frozen=True):
    """Remove a commit record by compare-and-swap; ``phase`` is the gang's next one. ``evictions`` is how often it has
    lost its places to others by now, where this is once more (None: it is not)."""

    namespace: str
    name: str
    version: str
    phase: str
    evictions: int | None = None


class Bind(msgspec.Struct, frozen=True):
    """Bind one pod; UID and resourceVersion are preconditions. ``devices`` are the parts of the node's GPUs it gets."""

    namespace: str
    name: str
    uid: str
    version: str
    node: str
    gang: GangKey
    devices: tuple[DeviceUse, ...] = ()


class Bump(msgspec.Struct, frozen=True):
    """Change an unbound pod's resourceVersion, so that a late bind of an older decision is refused by the server."""

    namespace: str
    name: str
    uid: str
    version: str
    gang: GangKey


class MarkEvicted(msgspec.Struct, frozen=True):
    """Say on a pod why it will be evicted (condition ``muster.dev/Evicted``), its UID as precondition; fields as in
    `Evict`, which follows."""

    namespace: str
    name: str
    uid: str
    gang: GangKey
    reason: str
    message: str


class Spare(msgspec.Struct, frozen=True):
    """Say on a pod that it stays after all (condition ``muster.dev/Evicted`` is False), its UID as precondition."""

    namespace: str
    name: str
    uid: str


class Evict(msgspec.Struct, frozen=True):
    """Evict a pod through the Eviction API, its UID as precondition; ``gang`` is the beneficiary (empty: none, the
    reason says why). A budget's refusal comes back as `Failed` with status 429."""

    namespace: str
    name: str
    uid: str
    gang: GangKey
    reason: str
    message: str


class SelectNode(msgspec.Struct, frozen=True):
    """Choose the node that a claim is provisioned for, by compare-and-swap; ``gang`` waits for it to be bound."""

    namespace: str
    name: str
    uid: str
    version: str
    node: str
    gang: GangKey


class ReserveVolume(msgspec.Struct, frozen=True):
    """Reserve a PersistentVolume for a claim, by compare-and-swap; the volume controller then binds the two.

    ``chosen`` says that we chose it; otherwise somebody had named the claim in the volume, and only its UID is added.
    """

    name: str
    version: str
    namespace: str
    claim: str
    claim_uid: str
    gang: GangKey
    chosen: bool = True


class MarkPod(msgspec.Struct, frozen=True):
    """Set PodScheduled=False with a reason and a message, by compare-and-swap: never on a pod bound meanwhile."""

    namespace: str
    name: str
    uid: str
    version: str
    reason: str
    message: str


class GroupStatus(msgspec.Struct, frozen=True):
    """What we say about a PodGroup besides its record."""

    phase: str
    scheduled: int
    queued_at_seconds: float
    observed_generation: int
    conditions: tuple[Condition, ...] = ()
    verdict_cause: str = ""
    verdict_message: str = ""
    verdict_since_seconds: float = 0.0
    verdict_facts: tuple[dict[str, str | int], ...] = ()


class WriteStatus(msgspec.Struct, frozen=True):
    """Merge a status into a PodGroup by compare-and-swap; the commit record is never touched by it."""

    namespace: str
    name: str
    version: str
    status: GroupStatus


class WriteQueueStatus(msgspec.Struct, frozen=True):
    """Merge a status into a Queue by compare-and-swap."""

    name: str
    version: str
    observed_generation: int
    conditions: tuple[Condition, ...]
    report: QueueReport


class WriteGroupingStatus(msgspec.Struct, frozen=True):
    """Merge a status into a Topology or ResourceFlavor (``kind`` is its plural) by compare-and-swap."""

    kind: str
    name: str
    version: str
    observed_generation: int
    ready: Condition
    report: GroupingReport


class ProtectQueue(msgspec.Struct, frozen=True):
    """Put our finalizer on a Queue, or take it off, by compare-and-swap; ``finalizers`` is the whole new list."""

    name: str
    version: str
    finalizers: tuple[str, ...]


class MakeGroup(msgspec.Struct, frozen=True):
    """Create a PodGroup for a single pod, owned by it, so that a decision about the pod has a place to stand."""

    namespace: str
    name: str
    pod: str
    pod_uid: str
    queue: str
    preemptible: bool
    topology: TopologyAsk | None = None


class DropGroup(msgspec.Struct, frozen=True):
    """Delete a PodGroup that we made for a single pod, its UID as precondition: its record has served."""

    namespace: str
    name: str
    uid: str


class Hold(msgspec.Struct, frozen=True):
    """Put our finalizer on a PodGroup, or take it off, by compare-and-swap; ``finalizers`` is the whole new list."""

    namespace: str
    name: str
    version: str
    finalizers: tuple[str, ...]


class Tell(msgspec.Struct, frozen=True):
    """An event for people about one object (``kind`` Pod, PodGroup or Queue, which has no namespace); dropped first
    when writes are scarce."""

    kind: str
    namespace: str
    name: str
    uid: str
    reason: str
    action: str
    message: str
    warning: bool = False


class Decide(msgspec.Struct, frozen=True):
    """Make a plan from the store's snapshot of this version; the answer is `Planned` or `PlanFailed`."""

    version: int


Effect = (
    Commit
    | Release
    | Bind
    | Bump
    | MarkEvicted
    | Evict
    | Spare
    | SelectNode
    | ReserveVolume
    | MarkPod
    | WriteStatus
    | WriteQueueStatus
    | ProtectQueue
    | WriteGroupingStatus
    | MakeGroup
    | DropGroup
    | Hold
    | Tell
    | Decide
)
