"""What the engine is told. Each names what was seen; nothing is decided per event."""

from __future__ import annotations

import msgspec

from scheduler.model.cluster import Node
from scheduler.model.effects import Effect
from scheduler.model.flavor import Flavor
from scheduler.model.grouping import GroupingStatus
from scheduler.model.plan import Plan
from scheduler.model.queue import Queue
from scheduler.model.running import Guard
from scheduler.model.selector import Labels
from scheduler.model.topology import Topology
from scheduler.model.volumes import StorageObject
from scheduler.model.work import Pod, PodGroup


class NodeSeen(msgspec.Struct, frozen=True):
    node: Node


class NodeGone(msgspec.Struct, frozen=True):
    name: str


class PodSeen(msgspec.Struct, frozen=True):
    pod: Pod


class PodGone(msgspec.Struct, frozen=True):
    uid: str


class PodGroupSeen(msgspec.Struct, frozen=True):
    group: PodGroup


class PodGroupGone(msgspec.Struct, frozen=True):
    namespace: str
    name: str


class QueueSeen(msgspec.Struct, frozen=True):
    queue: Queue


class QueueGone(msgspec.Struct, frozen=True):
    name: str


class TopologySeen(msgspec.Struct, frozen=True):
    topology: Topology
    stands: GroupingStatus = GroupingStatus()


class TopologyGone(msgspec.Struct, frozen=True):
    name: str


class FlavorSeen(msgspec.Struct, frozen=True):
    flavor: Flavor
    stands: GroupingStatus = GroupingStatus()


class FlavorGone(msgspec.Struct, frozen=True):
    name: str


class NamespaceSeen(msgspec.Struct, frozen=True):
    """A namespace, the queue of its annotation ``muster.dev/default-queue`` (empty: none), and its labels."""

    name: str
    default_queue: str = ""
    labels: Labels = ()


class NamespaceGone(msgspec.Struct, frozen=True):
    name: str


class PriorityClassSeen(msgspec.Struct, frozen=True):
    """``preempts`` is False where its ``preemptionPolicy`` is Never."""

    name: str
    value: int
    default: bool = False
    preempts: bool = True


class PriorityClassGone(msgspec.Struct, frozen=True):
    name: str


class GuardSeen(msgspec.Struct, frozen=True):
    guard: Guard


class GuardGone(msgspec.Struct, frozen=True):
    """A PodDisruptionBudget is gone; ``key`` as in `Guard`."""

    key: str


class StorageSeen(msgspec.Struct, frozen=True):
    """An object of a storage kind (``kind`` is its plural)."""

    kind: str
    object: StorageObject


class StorageGone(msgspec.Struct, frozen=True):
    """An object of a storage kind is gone; ``key`` is its name, after its namespace where it has one."""

    kind: str
    key: str


class Synced(msgspec.Struct, frozen=True):
    """Everything that stood on the server at one moment has been told; sent once after every start of the watches."""


class Leading(msgspec.Struct, frozen=True):
    """We hold the lease from now on; ``epoch`` is its transition count."""

    epoch: int


class Deposed(msgspec.Struct, frozen=True):
    """We no longer hold the lease: no effect may be asked for until `Leading` comes again."""


class Ticked(msgspec.Struct, frozen=True):
    """Time went by; sent at least once a second while the engine runs."""


class Planned(msgspec.Struct, frozen=True):
    """The decision that was asked for has been made."""

    plan: Plan


class PlanFailed(msgspec.Struct, frozen=True):
    """The decision that was asked for was not made; the engine asks again when something changes or time goes by."""

    message: str


class Done(msgspec.Struct, frozen=True):
    """The server accepted an effect. ``version`` is the object's new resourceVersion where the answer holds it."""

    effect: Effect
    version: str = ""


class Failed(msgspec.Struct, frozen=True):
    """An effect was refused or lost. ``status`` is the HTTP status (0: no answer, the effect may have happened)."""

    effect: Effect
    status: int
    message: str


Event = (
    NodeSeen
    | NodeGone
    | PodSeen
    | PodGone
    | PodGroupSeen
    | PodGroupGone
    | QueueSeen
    | QueueGone
    | TopologySeen
    | TopologyGone
    | FlavorSeen
    | FlavorGone
    | NamespaceSeen
    | NamespaceGone
    | PriorityClassSeen
    | PriorityClassGone
    | GuardSeen
    | GuardGone
    | StorageSeen
    | StorageGone
    | Synced
    | Leading
    | Deposed
    | Ticked
    | Planned
    | PlanFailed
    | Done
    | Failed
)
