"""A tree of queues edited while work waits and runs in it, on a real control plane."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from operator import eq
from typing import Any

import pytest

from tests.e2e.audit_log import Answered, answered
from tests.e2e.cluster import GROUPS, PODS, QUEUES, Cluster, condition
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


def finalizers(cluster: Cluster, name: str) -> list[str]:
    found = cluster.get(f"{QUEUES}/{name}")
    assert found is not None
    return list(found["metadata"].get("finalizers", ()))


def limited(name: str, gpus: int, **spec: Any) -> Document:
    return queue(name, resources=[{"name": GPU, "limit": gpus}], **spec)


def guaranteed(name: str, gpus: int, **spec: Any) -> Document:
    return queue(name, resources=[{"name": GPU, "guaranteed": gpus}], **spec)


def queue_status(cluster: Cluster, name: str, fields: tuple[str, ...]) -> tuple[int, ...]:
    found = cluster.get(f"{QUEUES}/{name}")
    assert found is not None
    status = found.get("status") or {}
    return tuple(int(status.get(field, -1)) for field in fields)


def gpu_line(cluster: Cluster, name: str) -> Document:
    """What the status of a queue says about GPUs, average use left out."""
    found = cluster.get(f"{QUEUES}/{name}")
    assert found is not None
    lines = (found.get("status") or {}).get("resources", ())
    line: Document = next((each for each in lines if each["name"] == GPU), {})
    return {key: value for key, value in line.items() if key not in ("name", "flavor", "historicUse")}


def shown(cluster: Cluster, name: str) -> tuple[str, ...]:
    """The cells of GPUs in ``kubectl get mq``; where one is empty, the next one takes its place."""
    cells = cluster.bed.kubectl("get", "mq", name).stdout.splitlines()[1].split()
    return tuple(cells[cells.index("Open") + 3 :][:4])


def status_writes(cluster: Cluster, name: str) -> list[Answered]:
    assert cluster.bed.audit_log is not None
    requests = answered(cluster.bed.audit_log)
    return [each for each in requests if (each.resource, each.subresource, each.name) == ("queues", "status", name)]


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


def test_a_queue_deleted_with_work_in_it_stays_until_the_work_is_gone(cluster: Cluster) -> None:
    cluster.create(queue("gone"))
    cluster.create(*gang("old", 2, queue="gone"))
    cluster.until_running("old")
    cluster.until(partial(finalizers, cluster, "gone"), partial(eq, ["muster.dev/queue-in-use"]))
    cluster.delete(f"{QUEUES}/gone")
    says = "it is being deleted and admits nothing new; it stays while gangs hold places in it or below it: now 1"
    cluster.until(lambda: ready(cluster, "gone").get("message"), partial(eq, says))
    assert (ready(cluster, "gone")["status"], ready(cluster, "gone")["reason"]) == ("False", "Terminating")
    cluster.create(*gang("new", 1, queue="gone"))
    cluster.until_verdict("new", "queue gone is being deleted and admits nothing new")
    assert len(cluster.nodes_of("old")) == 2
    cluster.delete(f"{GROUPS}/old")
    cluster.delete(f"{PODS}?labelSelector=muster.dev/pod-group=old", grace_seconds=0)
    cluster.until(lambda: cluster.get(f"{QUEUES}/gone"), lambda found: found is None)
    cluster.until(lambda: cluster.verdict("new"), lambda words: "queue gone does not exist" in words)


def test_a_queue_is_deleted_while_no_scheduler_runs_and_its_successor_lets_it_go(
    cluster: Cluster, scheduler: SchedulerProcess
) -> None:
    cluster.create(queue("used"), queue("unused"))
    cluster.create(*gang("old", 2, queue="used"))
    cluster.until_running("old")
    cluster.until(partial(finalizers, cluster, "used"), partial(eq, ["muster.dev/queue-in-use"]))
    scheduler.terminate()
    cluster.delete(f"{QUEUES}/used")
    cluster.delete(f"{QUEUES}/unused")
    assert cluster.get(f"{QUEUES}/unused") is None, "nothing ever held places in it"
    assert finalizers(cluster, "used") == ["muster.dev/queue-in-use"]
    scheduler.start()
    cluster.until(lambda: ready(cluster, "used").get("reason"), partial(eq, "Terminating"))
    cluster.delete(f"{GROUPS}/old")
    cluster.delete(f"{PODS}?labelSelector=muster.dev/pod-group=old", grace_seconds=0)
    cluster.until(lambda: cluster.get(f"{QUEUES}/used"), lambda found: found is None)


def test_a_limit_lowered_below_use_takes_nothing_and_admits_nothing(cluster: Cluster) -> None:
    cluster.create(limited("wide", 24))
    cluster.create(*gang("old", 2, gpus=8, queue="wide"))
    cluster.until_running("old")
    edit(cluster, "wide", resources=[{"name": GPU, "limit": 8}])
    cluster.create(*gang("new", 1, queue="wide"))
    cluster.until_verdict("new", "needs 1 GPUs; queue wide may take 0 more within its limit")
    assert len(cluster.nodes_of("old")) == 2
    edit(cluster, "wide", resources=[{"name": GPU, "limit": 17}])
    cluster.until_running("new")


def test_the_status_of_queues_adds_up(cluster: Cluster) -> None:
    """The team shares 32 GPUs by halves. Vision has borrowed 8 of what speech is guaranteed, and asks for 8 more."""
    cluster.create(queue("team"), guaranteed("vision", 16, parent="team"), guaranteed("speech", 16, parent="team"))
    cluster.create(*(each for number in range(3) for each in gang(f"v{number}", 1, 8, queue="vision")))
    cluster.create(*gang("s", 1, 8, queue="speech", preemptible=False))
    cluster.until_running("v0", "v1", "v2", "s")
    cluster.create(*gang("v3", 2, 4, queue="vision"))
    fields = ("guaranteed", "used", "nonPreemptibleUsed", "fairShare", "borrowed", "lent")
    lines = {"vision": (16, 24, 0, 24, 8, 0), "speech": (16, 8, 8, 8, 0, 8), "team": (32, 32, 8, 32, 0, 0)}
    for name, amounts in lines.items():
        line = dict(zip(fields, map(str, amounts), strict=True))
        cluster.until(partial(gpu_line, cluster, name), partial(eq, line))
    counts = ("pendingGangs", "pendingPods", "runningGangs", "runningPods", "dominantSharePermille")
    # Vision is 8 above its guarantee, of 32 that its team could lend.
    for name, values in (("vision", (1, 2, 3, 3, 250)), ("speech", (0, 0, 1, 1, 0)), ("team", (1, 2, 4, 4, 0))):
        cluster.until(partial(queue_status, cluster, name, counts), partial(eq, values))
    edit(cluster, "speech", resources=[{"name": GPU, "guaranteed": 12, "limit": 20}])
    cluster.until(partial(shown, cluster, "speech"), partial(eq, ("8", "8", "12", "20")))
    cluster.until(partial(shown, cluster, "team"), partial(eq, ("32", "32", "28", "True")))  # no limit of its own


def test_the_status_of_queues_is_written_once_a_second_and_only_to_say_something_new(cluster: Cluster) -> None:
    cluster.create(queue("busy"), queue("idle"))
    for number in range(30):
        cluster.create(*gang(f"g{number}", 1, queue="busy"))
        time.sleep(0.1)
    cluster.until_running(*(f"g{number}" for number in range(30)))
    cluster.until(partial(queue_status, cluster, "busy", ("runningGangs",)), lambda found: found == (30,))
    said = len(status_writes(cluster, "busy"))
    time.sleep(2.5)
    writes = status_writes(cluster, "busy")
    assert len(writes) == said, "nothing has changed since"
    assert len(status_writes(cluster, "idle")) == 1
    moments = [each.at_seconds for each in writes]
    assert 2 <= len(moments) <= moments[-1] - moments[0] + 2
    assert [round(later - moment, 2) for moment, later in pairwise(moments) if later - moment < 0.9] == []
    said_before = [each.body["status"] | {"conditions": []} for each in writes]
    assert [now for before, now in pairwise(said_before) if before == now] == []
