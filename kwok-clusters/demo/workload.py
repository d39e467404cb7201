"""What is submitted: queues, a topology, gangs of many kinds and single pods, sized to the fleet at hand."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from testbed.fleet import BLOCK_LABEL, GPU_MODEL_LABEL, GPU_RESOURCE, HOSTNAME_LABEL, RACK_LABEL, ZONE_LABEL, Fleet

LEVELS = {"zone": ZONE_LABEL, "block": BLOCK_LABEL, "rack": RACK_LABEL, "host": HOSTNAME_LABEL}
GROUP_VERSION = "muster.dev/v1alpha1"
GROUP_LABEL = "muster.dev/pod-group"
RUN_SECONDS_ANNOTATION = "muster.dev/simulated-runtime"

RESEARCH, PRODUCT, STUDENTS = "research", "product", "students"
REFERENCE_GPUS = 2048
"""The counts below are those of a fleet of this size; others get their share."""
SCALE_MAX = 2.0
"""Larger fleets get no more work than this, or the show would take too long."""


class UnfitFleetError(Exception):
    """The fleet lacks what the show needs."""


@dataclass(frozen=True, slots=True)
class Site:
    """The sizes of a fleet that the work is cut to. Only nodes of the commonest GPU count are reckoned with."""

    node_gpus: int
    rack_nodes: int
    block_nodes: int
    nodes: int
    model: str

    @classmethod
    def of(cls, fleet: Fleet) -> "Site":
        """Raises UnfitFleetError for a fleet without GPUs in racks."""
        nodes = [node for node in fleet.nodes() if RACK_LABEL in node["metadata"]["labels"]]
        gpus_of = Counter(int(node["status"]["allocatable"].get(GPU_RESOURCE, 0)) for node in nodes)
        del gpus_of[0]
        if not gpus_of:
            raise UnfitFleetError(
                f"the demo needs GPUs in racks, and fleet {fleet.name} has none; try dgx-256 or mixed"
            )
        node_gpus = gpus_of.most_common(1)[0][0]
        alike = [node for node in nodes if node["status"]["allocatable"].get(GPU_RESOURCE) == str(node_gpus)]
        labels = [node["metadata"]["labels"] for node in alike]
        return cls(
            node_gpus=node_gpus,
            rack_nodes=median_low(Counter(each[RACK_LABEL] for each in labels).values()),
            block_nodes=median_low(Counter(each[BLOCK_LABEL] for each in labels).values()),
            nodes=len(alike),
            model=labels[0].get(GPU_MODEL_LABEL, ""),
        )

    @property
    def scale(self) -> float:
        return min(self.nodes * self.node_gpus / REFERENCE_GPUS, SCALE_MAX)


@dataclass(frozen=True, slots=True)
class Wait:
    """How a gang that cannot run must be explained: the verdict's cause, and words that its message contains."""

    why: str
    cause: str
    words: str


@dataclass(frozen=True, slots=True)
class Gang:
    """One gang of the workload. `waits` is None for one that should run."""

    name: str
    queue: str
    pods: int
    gpus: int
    minimum: int
    run_seconds: int
    required: str = ""
    preferred: str = ""
    templated: bool = False
    pods_made: int | None = None
    model: str = ""
    resource_claim: str = ""
    waits: Wait | None = None

    @property
    def namespace(self) -> str:
        return self.queue if self.queue in (RESEARCH, PRODUCT, STUDENTS) else RESEARCH

    def group_object(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"queue": self.queue, "minMember": self.minimum}
        topology = {"required": self.required, "preferred": self.preferred}
        if asked := {name: level for name, level in topology.items() if level}:
            spec["topology"] = asked
        if self.templated:
            template = {"requests": requests(self.gpus), "tolerations": [TOLERATION]}
            spec["members"] = [{"name": "worker", "count": self.pods, "template": template}]
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": GROUP_VERSION, "kind": "PodGroup", "metadata": metadata, "spec": spec}

    def pod_objects(self) -> Iterator[dict[str, Any]]:
        for number in range(self.pods if self.pods_made is None else self.pods_made):
            pod = pod_object(f"{self.name}-{number}", self.namespace, self.gpus, self.run_seconds)
            pod["metadata"]["labels"] = {GROUP_LABEL: self.name}
            if self.model:
                pod["metadata"]["annotations"]["muster.dev/gpu-model"] = self.model
            if self.resource_claim:
                claim = {"name": "device", "resourceClaimName": self.resource_claim}
                pod["spec"]["resourceClaims"] = [claim]
            yield pod


