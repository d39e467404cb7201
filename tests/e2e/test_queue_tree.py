"""A tree of queues edited while work waits and runs in it, on a real control plane."""

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e.cluster import QUEUES, Cluster, condition
from tests.e2e.policy import policy_arguments
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import GPU, Document, gang, queue

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def scheduler_arguments(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    return policy_arguments(tmp_path_factory)


@pytest.fixture(autouse=True)
def empty_fleet(scheduler: SchedulerProcess, cluster: Cluster) -> Iterator[None]:
    yield
    cluster.clear()


def edit(cluster: Cluster, name: str, **spec: Any) -> None:
    answer = cluster.api.merge(f"{QUEUES}/{name}", {"spec": spec})
    assert answer.code == HTTPStatus.OK, answer.message


def ready(cluster: Cluster, name: str) -> Document:
    found = cluster.get(f"{QUEUES}/{name}")
    assert found is not None
    return condition(found.get("status") or {}, "Ready")


def limited(name: str, gpus: int, **spec: Any) -> Document:
    return queue(name, resources=[{"name": GPU, "limit": gpus}], **spec)


def test_a_queue_that_moves_obeys_its_new_parent_and_its_work_runs_on(cluster: Cluster) -> None:
    cluster.create(limited("narrow", 4), limited("wide", 24), queue("team", parent="wide"))
    cluster.create(*gang("first", 3, gpus=2, queue="team"))
    cluster.until_running("first")
    edit(cluster, "team", parent="narrow")
    cluster.create(*gang("second", 2, gpus=2, queue="team"))
    said = cluster.until(lambda: cluster.verdict("second"), lambda words: "narrow" in words)
    assert "queue narrow" in said
    assert len(cluster.nodes_of("first")) == 3
    edit(cluster, "team", parent="wide")
    cluster.until_running("second")


def test_a_cycle_is_said_on_its_queues_and_the_rest_goes_on(cluster: Cluster) -> None:
    cluster.create(queue("over"), queue("under", parent="over"))
    cluster.create(*gang("early", 1, queue="under"))
    cluster.until_running("early")
    edit(cluster, "over", parent="under")
    for name in ("over", "under"):
        cluster.until(partial(ready, cluster, name), lambda found: found.get("reason") == "ParentCycle")
    cluster.create(*gang("stuck", 1, queue="under"), *gang("free", 1, queue="default"))
    cluster.until_running("free")
    cluster.until(lambda: cluster.verdict("stuck"), lambda words: "over" in words and "under" in words)
    assert len(cluster.nodes_of("early")) == 1
    edit(cluster, "over", parent=None)
    cluster.until_running("stuck")
    cluster.until(lambda: ready(cluster, "under"), lambda found: found.get("status") == "True")


def test_a_queue_deleted_with_work_in_it_takes_nothing_from_what_runs(cluster: Cluster) -> None:
    cluster.create(queue("gone"))
    cluster.create(*gang("old", 2, queue="gone"))
    cluster.until_running("old")
    cluster.delete(f"{QUEUES}/gone")
    cluster.until(lambda: cluster.get(f"{QUEUES}/gone"), lambda found: found is None)
    cluster.create(*gang("new", 1, queue="gone"))
    cluster.until(lambda: cluster.verdict("new"), lambda words: "queue gone does not exist" in words)
    assert len(cluster.nodes_of("old")) == 2
    cluster.create(queue("gone"))
    cluster.until_running("new")
    assert len(cluster.nodes_of("old")) == 2
