"""Objects that benchmarks submit."""

from __future__ import annotations

from typing import Any

MUSTER = "muster"
KUBE_SCHEDULER = "default-scheduler"


def fleet(count: int, rack_nodes: int) -> list[dict[str, Any]]:
    """Ready nodes with 8 GPUs, named ``node-0000`` and on; so many to a rack, named ``r000`` and on."""
    amounts = {"cpu": "96", "memory": "1024Gi", "pods": "110", "nvidia.com/gpu": "8"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": f"node-{number:04d}",
                "labels": {
                    "kubernetes.io/hostname": f"node-{number:04d}",
                    "topology.muster.dev/rack": f"r{number // rack_nodes:03d}",
                },
            },
            "status": {"allocatable": amounts, "capacity": amounts, "conditions": [ready]},
        }
        for number in range(count)
    ]


def queue(name: str = "default") -> dict[str, Any]:
    return {"apiVersion": "muster.dev/v1alpha1", "kind": "Queue", "metadata": {"name": name}, "spec": {}}


def topology(levels: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """``levels`` are (name, node label), coarse to fine."""
    named = [{"name": name, "nodeLabel": label} for name, label in levels]
    metadata = {"name": "fabric"}
    return {"apiVersion": "muster.dev/v1alpha1", "kind": "Topology", "metadata": metadata, "spec": {"levels": named}}


def pod(
    name: str,
    scheduler: str,
    *,
    gpus: int = 1,
    cpu: str = "1",
    memory: str = "1Gi",
    group: str = "",
    affinity: dict[str, Any] | None = None,
) -> dict[str, Any]:
    requests: dict[str, str] = {"cpu": cpu, "memory": memory}
    limits = {}
    if gpus:
        requests["nvidia.com/gpu"] = limits["nvidia.com/gpu"] = str(gpus)
    spec: dict[str, Any] = {
        "schedulerName": scheduler,
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": "none", "resources": {"requests": requests, "limits": limits}}],
    }
    if affinity:
        spec["affinity"] = affinity
    labels = {"muster.dev/pod-group": group} if group else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": spec,
    }


def pod_group(name: str, minimum: int, required: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = {"minMember": minimum}
    if required:
        spec["topology"] = {"required": required}
    return {
        "apiVersion": "muster.dev/v1alpha1",
        "kind": "PodGroup",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def singles(count: int, scheduler: str) -> list[dict[str, Any]]:
    return [pod(f"single-{number:05d}", scheduler) for number in range(count)]


def gangs(count: int, size: int, scheduler: str, required: str) -> list[dict[str, Any]]:
    """PodGroups first, then their pods."""
    groups = [pod_group(f"gang-{number:04d}", size, required) for number in range(count)]
    pods = [
        pod(f"gang-{number:04d}-{index:02d}", scheduler, group=f"gang-{number:04d}")
        for number in range(count)
        for index in range(size)
    ]
    return [*groups, *pods]
