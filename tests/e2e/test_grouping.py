"""Topologies and flavors say on a real control plane how many nodes they find, and which labels are missing."""

from collections.abc import Iterator
from functools import partial
from operator import eq

import pytest

from tests.e2e.cluster import Cluster, condition
from tests.e2e.raw_api import KINDS_PATH
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import Document, gang, topology

pytestmark = pytest.mark.cluster

LABEL = "example.com/room"


@pytest.fixture(autouse=True)
def nothing_left(scheduler: SchedulerProcess, cluster: Cluster) -> Iterator[None]:
    yield
    cluster.clear()
    for kind, name in (("topologies", "rooms"), ("resourceflavors", "red"), ("resourceflavors", "warm")):
        cluster.delete(f"{KINDS_PATH}/{kind}/{name}")


def row(cluster: Cluster, kind: str, name: str) -> list[str]:
    """What ``kubectl get -o wide`` prints behind the name, without the age."""
    return cluster.bed.kubectl("get", kind, name, "-o", "wide").stdout.splitlines()[1].split()[1:]


def ready(cluster: Cluster, kind: str, name: str) -> tuple[str, str]:
    found = cluster.get(f"{KINDS_PATH}/{kind}/{name}")
    assert found is not None
    said = condition(found.get("status") or {}, "Ready")
    return said.get("status", ""), said.get("message", "")


def flavor(name: str, **labels: str) -> Document:
    selector = {f"example.com/{key}": value for key, value in labels.items()}
    return {
        "apiVersion": "muster.dev/v1alpha1",
        "kind": "ResourceFlavor",
        "metadata": {"name": name},
        "spec": {"nodeSelector": selector},
    }


def test_a_topology_and_a_flavor_follow_the_labels_of_nodes(cluster: Cluster) -> None:
    nodes = [each["metadata"]["name"] for each in cluster.items("/api/v1/nodes")]
    cluster.create(topology("rooms", room=LABEL), flavor("red", room="red"), flavor("warm", room="red"))
    missing = f"{len(nodes)} of {len(nodes)} nodes lack the label {LABEL} of level room"
    nobody = ("False", f"no node has a domain at every level; {missing}")
    cluster.until(partial(ready, cluster, "topologies", "rooms"), partial(eq, nobody))
    cluster.until(
        partial(ready, cluster, "resourceflavors", "red"), partial(eq, ("False", f"no node has the labels {LABEL}=red"))
    )
    for name, room in zip(nodes, ["red", "red", "blue", *["green"] * len(nodes)], strict=False):
        answer = cluster.api.merge(f"/api/v1/nodes/{name}", {"metadata": {"labels": {LABEL: room}}})
        assert answer.code == 200, answer.message
    cluster.until(partial(ready, cluster, "topologies", "rooms"), partial(eq, ("True", "")))
    assert row(cluster, "mtopo", "rooms")[:4] == ["room", "room", str(len(nodes)), "True"]
    cluster.until(partial(ready, cluster, "resourceflavors", "red"), partial(eq, ("True", "")))
    elsewhere = ("False", "2 of its 2 nodes count for red, which is first by name")
    cluster.until(partial(ready, cluster, "resourceflavors", "warm"), partial(eq, elsewhere))
    assert row(cluster, "mrf", "red")[1:3] == ["2", "True"]
    cluster.create(*gang("together", 2, gpus=8, topology={"name": "rooms", "required": "room"}))
    cluster.until_running("together")
    assert {*cluster.nodes_of("together").values()} == {*nodes[:2]}, "the one room of two nodes"
