"""Giving way where real controllers keep budgets and make pods anew: four nodes of 8 GPUs, under the auditor."""

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest
from testbed import Bed, BedOptions
from testbed.fixtures import MakeBed

from tests.e2e.cluster import GROUPS, PODS, Cluster
from tests.e2e.policy import policy_arguments
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import NAMESPACE, Document, gang, group, priority_class, replica_set

pytestmark = pytest.mark.cluster

BUDGETS = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
REPLICA_SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    return make_bed(BedOptions(fleet="tiny", audit=True, controller_manager=True))


@pytest.fixture(scope="module")
def scheduler_arguments(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    return policy_arguments(tmp_path_factory)


@pytest.fixture(autouse=True)
def empty_fleet(scheduler: SchedulerProcess, cluster: Cluster) -> Iterator[None]:
    cluster.ensure(priority_class("low", 1), priority_class("high", 100))
    yield
    cluster.delete(REPLICA_SETS)
    cluster.until(lambda: cluster.items(REPLICA_SETS), lambda left: not left)
    cluster.clear()
    cluster.delete(BUDGETS)


def budget(name: str, min_available: int) -> Document:
    """A budget for the pods with the label ``app`` of its name."""
    spec = {"minAvailable": min_available, "selector": {"matchLabels": {"app": name}}}
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}


def allowed(cluster: Cluster, name: str) -> int:
    """How many pods a budget lets go, by its controller; -1 before that has looked at it."""
    found = cluster.get(f"{BUDGETS}/{name}")
    assert found is not None
    status: dict[str, Any] = found.get("status") or {}
    observed = status.get("observedGeneration") == found["metadata"]["generation"]
    return int(status["disruptionsAllowed"]) if observed else -1


def change_budget(cluster: Cluster, name: str, min_available: int) -> None:
    answer = cluster.api.merge(f"{BUDGETS}/{name}", {"spec": {"minAvailable": min_available}})
    assert answer.code == HTTPStatus.OK, answer.message


def say_ready(cluster: Cluster, pod: str, status: str) -> None:
    """As its kubelet would after a readiness probe."""
    conditions = [{"type": "Ready", "status": status}]
    answer = cluster.api.send(
        "PATCH",
        f"{PODS}/{pod}/status",
        {"status": {"conditions": conditions}},
        "application/strategic-merge-patch+json",
    )
    assert answer.code == HTTPStatus.OK, answer.message


def nodes(cluster: Cluster) -> list[str]:
    return sorted(node["metadata"]["name"] for node in cluster.items("/api/v1/nodes"))


def cordon(cluster: Cluster, node: str, cordoned: bool = True) -> None:
    answer = cluster.api.merge(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": cordoned}})
    assert answer.code == HTTPStatus.OK, answer.message


def servers(cluster: Cluster, name: str) -> set[str]:
    """The pods of an application that run and are not about to go."""
    return {
        each["metadata"]["name"]
        for each in cluster.pods(f"app={name}")
        if each["status"]["phase"] == "Running" and "deletionTimestamp" not in each["metadata"]
    }


def serving(cluster: Cluster, name: str, count: int) -> set[str]:
    """Wait until so many pods of an application run."""
    return cluster.until(partial(servers, cluster, name), lambda found: len(found) == count)


def test_a_budget_blocks_and_then_allows(cluster: Cluster) -> None:
    """The gang needs two nodes. Of the four servers first nobody may go, then one, then two."""
    cluster.create(budget("web", 4), replica_set("web", 4, gpus=8, priorityClassName="low"))
    before = serving(cluster, "web", 4)
    cluster.create(*gang("high", 2, 8, priorityClassName="high"))
    cluster.until_verdict("high", "PodDisruptionBudget default/web lets 0 of 4 pods go")
    change_budget(cluster, "web", 3)
    cluster.until_verdict("high", "PodDisruptionBudget default/web lets 1 of 4 pods go")
    assert servers(cluster, "web") == before
    change_budget(cluster, "web", 2)
    cluster.until_running("high")
    assert len(servers(cluster, "web") & before) == 2
    assert "verdict" not in cluster.status("high")
    cluster.delete(f"{GROUPS}/high")
    cluster.delete(f"{PODS}?labelSelector=muster.dev/pod-group=high", grace_seconds=0)
    serving(cluster, "web", 4)


def test_a_budget_allows_when_a_server_becomes_ready(cluster: Cluster) -> None:
    cluster.create(budget("web", 3), replica_set("web", 4, gpus=8, priorityClassName="low"))
    before = serving(cluster, "web", 4)
    slow = min(before)
    say_ready(cluster, slow, "False")
    cluster.until(lambda: allowed(cluster, "web"), lambda pods: pods == 0)
    cluster.create(*gang("high", 1, 8, priorityClassName="high"))
    cluster.until_verdict("high", "PodDisruptionBudget default/web lets 0 of 4 pods go")
    assert servers(cluster, "web") == before
    say_ready(cluster, slow, "True")
    cluster.until_running("high")


def test_a_gang_moves_to_make_room_and_comes_back_on_its_new_place(cluster: Cluster) -> None:
    """Two gangs on half a node each, of equal priority: nobody may be evicted, but one may move to the other."""
    stay, leave, *others = nodes(cluster)
    for node in others:
        cordon(cluster, node)
    for name, node in (("first", stay), ("second", leave)):
        cordon(cluster, stay, name != "first")
        cordon(cluster, leave, name != "second")
        cluster.create(group(name, minMember=2), replica_set(name, 2, gpus=2, gang=name))
        cluster.until_running(name)
        assert set(cluster.nodes_of(name).values()) == {node}
    cordon(cluster, stay, False)
    before = {name: cluster.nodes_of(name) for name in ("first", "second")}
    cluster.create(*gang("whole", 1, 8))
    cluster.until_running("whole")
    cluster.until_running("first", "second")
    after = {name: cluster.nodes_of(name) for name in before}
    moved = [name for name in before if before[name] != after[name]]
    assert len(moved) == 1, "one of them is enough"
    (target,) = {stay, leave} - {cluster.node_of("whole-0")}
    assert list(after["first"].values()) + list(after["second"].values()) == [target] * 4
    assert not before[moved[0]].keys() & after[moved[0]].keys(), "its controller has made new pods"
    assert [cluster.status(name).get("evictions", 0) for name in before] == [0, 0]
    told = cluster.until(partial(cluster.told, moved[0]), lambda notes: any("Moved" in note for note in notes))
    assert any("makes room for default/whole; its new place is reserved" in note for note in told)
    for node in others:
        cordon(cluster, node, False)
