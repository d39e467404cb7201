"""Objects that stories submit: pods, gangs and queues as the API takes them. Pure: values in, dictionaries out."""

from typing import Any

Document = dict[str, Any]

NAMESPACE = "default"
GPU = "nvidia.com/gpu"
POD_GROUP = "muster.dev/pod-group"
RUNTIME = "muster.dev/simulated-runtime"


def pod(name: str, gpus: int = 1, gang: str = "", **spec: Any) -> Document:
    """A pod of ours. ``spec`` adds to its specification; ``labels`` and ``annotations`` in it go to its metadata."""
    labels = {**({POD_GROUP: gang} if gang else {}), **spec.pop("labels", {})}
    container: Document = {"name": "main", "image": "none", **spec.pop("container", {})}
    asked = {"cpu": "1", **({GPU: str(gpus)} if gpus else {})}
    container["resources"] = {"requests": asked, "limits": {GPU: str(gpus)} if gpus else {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": labels,
            "annotations": spec.pop("annotations", {}),
        },
        "spec": {"schedulerName": "muster", "terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def group(name: str, **spec: Any) -> Document:
    """A PodGroup alone."""
    return {
        "apiVersion": "muster.dev/v1alpha1",
        "kind": "PodGroup",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def members(gang: str, count: int, gpus: int = 1, first: int = 0, **spec: Any) -> list[Document]:
    """The pods of a gang, from number ``first`` on."""
    return [pod(f"{gang}-{index}", gpus, gang, **spec) for index in range(first, first + count)]


def gang(name: str, count: int, gpus: int = 1, **spec: Any) -> list[Document]:
    """A gang of equal pods that needs all of them; ``spec`` goes to the PodGroup."""
    return [group(name, **{"minMember": count, **spec}), *members(name, count, gpus)]


def queue(name: str, **spec: Any) -> Document:
    return {"apiVersion": "muster.dev/v1alpha1", "kind": "Queue", "metadata": {"name": name}, "spec": spec}


def priority_class(name: str, value: int) -> Document:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
    }


def replica_set(name: str, count: int, gpus: int = 1, gang: str = "", **spec: Any) -> Document:
    """Pods with the label ``app`` that a controller makes anew; ``spec`` as in `pod`."""
    template = pod("", gpus, gang, labels={"app": name}, **spec)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": template["metadata"]["labels"]},
                "spec": template["spec"],
            },
        },
    }


def topology(name: str, **level_labels: str) -> Document:
    """Levels from coarse to fine, each with the node label of its domains."""
    levels = [{"name": level, "nodeLabel": label} for level, label in level_labels.items()]
    return {
        "apiVersion": "muster.dev/v1alpha1",
        "kind": "Topology",
        "metadata": {"name": name},
        "spec": {"levels": levels},
    }
