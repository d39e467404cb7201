"""The subset of Kubernetes' JSON that is read, as typed structures with Kubernetes' own field names.

Lists and maps may be null on the wire (a bookmark's ``containers``), so they are optional here.
"""

# ruff: noqa: N815 - the names are those of the API

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw

Quantity = str | int


class WatchLine(msgspec.Struct):
    type: str
    object: Raw


class Owner(msgspec.Struct):
    uid: str
    controller: bool | None = None


class Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    generation: int = 1
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    creationTimestamp: datetime | None = None
    deletionTimestamp: datetime | None = None


class OwnedMeta(Meta):
    ownerReferences: list[Owner] | None = None


class NamedObject(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


class BookmarkObject(msgspec.Struct):
    metadata: Meta


class StatusObject(msgspec.Struct):
    code: int = 0
    message: str = ""
    reason: str = ""


class Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    lastTransitionTime: datetime | None = None


class TaintObject(msgspec.Struct):
    key: str
    effect: str
    value: str = ""


class NodeSpec(msgspec.Struct):
    taints: list[TaintObject] | None = None
    unschedulable: bool = False


class NodeStatus(msgspec.Struct):
    allocatable: dict[str, str] | None = None
    conditions: list[Condition] | None = None
    declaredFeatures: list[str] | None = None


class NodeObject(msgspec.Struct):
    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class ResourceRequests(msgspec.Struct):
    requests: dict[str, Quantity] | None = None


class RestartRule(msgspec.Struct):
    action: str = ""


class VolumeMount(msgspec.Struct):
    bindMountOptions: list[str] | None = None


class Port(msgspec.Struct):
    hostPort: int = 0
    hostIP: str = ""
    protocol: str = ""


class Container(msgspec.Struct):
    name: str = ""
    resources: ResourceRequests | None = None
    restartPolicy: str = ""
    ports: list[Port] | None = None
    restartPolicyRules: list[RestartRule] | None = None
    volumeMounts: list[VolumeMount] | None = None


class ContainerStatus(msgspec.Struct):
    name: str = ""
    allocatedResources: dict[str, Quantity] | None = None
    resources: ResourceRequests | None = None


class SelectorExpression(msgspec.Struct):
    key: str
    operator: str
    values: list[str] | None = None


class SelectorTerm(msgspec.Struct):
    matchExpressions: list[SelectorExpression] | None = None
    matchFields: list[SelectorExpression] | None = None


class NodeSelector(msgspec.Struct):
    nodeSelectorTerms: list[SelectorTerm] | None = None


class PreferredTerm(msgspec.Struct):
    weight: int
    preference: SelectorTerm


class NodeAffinity(msgspec.Struct):
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None
    preferredDuringSchedulingIgnoredDuringExecution: list[PreferredTerm] | None = None


class LabelSelector(msgspec.Struct):
    matchLabels: dict[str, str] | None = None
    matchExpressions: list[SelectorExpression] | None = None


class PodAffinityTerm(msgspec.Struct):
    topologyKey: str = ""
    labelSelector: LabelSelector | None = None
    namespaces: list[str] | None = None
    namespaceSelector: LabelSelector | None = None
    matchLabelKeys: list[str] | None = None
    mismatchLabelKeys: list[str] | None = None


class WeightedTerm(msgspec.Struct):
    weight: int
    podAffinityTerm: PodAffinityTerm


class PodAffinity(msgspec.Struct):
    requiredDuringSchedulingIgnoredDuringExecution: list[PodAffinityTerm] | None = None
    preferredDuringSchedulingIgnoredDuringExecution: list[WeightedTerm] | None = None


class Affinity(msgspec.Struct):
    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAffinity | None = None


class TolerationObject(msgspec.Struct):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class Spread(msgspec.Struct):
    whenUnsatisfiable: str = "DoNotSchedule"
    topologyKey: str = ""
    maxSkew: int = 1
    minDomains: int | None = None
    labelSelector: LabelSelector | None = None
    matchLabelKeys: list[str] | None = None
    nodeAffinityPolicy: str | None = None
    nodeTaintsPolicy: str | None = None


class ClaimSource(msgspec.Struct):
    claimName: str


class GceDisk(msgspec.Struct):
    pdName: str
    readOnly: bool = False


class EbsVolume(msgspec.Struct):
    volumeID: str
    readOnly: bool = False


class RbdImage(msgspec.Struct):
    image: str
    monitors: list[str]
    pool: str = "rbd"
    readOnly: bool = False


class IscsiDisk(msgspec.Struct):
    iqn: str
    readOnly: bool = False


class Volume(msgspec.Struct):
    name: str = ""
    persistentVolumeClaim: ClaimSource | None = None
    ephemeral: dict[str, Any] | None = None
    gcePersistentDisk: GceDisk | None = None
    awsElasticBlockStore: EbsVolume | None = None
    rbd: RbdImage | None = None
    iscsi: IscsiDisk | None = None
    azureDisk: dict[str, Any] | None = None
    azureFile: dict[str, Any] | None = None
    cinder: dict[str, Any] | None = None
    vsphereVolume: dict[str, Any] | None = None
    portworxVolume: dict[str, Any] | None = None


class Gate(msgspec.Struct):
    name: str


class PodSpec(msgspec.Struct):
    nodeName: str = ""
    schedulerName: str = ""
    priority: int | None = None
    preemptionPolicy: str = ""
    containers: list[Container] | None = None
    initContainers: list[Container] | None = None
    overhead: dict[str, Quantity] | None = None
    resources: ResourceRequests | None = None
    nodeSelector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[TolerationObject] | None = None
    schedulingGates: list[Gate] | None = None
    topologySpreadConstraints: list[Spread] | None = None
    volumes: list[Volume] | None = None
    resourceClaims: list[Any] | None = None
    hostNetwork: bool = False
    hostUsers: bool | None = None


class PodStatus(msgspec.Struct):
    phase: str = ""
    startTime: datetime | None = None
    nominatedNodeName: str = ""
    conditions: list[Condition] | None = None
    containerStatuses: list[ContainerStatus] | None = None
    initContainerStatuses: list[ContainerStatus] | None = None
    allocatedResources: dict[str, Quantity] | None = None
    resources: ResourceRequests | None = None


class PodObject(msgspec.Struct):
    metadata: OwnedMeta
    spec: PodSpec
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class GpuAsk(msgspec.Struct):
    model: str = ""
    count: int | None = None
    milli: int | None = None
    memory: Quantity | None = None
    migProfile: str = ""


class Template(msgspec.Struct):
    requests: dict[str, Quantity] | None = None
    nodeSelector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[TolerationObject] | None = None
    gpu: GpuAsk | None = None


class SliceObject(msgspec.Struct):
    size: int
    required: str


class TopologyAskObject(msgspec.Struct):
    name: str = ""
    required: str = ""
    preferred: str = ""
    slices: list[SliceObject] | None = None
    exclusive: str = ""
    balance: str = ""


class MemberObject(msgspec.Struct):
    name: str
    count: int | None = None
    minCount: int | None = None
    subGroup: str = ""
    template: Template | None = None


class SubGroupObject(msgspec.Struct):
    name: str
    parent: str = ""
    minMember: int | None = None
    minSubGroup: int | None = None
    topology: TopologyAskObject | None = None


class RankOrderObject(msgspec.Struct):
    label: str = "batch.kubernetes.io/job-completion-index"


class FlavorChoiceObject(msgspec.Struct):
    name: str
    preference: int = 0


class CheckpointObject(msgspec.Struct):
    interval: str = ""


class PodGroupSpec(msgspec.Struct):
    queue: str = ""
    members: list[MemberObject] | None = None
    minMember: int | None = None
    minSubGroup: int | None = None
    subGroups: list[SubGroupObject] | None = None
    topology: TopologyAskObject | None = None
    priorityClassName: str = ""
    preemptible: bool = True
    suspend: bool = False
    rankOrder: RankOrderObject | None = None
    leader: str = ""
    flavors: list[FlavorChoiceObject] | None = None
    movable: bool = True
    checkpoint: CheckpointObject | None = None
    stalenessGrace: str = ""
    preemptionDelay: str = ""


class DeviceObject(msgspec.Struct):
    index: int
    slice: str = ""
    milli: int = 0


class NodeCountObject(msgspec.Struct):
    name: str
    count: int
    devices: list[DeviceObject] | None = None


class PlaceObject(msgspec.Struct):
    member: str
    nodes: list[NodeCountObject]


class VictimObject(msgspec.Struct):
    uid: str
    namespace: str
    name: str


class MoveObject(msgspec.Struct):
    gang: str
    places: list[PlaceObject] | None = None
    pods: list[VictimObject] | None = None


class GrantObject(msgspec.Struct):
    right: str
    queue: str
    gang: str = ""


class CostObject(msgspec.Struct):
    tier: str
    value: int
    least: int | None = None


class TermsObject(msgspec.Struct):
    grants: list[GrantObject] | None = None
    costs: list[CostObject] | None = None
    proven: bool = False


class AssignmentObject(msgspec.Struct):
    epoch: int = 0
    madeFrom: str = ""
    decidedAt: datetime | None = None
    places: list[PlaceObject] | None = None
    victims: list[VictimObject] | None = None
    moves: list[MoveObject] | None = None
    terms: TermsObject | None = None


class VerdictObject(msgspec.Struct):
    cause: str = ""
    message: str = ""
    since: datetime | None = None


class PodGroupStatus(msgspec.Struct):
    phase: str = ""
    epoch: int = 0
    scheduled: int = 0
    evictions: int = 0
    queuedAt: datetime | None = None
    assignment: AssignmentObject | None = None
    verdict: VerdictObject | None = None
    conditions: list[Condition] | None = None


class PodGroupObject(msgspec.Struct):
    metadata: Meta
    spec: PodGroupSpec = msgspec.field(default_factory=PodGroupSpec)
    status: PodGroupStatus = msgspec.field(default_factory=PodGroupStatus)


class QuotaObject(msgspec.Struct):
    name: str
    flavor: str = ""
    guaranteed: Quantity | None = None
    limit: Quantity | None = None
    lendable: Quantity | None = None
    weight: int | None = None


class BorrowingObject(msgspec.Struct):
    policy: str = "Never"
    maxPriority: int | None = None


class MinRuntimeObject(msgspec.Struct):
    preempt: str = ""
    reclaim: str = ""


class PreemptionObject(msgspec.Struct):
    withinQueue: str = "LowerPriority"
    reclaim: str = "Any"
    whileBorrowing: BorrowingObject | None = None
    minRuntime: MinRuntimeObject | None = None
    delay: str = ""


class HistoryObject(msgspec.Struct):
    halfLife: str
    factor: Quantity = "1"


class PerUserObject(msgspec.Struct):
    gangs: int | None = None
    pods: int | None = None
    resources: dict[str, Quantity] | None = None


class CountsObject(msgspec.Struct):
    gangs: int | None = None
    pods: int | None = None
    perUser: PerUserObject | None = None


class QueueSpec(msgspec.Struct):
    parent: str = ""
    resources: list[QuotaObject] | None = None
    weight: int = 1
    priority: int = 0
    order: str = "PriorityThenAge"
    state: str = "Open"
    preemption: PreemptionObject | None = None
    history: HistoryObject | None = None
    limits: CountsObject | None = None
    namespaceSelector: LabelSelector | None = None


class QueueLineObject(msgspec.Struct):
    name: str
    flavor: str = ""
    used: Quantity = 0
    nonPreemptibleUsed: Quantity = 0
    fairShare: Quantity = 0
    borrowed: Quantity = 0
    lent: Quantity = 0
    historicUse: Quantity = 0
    guaranteed: Quantity = 0
    limit: Quantity | None = None


class QueueStatus(msgspec.Struct):
    conditions: list[Condition] | None = None
    resources: list[QueueLineObject] | None = None
    dominantSharePermille: int = 0
    pendingGangs: int = 0
    pendingPods: int = 0
    runningGangs: int = 0
    runningPods: int = 0


class QueueObject(msgspec.Struct):
    metadata: Meta
    spec: QueueSpec = msgspec.field(default_factory=QueueSpec)
    status: QueueStatus = msgspec.field(default_factory=QueueStatus)


class LevelObject(msgspec.Struct):
    name: str
    nodeLabel: str


class TorusObject(msgspec.Struct):
    coordinateLabel: str
    dimensions: str
    shapes: list[str] | None = None
    level: str = ""


class TopologySpec(msgspec.Struct):
    levels: list[LevelObject]
    torus: TorusObject | None = None


class DomainsObject(msgspec.Struct):
    level: str
    count: int


class GroupingStatusObject(msgspec.Struct):
    conditions: list[Condition] | None = None
    observedGeneration: int = 0
    nodes: int | None = None
    domains: list[DomainsObject] | None = None


class TopologyObject(msgspec.Struct):
    metadata: Meta
    spec: TopologySpec
    status: GroupingStatusObject = msgspec.field(default_factory=GroupingStatusObject)


class FlavorSpec(msgspec.Struct):
    nodeSelector: dict[str, str] | None = None
    tolerations: list[TolerationObject] | None = None


class FlavorObject(msgspec.Struct):
    metadata: Meta
    spec: FlavorSpec = msgspec.field(default_factory=FlavorSpec)
    status: GroupingStatusObject = msgspec.field(default_factory=GroupingStatusObject)


class PriorityClassObject(msgspec.Struct):
    metadata: Meta
    value: int = 0
    globalDefault: bool = False
    preemptionPolicy: str = ""


class BudgetSpec(msgspec.Struct):
    selector: LabelSelector | None = None


class BudgetStatus(msgspec.Struct):
    disruptionsAllowed: int = 0
    observedGeneration: int = 0


class BudgetObject(msgspec.Struct):
    """A PodDisruptionBudget."""

    metadata: Meta
    spec: BudgetSpec = msgspec.field(default_factory=BudgetSpec)
    status: BudgetStatus = msgspec.field(default_factory=BudgetStatus)