@dataclass(frozen=True, slots=True)
class Single:
    """One pod without a gang."""

    name: str
    namespace: str
    gpus: int
    run_seconds: int
    waits: Wait | None = None

    def pod_object(self) -> dict[str, Any]:
        return pod_object(self.name, self.namespace, self.gpus, self.run_seconds)


@dataclass(frozen=True, slots=True)
class Wave:
    """Work that is submitted together."""

    gangs: tuple[Gang, ...]
    singles: tuple[Single, ...]

    def objects(self) -> Iterator[dict[str, Any]]:
        """Gangs with their pods, single pods scattered among them. Pods of templated gangs come later."""
        singles = list(self.singles)
        per_gang = len(singles) // max(1, len(self.gangs)) + 1
        for gang in self.gangs:
            yield gang.group_object()
            if not gang.templated:
                yield from gang.pod_objects()
            for single in singles[:per_gang]:
                yield single.pod_object()
            del singles[:per_gang]
        yield from (single.pod_object() for single in singles)


def cluster_objects(site: Site) -> list[dict[str, Any]]:
    """Namespaces with their default queues, the queues, and the topology."""
    names = (RESEARCH, PRODUCT, STUDENTS)
    namespaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "annotations": {"muster.dev/default-queue": name}},
        }
        for name in names
    ]
    limit = {"resources": [{"name": GPU_RESOURCE, "limit": students_limit(site)}]}
    queues = [
        {
            "apiVersion": GROUP_VERSION,
            "kind": "Queue",
            "metadata": {"name": name},
            "spec": limit if name == STUDENTS else {},
        }
        for name in names
    ]
    levels = [{"name": name, "nodeLabel": label} for name, label in LEVELS.items()]
    topology = {"apiVersion": GROUP_VERSION, "kind": "Topology", "metadata": {"name": "fleet"}}
    return [*namespaces, *queues, topology | {"spec": {"levels": levels}}]


