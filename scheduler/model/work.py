"""Work: pods as observed, gangs as asked for, and the places that were committed to them."""

from __future__ import annotations

from typing import NewType

import msgspec

from scheduler.model.devices import DeviceUse
from scheduler.model.flavor import FlavorChoice
from scheduler.model.relations import LabelSet
from scheduler.model.shape import Shape
from scheduler.model.topology import TopologyAsk
from scheduler.model.volumes import PodVolumes

GangKey = NewType("GangKey", str)
"""``namespace/name`` of a PodGroup, or ``pod/`` + UID for a pod without a group."""


FINALIZER = "muster.dev/pod-group"
"""Keeps a PodGroup, and the record in its status, until none of its pods is bound."""


def group_key(namespace: str, name: str) -> GangKey:
    return GangKey(f"{namespace}/{name}")


def single_key(pod_uid: str) -> GangKey:
    return GangKey(f"pod/{pod_uid}")


class Pod(msgspec.Struct, frozen=True):
    """A pod as observed. ``node`` is empty while it is not bound; ``finished`` means Succeeded or Failed; ``devices``
    are the parts of its node's GPUs that it was given."""

    uid: str
    namespace: str
    name: str
    version: str
    shape: Shape
    node: str = ""
    devices: tuple[DeviceUse, ...] = ()
    ours: bool = False
    finished: bool = False
    succeeded: bool = False
    leaving: bool = False
    gated: bool = False
    priority: int = 0
    created_seconds: float = 0.0
    group: str = ""
    member: str = ""
    queue: str = ""
    topology: TopologyAsk | None = None
    preemptible: bool = True
    label_set: LabelSet = LabelSet("")
    """What the selectors of other pods see of it."""
    nominated: str = ""
    """The node that another scheduler is making room on for it."""
    waiting_reason: str = ""
    """The reason of the pod's PodScheduled=False condition as it stands on the server."""
    volumes: PodVolumes | None = None
    started_seconds: float = 0.0
    """When its node began with it (``status.startTime``); 0 while it has not."""
    saved_seconds: float = 0.0
    """When it last saved its work (annotation ``muster.dev/last-checkpoint``); 0: never."""
    leaves_seconds: float = 0.0
    """When its grace ends, once it is being deleted; 0 before."""
    movable: bool = True
    preempts: bool = True
    """Whether it may take from others (``preemptionPolicy: Never`` forbids it)."""
    user: str = ""
    marked_evicted: bool = False
    """Whether the condition ``muster.dev/Evicted`` stands on it."""
    owner: str = ""
    """The UID of the controller that made it, and makes another in its place."""


class NodeCount(msgspec.Struct, frozen=True):
    """Run-length coded places: `count` interchangeable pods of a member on one node.

    ``devices`` is what each of them holds of the node's GPUs, where it asks for parts of them: pods of a member that
    hold different devices of one node are different entries.
    """

    node: str
    count: int
    devices: tuple[DeviceUse, ...] = ()


class Place(msgspec.Struct, frozen=True):
    member: str
    nodes: tuple[NodeCount, ...]


class Victim(msgspec.Struct, frozen=True):
    """A pod that leaves before the places of a record are taken."""

    uid: str
    namespace: str
    name: str


class Move(msgspec.Struct, frozen=True):
    """A running gang of which some pods get other places; ``places`` are the new ones, ``pods`` those that leave."""

    gang: GangKey
    places: tuple[Place, ...]
    pods: tuple[Victim, ...] = ()


class Grant(msgspec.Struct, frozen=True):
    """The permission to take from a queue, or from one gang of it that another one holds for."""

    right: str
    queue: str
    gang: str = ""


class Cost(msgspec.Struct, frozen=True):
    """What giving way costs in one tier, and what it costs at least (None: not known)."""

    tier: str
    value: int
    least: int | None = None


class Terms(msgspec.Struct, frozen=True):
    """On what terms others give way: under which permissions, at what cost, and whether no cheaper choice exists."""

    grants: tuple[Grant, ...] = ()
    costs: tuple[Cost, ...] = ()
    proven: bool = False

    def right_over(self, queue: str, gang: str) -> str:
        """Under which permission a gang of a queue gives way; empty where nothing is said."""
        own = (each.right for each in self.grants if each.gang == gang)
        return next(own, "") or next((each.right for each in self.grants if (each.queue, each.gang) == (queue, "")), "")


class Assignment(msgspec.Struct, frozen=True):
    """The commit record: the whole decision about one gang, replayed by effects and by a successor.

    ``victims`` leave for good, or leave already; the pods of ``moves`` come back on other places. A gang that gives way
    lists those of its own pods that leave as the victims of the record that it goes on with.
    """

    epoch: int
    made_from: str
    decided_at_seconds: float
    places: tuple[Place, ...] = ()
    victims: tuple[Victim, ...] = ()
    moves: tuple[Move, ...] = ()
    terms: Terms = Terms()

    @property
    def leaving(self) -> tuple[Victim, ...]:
        """All pods that leave before the places are taken: victims and moved ones."""
        return (*self.victims, *(pod for move in self.moves for pod in move.pods)) if self.moves else self.victims


