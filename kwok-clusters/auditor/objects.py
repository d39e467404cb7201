"""The fields of API objects that the promises speak of, decoded strictly typed; everything else is skipped.

Shapes: core/v1 Pod and Node, ``muster.dev/v1alpha1`` PodGroup, Queue and Topology. Quantities stay as written and are
read in ``requests``.
"""

from typing import Any, Literal

from msgspec import Struct, field

Quantity = str | int | float
Kind = Literal["nodes", "topologies", "queues", "podgroups", "pods"]

# In the order in which a first listing has to be taken in: pods refer to everything else.
KINDS: tuple[Kind, ...] = ("nodes", "topologies", "queues", "podgroups", "pods")

QUEUE_LABEL = "muster.dev/queue"
POD_GROUP_LABEL = "muster.dev/pod-group"
SUBGROUP_LABEL = "muster.dev/subgroup"
EVICTED_CONDITION = "muster.dev/Evicted"
PREEMPTIBLE_ANNOTATION = "muster.dev/preemptible"


class Wire(Struct, frozen=True, rename="camel"):
    """Base of everything decoded: camelCase on the wire, unknown fields ignored."""


class Metadata(Wire, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = "0"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Condition(Wire, frozen=True):
    type: str
    status: str
    reason: str = ""


class Requirements(Wire, frozen=True):
    requests: dict[str, Quantity] = {}


class Port(Wire, frozen=True):
    host_port: int = 0


class Container(Wire, frozen=True):
    name: str = ""
    ports: list[Port] = []
    resources: Requirements = Requirements()
    restart_policy: str | None = None


class ContainerStatus(Wire, frozen=True):
    name: str = ""
    allocated_resources: dict[str, Quantity] = {}
    resources: Requirements | None = None


class Toleration(Wire, frozen=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class Taint(Wire, frozen=True):
    key: str
    effect: str
    value: str = ""


class Expression(Wire, frozen=True):
    key: str
    operator: str
    values: list[str] = []


class SelectorTerm(Wire, frozen=True):
    match_expressions: list[Expression] = []
    match_fields: list[Expression] = []


class RequiredTerms(Wire, frozen=True):
    node_selector_terms: list[SelectorTerm] = []


class NodeAffinity(Wire, frozen=True):
    required: RequiredTerms | None = field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)


class Affinity(Wire, frozen=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: dict[str, Any] | None = None
    pod_anti_affinity: dict[str, Any] | None = None


class Volume(Wire, frozen=True):
    persistent_volume_claim: dict[str, Any] | None = None


class SchedulingGate(Wire, frozen=True):
    name: str


class PodSpec(Wire, frozen=True):
    scheduler_name: str = ""
    node_name: str = ""
    containers: list[Container] = []
    init_containers: list[Container] = []
    overhead: dict[str, Quantity] = {}
    resources: Requirements | None = None
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: list[Toleration] = []
    scheduling_gates: list[SchedulingGate] = []
    topology_spread_constraints: list[dict[str, Any]] = []
    volumes: list[Volume] = []


class PodStatus(Wire, frozen=True):
    phase: str = "Pending"
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []
    allocated_resources: dict[str, Quantity] = {}
    resources: Requirements | None = None


class Pod(Wire, frozen=True):
    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class NodeSpec(Wire, frozen=True):
    unschedulable: bool = False
    taints: list[Taint] = []


class NodeStatus(Wire, frozen=True):
    allocatable: dict[str, Quantity] = {}
    conditions: list[Condition] = []


class Node(Wire, frozen=True):
    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Level(Wire, frozen=True):
    name: str
    node_label: str


class TopologySpec(Wire, frozen=True):
    levels: list[Level] = []


class Topology(Wire, frozen=True):
    metadata: Metadata
    spec: TopologySpec = TopologySpec()


class QueueResource(Wire, frozen=True):
    name: str
    flavor: str = ""
    limit: Quantity | None = None


class QueueSpec(Wire, frozen=True):
    parent: str = ""
    state: str = "Open"
    resources: list[QueueResource] = []


class Queue(Wire, frozen=True):
    metadata: Metadata
    spec: QueueSpec = QueueSpec()


class TopologyAsk(Wire, frozen=True):
    name: str = ""
    required: str = ""
    exclusive: bool = False


class Template(Wire, frozen=True):
    requests: dict[str, Quantity] = {}


class Member(Wire, frozen=True):
    name: str
    sub_group: str = ""
    count: int = 1
    min_count: int | None = None
    template: Template | None = None


class SubGroup(Wire, frozen=True):
    name: str
    parent: str = ""
    min_member: int | None = None
    min_sub_group: int | None = None
    topology: TopologyAsk | None = None


class PodGroupSpec(Wire, frozen=True):
    queue: str = ""
    members: list[Member] = []
    min_member: int | None = None
    min_sub_group: int | None = None
    sub_groups: list[SubGroup] = []
    topology: TopologyAsk | None = None
    preemptible: bool = True


class PlaceNode(Wire, frozen=True):
    name: str
    count: int = 1


class Place(Wire, frozen=True):
    """Where the pods of one member go, run-length coded. A member that the PodGroup does not declare is the
    scheduler's own name for some of its pods."""

    member: str = ""
    nodes: list[PlaceNode] = []


class Victim(Wire, frozen=True):
    uid: str
    namespace: str = ""
    name: str = ""


class Move(Wire, frozen=True):
    """New places of a running gang, named ``namespace/name`` or by name inside the beneficiary's namespace.

    ``pods`` are those that leave for them; without any, all of its pods do.
    """

    gang: str
    places: list[Place] = []
    pods: list[Victim] = []


class Assignment(Wire, frozen=True):
    """The commit record. The three first fields identify the decision; a rewrite with other ones is a new record."""

    epoch: Quantity = 0
    made_from: Quantity = ""
    decided_at: str = ""
    places: list[Place] = []
    victims: list[Victim] = []
    moves: list[Move] = []


class PodGroupStatus(Wire, frozen=True):
    phase: str = ""
    assignment: Assignment | None = None


class PodGroup(Wire, frozen=True):
    metadata: Metadata
    spec: PodGroupSpec = PodGroupSpec()
    status: PodGroupStatus = PodGroupStatus()


ApiObject = Pod | Node | PodGroup | Queue | Topology


def type_of(kind: Kind) -> type[ApiObject]:
    """The type that objects of a watched kind decode to."""
    match kind:
        case "nodes":
            return Node
        case "topologies":
            return Topology
        case "queues":
            return Queue
        case "podgroups":
            return PodGroup
        case "pods":
            return Pod
