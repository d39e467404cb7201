"""What users of a simulated world write: the JSON of nodes, queues, gangs and pods, as short as it can be said."""

from __future__ import annotations

from typing import Any

from scheduler.model.volumes import NO_PROVISIONER
from scheduler.sim.kinds import MUSTER, STORAGE
from scheduler.sim.kubelet import RUNTIME_ANNOTATION
from scheduler.sim.objects import Object
from scheduler.wire import names

ZONE_LABEL = "topology.kubernetes.io/zone"
RACK_LABEL = "muster.dev/rack"
HOST_LABEL = "kubernetes.io/hostname"
GPU = "nvidia.com/gpu"


def node(name: str, rack: str, *, zone: str = "z0", gpus: int = 8, cpus: int = 64, pods: int = 110) -> Object:
    allocatable = {GPU: str(gpus), "cpu": str(cpus), "memory": "512Gi", "pods": str(pods)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {ZONE_LABEL: zone, RACK_LABEL: rack, HOST_LABEL: name}},
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def topology(name: str = "fleet") -> Object:
    levels = [{"name": "zone", "nodeLabel": ZONE_LABEL}, {"name": "rack", "nodeLabel": RACK_LABEL}]
    return {"apiVersion": MUSTER, "kind": "Topology", "metadata": {"name": name}, "spec": {"levels": levels}}


def queue(
    name: str,
    gpu_limit: int | None = None,
    *,
    guaranteed: int | None = None,
    parent: str = "",
    state: str = "Open",
    **more: Any,
) -> Object:
    """``more`` are fields of the specification as they are: weight, priority, preemption."""
    quota = {"guaranteed": guaranteed, "limit": gpu_limit}
    line = {key: str(value) for key, value in quota.items() if value is not None}
    spec: dict[str, Any] = {"resources": [{"name": GPU, **line}] if line else [], "state": state, **more}
    if parent:
        spec["parent"] = parent
    return {"apiVersion": MUSTER, "kind": "Queue", "metadata": {"name": name}, "spec": spec}


def priority_class(name: str, value: int, *, preempts: bool = True) -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "preemptionPolicy": "PreemptLowerPriority" if preempts else "Never",
    }


def budget(name: str, labels: dict[str, str], *, max_unavailable: int) -> Object:
    """A PodDisruptionBudget over the pods with these labels."""
    spec = {"selector": {"matchLabels": labels}, "maxUnavailable": max_unavailable}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}


def pod_group(
    name: str,
    pods: int,
    *,
    minimum: int | None = None,
    gpus: int = 1,
    queue: str = "default",
    rack: bool = False,
    priority: str = "",
    preemptible: bool = True,
) -> Object:
    """A gang of one member, ``worker``, with its template; below ``minimum`` pods it has none."""
    member: dict[str, Any] = {"name": "worker", "count": pods, "template": {"requests": requests(gpus)}}
    spec: dict[str, Any] = {"queue": queue, "members": [member], "minMember": pods if minimum is None else minimum}
    if rack:
        spec["topology"] = {"required": "rack"}
    if priority:
        spec["priorityClassName"] = priority
    if not preemptible:
        spec["preemptible"] = False
    return {"apiVersion": MUSTER, "kind": "PodGroup", "metadata": {"name": name}, "spec": spec}


def pod(
    name: str,
    *,
    group: str = "",
    gpus: int = 1,
    queue: str = "default",
    run_seconds: float | None = None,
    grace_seconds: int = 5,
    claims: tuple[str, ...] = (),
    priority: str = "",
    preemptible: bool = True,
) -> Object:
    labels = {names.LABEL_POD_GROUP: group, names.LABEL_SUBGROUP: "worker"} if group else {names.LABEL_QUEUE: queue}
    annotations = {} if run_seconds is None else {RUNTIME_ANNOTATION: str(run_seconds)}
    if not preemptible:
        annotations[names.ANNOTATION_PREEMPTIBLE] = "false"
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": {
            "schedulerName": names.SCHEDULER,
            "terminationGracePeriodSeconds": grace_seconds,
            "containers": [{"name": "main", "image": "none", "resources": {"requests": requests(gpus)}}],
        }
        | ({"volumes": volumes} if volumes else {})
        | ({"priorityClassName": priority} if priority else {}),
    }


def requests(gpus: int) -> dict[str, str]:
    return {"cpu": "1", "memory": "4Gi"} | ({GPU: str(gpus)} if gpus else {})


def storage_class(name: str, provisioner: str = "", *, waits: bool = True) -> Object:
    """Without a provisioner its volumes are made by hand."""
    return {
        "apiVersion": STORAGE,
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner or NO_PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer" if waits else "Immediate",
    }


def claim(name: str, storage_class: str, *, size: str = "10Gi", mode: str = "ReadWriteOnce") -> Object:
    spec = {
        "storageClassName": storage_class,
        "accessModes": [mode],
        "resources": {"requests": {"storage": size}},
        "volumeMode": "Filesystem",
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def volume(name: str, storage_class: str, node: str, *, size: str = "10Gi", mode: str = "ReadWriteOnce") -> Object:
    """A local volume of a node."""
    host = {"key": HOST_LABEL, "operator": "In", "values": [node]}
    spec = {
        "capacity": {"storage": size},
        "accessModes": [mode],
        "storageClassName": storage_class,
        "local": {"path": f"/mnt/{name}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
        "volumeMode": "Filesystem",
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