class MemberSpec(msgspec.Struct, frozen=True):
    """A member as its PodGroup states it; ``shape`` is None when no template was given."""

    name: str
    count: int | None = None
    minimum: int | None = None
    shape: Shape | None = None
    sub_group: str = ""


class SubGroup(msgspec.Struct, frozen=True):
    name: str
    parent: str = ""
    min_member: int | None = None
    min_sub_group: int | None = None
    topology: TopologyAsk | None = None


class Condition(msgspec.Struct, frozen=True):
    """A condition as the Kubernetes API conventions mean it; `since_seconds` is when its status last changed."""

    type: str
    status: str
    reason: str
    message: str = ""
    since_seconds: float = 0.0


class VerdictRecord(msgspec.Struct, frozen=True):
    """The verdict as it was last written to the PodGroup's status."""

    cause: str
    message: str
    since_seconds: float


class PodGroup(msgspec.Struct, frozen=True):
    """A PodGroup as observed: what its owner asked for, and our own record in its status."""

    uid: str
    namespace: str
    name: str
    version: str
    generation: int = 1
    created_seconds: float = 0.0
    leaving: bool = False
    finalizers: tuple[str, ...] = ()
    queue: str = ""
    priority_class: str = ""
    members: tuple[MemberSpec, ...] = ()
    min_member: int | None = None
    min_sub_group: int | None = None
    sub_groups: tuple[SubGroup, ...] = ()
    topology: TopologyAsk | None = None
    preemptible: bool = True
    suspend: bool = False
    leader: str = ""
    rank_label: str = ""
    """The pod label that holds the rank where places go by rank; empty: they go by the names of pods."""
    flavors: tuple[FlavorChoice, ...] = ()
    phase: str = ""
    epoch: int = 0
    scheduled: int = 0
    queued_at_seconds: float = 0.0
    assignment: Assignment | None = None
    verdict: VerdictRecord | None = None
    conditions: tuple[Condition, ...] = ()
    movable: bool = True
    saved_seconds: float = 0.0
    """When it last saved its work (annotation ``muster.dev/last-checkpoint``); 0: never."""
    checkpoint_seconds: float | None = None
    """The time between two checkpoints, where its owner states it."""
    stale_grace_seconds: float | None = None
    delay_seconds: float | None = None
    """How long it waits before it may cause an eviction; None: what its queue says."""
    user: str = ""
    evictions: int = 0
    for_pod: str = ""
    """The UID of the single pod that we made it for; empty: somebody else made it."""

    @property
    def key(self) -> GangKey:
        return group_key(self.namespace, self.name)

    @property
    def held(self) -> bool:
        """Whether our finalizer is on it."""
        return FINALIZER in self.finalizers


class Branch(msgspec.Struct, frozen=True):
    """One node of a gang's tree. Branch 0 is the root (parent -1); a branch is present when both its minima hold.

    ``minimum`` counts pods anywhere below it, ``min_branches`` its children that are present.
    """

    name: str
    parent: int
    minimum: int = 0
    min_branches: int = 0
    topology: TopologyAsk | None = None


class Member(msgspec.Struct, frozen=True):
    """Interchangeable pods of one gang that still need a place: up to ``count``, at least ``minimum`` or none."""

    name: str
    shape: Shape
    count: int
    minimum: int
    branch: int = 0
    label_sets: tuple[LabelSet, ...] = ()
    """The distinct labels of its pods, as far as they exist; selectors must not tell them apart."""


class Gang(msgspec.Struct, frozen=True):
    """Work that waits for places, resolved for deciding: all of it or nothing, above its minima elastic.

    ``held`` are places it already has and keeps (an elastic gang that grows): its topology asks count them too.
    ``held_branches`` are the branches of their members, place by place (empty: as ``members`` say, else the root).
    ``leader`` names the member that leads the others.
    """

    key: GangKey
    name: str
    queue: str
    priority: int
    arrived_seconds: float
    members: tuple[Member, ...]
    branches: tuple[Branch, ...]
    preemptible: bool = True
    single: bool = False
    flavors: tuple[FlavorChoice, ...] = ()
    held: tuple[Place, ...] = ()
    held_branches: tuple[int, ...] = ()
    leader: str = ""
    preempts: bool = True
    """Whether it may take from others at all (``preemptionPolicy: Never`` of its PriorityClass forbids it)."""
    delay_seconds: float | None = None
    """How long it waits before it may cause an eviction; None: what its queue says."""
    user: str = ""
    gives_way: bool = False
    """Whether pods of it still leave for somebody else: until they are gone it makes nobody leave in turn."""

    @property
    def pods(self) -> int:
        return sum(member.count for member in self.members)

    @property
    def namespace(self) -> str:
        return (self.name if self.single else self.key).partition("/")[0]

    def line(self, branch: int) -> list[int]:
        """A branch and everything above it, the branch first."""
        line = []
        while branch >= 0:
            line.append(branch)
            branch = self.branches[branch].parent
        return line

    def held_below(self, branch: int) -> list[Place]:
        """The places that it holds anywhere below a branch."""
        stated = {member.name: member.branch for member in self.members}
        own = self.held_branches or [stated.get(place.member, 0) for place in self.held]
        return [place for place, at in zip(self.held, own, strict=True) if branch in self.line(at)]
