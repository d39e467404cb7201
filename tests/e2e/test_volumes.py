"""Gangs with volume claims on a real control plane: its volume controller binds what we reserve, and the test plays the
provisioner."""

import pytest
from testbed import Bed, BedOptions
from testbed.fixtures import MakeBed

from tests.e2e.cluster import Cluster
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import NAMESPACE, Document, group, pod

pytestmark = pytest.mark.cluster

CLAIMS = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
HOST = "kubernetes.io/hostname"


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    """The controller manager binds claims and volumes that name each other."""
    return make_bed(BedOptions(fleet="tiny", audit=True, controller_manager=True))


def storage_class(name: str, provisioner: str) -> Document:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def claim(name: str, storage: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "storageClassName": storage,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def local_volume(name: str, storage: str, node: str, owner: Document | None = None) -> Document:
    """A disk of a node; ``owner`` is the claim that it was made for."""
    host = {"key": HOST, "operator": "In", "values": [node]}
    spec: Document = {
        "storageClassName": storage,
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "2Gi"},
        "local": {"path": f"/mnt/{name}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
    }
    if owner is not None:
        meta = owner["metadata"]
        spec["claimRef"] = {"namespace": NAMESPACE, "name": meta["name"], "uid": meta["uid"]}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


def gang_with_claims(name: str, count: int, storage: str) -> list[Document]:
    """A gang of which each pod has a claim of its own."""
    documents = [group(name, minMember=count)]
    for index in range(count):
        own = f"data-{name}-{index}"
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": own}}]
        documents += [claim(own, storage), pod(f"{name}-{index}", 2, name, volumes=volumes)]
    return documents


def hosts(cluster: Cluster) -> list[str]:
    return sorted(node["metadata"]["name"] for node in cluster.items("/api/v1/nodes"))


def claims_of(cluster: Cluster, gang: str) -> list[Document]:
    return [each for each in cluster.items(CLAIMS) if each["metadata"]["name"].startswith(f"data-{gang}-")]


def test_local_volumes_are_reserved_and_bound_before_the_pods(cluster: Cluster, scheduler: SchedulerProcess) -> None:
    first, second, *_ = hosts(cluster)
    disks = [local_volume(f"disk-{index}", "local", node) for index, node in enumerate((first, first, second))]
    cluster.create(storage_class("local", "kubernetes.io/no-provisioner"), *disks)
    cluster.until(
        lambda: [each["status"].get("phase") for each in cluster.items(VOLUMES)],
        lambda all_: set(all_) == {"Available"},
    )
    cluster.create(*gang_with_claims("disks", 3, "local"))
    cluster.until_running("disks")
    volumes = {each["metadata"]["name"]: each for each in cluster.items(VOLUMES)}
    for each in claims_of(cluster, "disks"):
        disk = volumes[each["spec"]["volumeName"]]
        term = disk["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
        assert cluster.node_of(each["metadata"]["name"].removeprefix("data-")) == term["values"][0]


def test_no_pod_is_bound_before_the_last_claim_is_provisioned(cluster: Cluster, scheduler: SchedulerProcess) -> None:
    cluster.create(storage_class("made", "csi.example.com"), *gang_with_claims("made", 3, "made"))
    selected = cluster.until(
        lambda: {
            each["metadata"]["name"]: each["metadata"].get("annotations", {}).get(SELECTED_NODE)
            for each in claims_of(cluster, "made")
        },
        lambda nodes: len(nodes) == 3 and all(nodes.values()),
    )
    claims = claims_of(cluster, "made")
    for number, each in enumerate(claims):
        assert not any(cluster.node_of(f"made-{index}") for index in range(3)), "the last claim is not bound yet"
        name = each["metadata"]["name"]
        cluster.create(local_volume(f"made-{number}", "made", selected[name], owner=each))
    cluster.until_running("made")
    assert {f"data-{name}": node for name, node in cluster.nodes_of("made").items()} == selected


def test_a_claim_that_does_not_exist_is_named(cluster: Cluster, scheduler: SchedulerProcess) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "nowhere"}}]
    cluster.create(group("lost", minMember=1), pod("lost-0", 1, "lost", volumes=volumes))
    assert "its claim nowhere does not exist" in cluster.until_verdict("lost", "nowhere")