def students_limit(site: Site) -> int:
    """The GPUs that the queue `students` may use: eight nodes' worth, less in a small fleet."""
    return site.node_gpus * max(1, min(8, site.nodes // 4))


def first_wave(site: Site) -> Wave:
    """Some three quarters of the fleet: nothing has to wait for anything. With it comes what can never run."""
    n, rack = site.node_gpus, site.rack_nodes
    half_block = max(1, site.block_nodes // 2)
    small, quarter = max(1, n // 4), max(1, n // 2)
    gangs = [
        *_gangs(site, 24, Gang("rack", RESEARCH, rack, n, rack, 6, required="rack")),
        *_gangs(site, 12, Gang("slice", PRODUCT, 4, small, 4, 8, required="rack")),
        *_gangs(site, 8, Gang("half-block", RESEARCH, half_block * 2, quarter, half_block * 2, 9, "block", "rack")),
        *_gangs(site, 10, Gang("near", PRODUCT, 8, 1, 8, 7, preferred="rack")),
        *_gangs(site, 5, Gang("elastic", PRODUCT, 8, small, 4, 8, preferred="block")),
        *_gangs(site, 3, Gang("course", STUDENTS, 4, small, 2, 6)),
        Gang("planned-ahead", RESEARCH, half_block, n, half_block, 8, required="block", templated=True),
        *unfit(site),
    ]
    count = round(300 * site.scale)
    singles = [Single(f"single-{i}", PRODUCT, 1, 6 + i % 4) for i in range(count)]
    singles += [Single(f"cpu-{i}", PRODUCT, 0, 6 + i % 4) for i in range(count // 6)]
    too_large = Wait("larger than any node", "Unschedulable", "nodes may take its pods")
    singles.append(Single("giant", PRODUCT, 2 * n, 1, waits=too_large))
    return Wave(tuple(gangs), tuple(singles))


def second_wave(site: Site) -> Wave:
    """As much again, while most of the first still runs: most of it waits until room comes free."""
    n, rack = site.node_gpus, site.rack_nodes
    half_block, most_of_block = max(1, site.block_nodes // 2), max(1, site.block_nodes * 3 // 4)
    gangs = [
        *_gangs(site, 12, Gang("late-rack", RESEARCH, rack, n, rack, 4, required="rack")),
        *_gangs(site, 6, Gang("most-of-block", RESEARCH, most_of_block, n, most_of_block, 5, "block")),
        *_gangs(site, 4, Gang("late-half", PRODUCT, half_block, n, half_block, 5, "block", "rack")),
        *_gangs(site, 1, Gang("wide", RESEARCH, 2 * site.block_nodes, n, 2 * site.block_nodes, 4, preferred="block")),
        *_gangs(site, 4, Gang("late-elastic", PRODUCT, 8, max(1, n // 2), 4, 5)),
    ]
    singles = [Single(f"late-{i}", PRODUCT, max(1, n // 4), 4) for i in range(round(100 * site.scale))]
    return Wave(tuple(gangs), tuple(singles))


def unfit(site: Site) -> Iterator[Gang]:
    """Gangs that cannot run, each for another reason."""
    n, rack = site.node_gpus, site.rack_nodes
    wide = rack + 2
    yield Gang(
        "too-wide", RESEARCH, wide, n, wide, 5, required="rack",
        waits=Wait("too large for one rack", "Blocked", f"needs {wide * n} GPUs in one rack; the best rack"),
    )  # fmt: skip
    limit = students_limit(site)
    over = limit // n + 4
    yield Gang(
        "over-limit", STUDENTS, over, n, over, 5,
        waits=Wait(
            "above its queue's limit", "Blocked",
            f"needs {over * n} GPUs; queue {STUDENTS} has a limit of {limit} in all",
        ),
    )  # fmt: skip
    yield Gang(
        "unknown-level", RESEARCH, 2, n, 2, 5, required="row",
        waits=Wait("unknown topology level", "Invalid", "has no level row"),
    )  # fmt: skip
    yield Gang(
        "unknown-queue", "physics", 2, n, 2, 5,
        waits=Wait("unknown queue", "Invalid", "queue physics does not exist"),
    )  # fmt: skip
    yield Gang(
        "wrong-model", RESEARCH, 2, n, 2, 5, model="B300",
        waits=Wait("a GPU model nobody has", "Blocked", "with another GPU model"),
    )  # fmt: skip
    yield Gang(
        "half-there", RESEARCH, 8, 1, 8, 5, pods_made=6,
        waits=Wait("pods that never came", "Incomplete", "6 of at least 8 pods exist"),
    )  # fmt: skip
    yield Gang(
        "not-supported", RESEARCH, 2, 1, 2, 5, resource_claim="somebodys-gpu",
        waits=Wait("claims (DRA): not yet", "Invalid", "resourceClaims"),
    )  # fmt: skip


def _gangs(site: Site, count: int, pattern: Gang) -> list[Gang]:
    """`count` gangs after one pattern in a fleet of the reference size, fewer or more in others; at least one."""
    fields = {name: getattr(pattern, name) for name in pattern.__dataclass_fields__}
    return [
        Gang(**fields | {"name": f"{pattern.name}-{number}", "run_seconds": pattern.run_seconds + number % 4})
        for number in range(max(1, round(count * site.scale)))
    ]


TOLERATION = {"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}
"""GPU nodes often carry this taint, so that nothing else strays there."""


def requests(gpus: int) -> dict[str, str]:
    """What a pod with so many GPUs requests."""
    shares = {"cpu": str(max(1, 4 * gpus)), "memory": f"{max(4, 32 * gpus)}Gi"}
    return shares | ({GPU_RESOURCE: str(gpus)} if gpus else {})


def pod_object(name: str, namespace: str, gpus: int, run_seconds: int) -> dict[str, Any]:
    """A pod for the scheduler, which kwok completes after its run time."""
    asked = requests(gpus)
    resources = {"requests": asked} | ({"limits": {GPU_RESOURCE: str(gpus)}} if gpus else {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {RUN_SECONDS_ANNOTATION: f"{run_seconds}s"},
        },
        "spec": {
            "schedulerName": "muster",
            "tolerations": [TOLERATION],
            "containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10", "resources": resources}],
        },
    }


def asked_gpus(wave: Wave) -> int:
    """The GPUs of all work of a wave that should run."""
    gangs = sum(gang.pods * gang.gpus for gang in wave.gangs if gang.waits is None)
    return gangs + sum(single.gpus for single in wave.singles if single.waits is None)
