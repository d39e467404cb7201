"""Bad input, row by row: a clear message where its author looks, nothing lost, and healthy work beside it runs.

The rows stand in `bad_input.py`; `tests/unit/test_troubles.py` holds the documentation to them. One scheduler, with a
short patience, lives through all of them.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from tests.e2e.bad_input import BAD_WORK, BadWork
from tests.e2e.cluster import GROUPS, PODS, QUEUES, Cluster, condition
from tests.e2e.policy import policy_arguments
from tests.e2e.raw_api import KINDS_PATH
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import Document, gang, group, members, pod, queue, topology

pytestmark = pytest.mark.cluster

POLICY = """
name: e2e
verdicts: {first_seconds: 0.1, incomplete_seconds: 0.5, repeat_seconds: 1.0, writes_per_second: 100.0}
patience: {incomplete_warning_seconds: 1.0}
"""


@pytest.fixture(scope="module")
def scheduler_arguments(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    return policy_arguments(tmp_path_factory, POLICY)


@pytest.fixture(autouse=True)
def empty_fleet(cluster: Cluster, scheduler: SchedulerProcess) -> Iterator[None]:
    yield
    cluster.clear()


def queue_ready(cluster: Cluster, name: str) -> Document:
    """The condition Ready of a queue; empty until the scheduler has judged it."""
    return condition((cluster.get(f"{QUEUES}/{name}") or {}).get("status") or {}, "Ready")


def pod_waits(cluster: Cluster, name: str, said: str) -> Document:
    """The condition PodScheduled=False of a pod, once it says this."""

    def look() -> Document:
        found = cluster.get(f"{PODS}/{name}")
        assert found is not None, f"pod {name} does not exist"
        return condition(found["status"], "PodScheduled")

    return cluster.until(look, lambda waits: waits.get("status") == "False" and said in waits.get("message", ""))


@pytest.mark.parametrize("row", BAD_WORK, ids=lambda row: row.id)
def test_bad_work_is_told_and_the_rest_runs(cluster: Cluster, row: BadWork) -> None:
    cluster.create(*row.around)
    for document in row.around:
        cluster.until(partial(queue_ready, cluster, document["metadata"]["name"]), bool)
    cluster.create(*row.work)
    # No two have the same name: kwok may still be removing pods of an earlier row, and does so by name.
    beside = f"beside-{row.id.lower()}"
    cluster.create(*gang(beside, 2, gpus=1, topology={"required": "rack"}))
    cluster.until_running(beside)
    if row.name:
        status = cluster.until(
            lambda: cluster.status(row.name),
            lambda status: row.said in (status.get("verdict") or {}).get("message", ""),
        )
        assert status["verdict"]["cause"] == row.cause
        assert status["verdict"]["facts"]
        assert status["scheduled"] == 0
        assert condition(status, "Accepted")["status"] == ("False" if row.cause == "Invalid" else "True")
        assert row.said in condition(status, "Scheduled")["message"]
    assert pod_waits(cluster, row.told, row.said)["reason"] == row.reason
    if not row.name and row.reason != "GangIncomplete":  # a pod that waits for its PodGroup is no news yet
        cluster.until(lambda: cluster.told(row.told), lambda told: any(row.said in note for note in told))
    assert cluster.node_of(row.told) == ""
    assert "assignment" not in (cluster.status(row.name) if row.name else {})
    for document in row.around:
        cluster.delete(f"{QUEUES}/{document['metadata']['name']}")


# -- what is bad only among other objects, or for a while ------------------------------------------------------------


def test_a_queue_with_a_cycle_above_it_says_so_itself(cluster: Cluster) -> None:
    cluster.create(queue("ring-a", parent="ring-b"), queue("ring-b", parent="ring-a"), queue("lost", parent="gone"))

    def until_ready(name: str, reason: str) -> str:
        """What a queue says once its condition Ready has this reason."""
        ready = cluster.until(partial(queue_ready, cluster, name), lambda ready: ready.get("reason") == reason)
        assert ready["status"] == ("True" if reason == "Valid" else "False")
        return str(ready["message"])

    said = until_ready("ring-a", "ParentCycle")
    assert said == "the parents of queue ring-a form a cycle: ring-a -> ring-b -> ring-a"
    assert until_ready("lost", "UnknownParent") == "queue lost names the parent gone, which does not exist"
    until_ready("default", "Valid")
    answer = cluster.api.merge(f"{QUEUES}/ring-b", {"spec": {"parent": None}})
    assert answer.code == 200, answer.message
    until_ready("ring-a", "Valid")
    for name in ("ring-a", "ring-b", "lost"):
        cluster.delete(f"{QUEUES}/{name}")


def test_without_any_queue_work_waits_until_there_is_one(cluster: Cluster) -> None:
    cluster.delete(f"{QUEUES}/default")
    cluster.create(*gang("homeless", 2), pod("stray"))
    said = "it names no queue, its namespace has no default queue and there is no queue named default"
    cluster.until_verdict("homeless", said)
    pod_waits(cluster, "stray", said)
    cluster.create(queue("default"))
    cluster.until_running("homeless")
    cluster.until_bound("stray")


def test_with_two_topologies_a_gang_must_say_which(cluster: Cluster) -> None:
    cluster.create(topology("other", host="kubernetes.io/hostname"))
    cluster.create(*gang("torn", 2, topology={"required": "rack"}))
    cluster.until_verdict("torn", "several topologies exist (dc, other); name one")
    cluster.create(*gang("clear", 2, topology={"name": "dc", "required": "rack"}))
    cluster.until_running("clear")
    cluster.delete(f"{KINDS_PATH}/topologies/other")
    cluster.until_running("torn")


def test_a_gang_that_stays_incomplete_is_warned_about_once(cluster: Cluster) -> None:
    cluster.create(group("slow", minMember=3), *members("slow", 2))
    said = "FailedScheduling: 2 of at least 3 pods exist"
    cluster.until(lambda: cluster.told("slow"), lambda told: said in told)
    cluster.create(*members("slow", 1, first=2))
    cluster.until_running("slow")
    assert cluster.told("slow").count(said) == 1


def test_bad_work_that_is_mended_runs(cluster: Cluster) -> None:
    cluster.create(*gang("mended", 2, topology={"required": "row"}))
    cluster.until_verdict("mended", "row")
    answer = cluster.api.merge(f"{GROUPS}/mended", {"spec": {"topology": None}})
    assert answer.code == 200, answer.message
    cluster.until_running("mended")
    assert condition(cluster.status("mended"), "Accepted")["status"] == "True"
