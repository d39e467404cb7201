"""Giving way on a real control plane: four nodes of 8 GPUs, pods with a grace of a second, under the auditor."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import GROUPS, PODS, QUEUES, Cluster, condition
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import GPU, Document, gang, pod, priority_class, queue

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def empty_fleet(scheduler: SchedulerProcess, cluster: Cluster) -> Iterator[None]:
    cluster.ensure(priority_class("low", 1), priority_class("high", 100))
    yield
    cluster.clear()


def team(name: str, guaranteed: int) -> Document:
    return queue(name, resources=[{"name": GPU, "guaranteed": str(guaranteed)}])


def evicted(cluster: Cluster) -> list[Document]:
    """What pods that are there say about being evicted."""
    said = (condition(each["status"], "muster.dev/Evicted") for each in cluster.items(PODS))
    return [each for each in said if each]


def test_a_gang_preempts_a_gang_of_its_queue(cluster: Cluster) -> None:
    cluster.create(*gang("low", 4, 8, priorityClassName="low"))
    cluster.until_running("low")
    cluster.create(*gang("high", 2, 8, priorityClassName="high"))
    cluster.until_running("high")
    assert cluster.status("low")["evictions"] == 1
    assert cluster.nodes_of("low") == {}
    told = cluster.until(lambda: cluster.told("low"), lambda notes: any("Preempted" in note for note in notes))
    assert any("gives its place to default/high" in note for note in told)


def test_one_team_takes_back_what_it_is_guaranteed(cluster: Cluster) -> None:
    cluster.create(team("a", 16), team("b", 16))
    for number in range(4):
        cluster.create(*gang(f"a{number}", 1, 8, queue="a"))
    cluster.until_running(*(f"a{number}" for number in range(4)))
    cluster.create(*gang("b0", 2, 8, queue="b"))
    cluster.until_running("b0")
    assert sum(bool(cluster.nodes_of(f"a{number}")) for number in range(4)) == 2


def test_a_single_pod_takes_and_its_group_is_gone_afterwards(cluster: Cluster) -> None:
    cluster.create(*gang("low", 4, 8, priorityClassName="low"))
    cluster.until_running("low")
    cluster.create(pod("big", 8, priorityClassName="high"))
    cluster.until_bound("big")
    cluster.until(lambda: [each["metadata"]["name"] for each in cluster.items(GROUPS)], lambda names: names == ["low"])


def test_a_queue_is_held_then_drained(cluster: Cluster) -> None:
    cluster.create(queue("short"))
    cluster.create(*gang("runs", 2, queue="short"))
    cluster.until_running("runs")
    cluster.api.merge(f"{QUEUES}/short", {"spec": {"state": "Hold"}})
    cluster.create(*gang("waits", 2, queue="short"))
    cluster.until_verdict("waits", "on hold")
    assert len(cluster.nodes_of("runs")) == 2
    cluster.api.merge(f"{QUEUES}/short", {"spec": {"state": "Drain"}})
    cluster.until(lambda: cluster.nodes_of("runs"), lambda left: not left)
    assert cluster.status("runs")["evictions"] == 1


def test_an_evicted_pod_says_why_while_it_leaves(cluster: Cluster) -> None:
    cluster.create(*gang("low", 4, 8, priorityClassName="low"))
    cluster.until_running("low")
    cluster.create(*gang("high", 4, 8, priorityClassName="high"))
    seen = cluster.until(
        lambda: [condition(each["status"], "muster.dev/Evicted") for each in cluster.items(PODS)],
        lambda said: any(said),
    )
    assert {each["reason"] for each in seen if each} == {"Preempted"}
    cluster.until_running("high")
