"""The life of gangs on a real control plane: four nodes of 8 GPUs in two racks, small enough to know every place.

Each story starts on an empty fleet; all of them share one scheduler and run under the auditor.
"""

from collections.abc import Iterator, Sequence

import pytest

from tests.e2e.cluster import GROUPS, PODS, QUEUES, Cluster, condition
from tests.e2e.policy import policy_arguments
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import GPU, RUNTIME, Document, gang, group, members, pod, queue

RACK_LABEL = "topology.muster.dev/rack"

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def scheduler_arguments(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    return policy_arguments(tmp_path_factory)


@pytest.fixture(autouse=True)
def empty_fleet(scheduler: SchedulerProcess, cluster: Cluster) -> Iterator[None]:
    yield
    cluster.clear()


def racks(cluster: Cluster) -> list[str]:
    """The names of the two racks."""
    return sorted({node["metadata"]["labels"][RACK_LABEL] for node in cluster.items("/api/v1/nodes")})


def occupy(cluster: Cluster, **gpus_by_name: tuple[str, int]) -> None:
    """Bind single pods with so many GPUs in a given rack each."""
    for name, (rack, gpus) in gpus_by_name.items():
        cluster.create(pod(name, gpus, nodeSelector={RACK_LABEL: rack}))
    for name in gpus_by_name:
        cluster.until_bound(name)


def waiting_conditions(cluster: Cluster, *pods: str) -> list[Document]:
    """The conditions PodScheduled=False of pods, once all of them have one."""
    return cluster.until(
        lambda: [condition((cluster.get(f"{PODS}/{name}") or {})["status"], "PodScheduled") for name in pods],
        lambda conditions: all(each.get("status") == "False" for each in conditions),
    )


def test_a_single_pod_is_bound(cluster: Cluster) -> None:
    cluster.create(pod("single", gpus=1))
    assert cluster.until_bound("single")


def test_a_gang_runs_in_one_rack_and_says_so(cluster: Cluster) -> None:
    cluster.create(*gang("rack-gang", 4, gpus=4, topology={"required": "rack"}))
    cluster.until_running("rack-gang")
    status = cluster.until(lambda: cluster.status("rack-gang"), lambda status: status["scheduled"] == 4)
    nodes = cluster.nodes_of("rack-gang")
    assert len(nodes) == 4
    assert len(cluster.racks_of("rack-gang")) == 1
    assert cluster.recorded("rack-gang") == {node: list(nodes.values()).count(node) for node in nodes.values()}
    assert (condition(status, "Accepted")["status"], condition(status, "Scheduled")["status"]) == ("True", "True")
    assert condition(status, "Scheduled")["observedGeneration"] == 1
    assert "verdict" not in status
    assert status["epoch"] == status["assignment"]["epoch"] >= 1
    assert cluster.group("rack-gang")["metadata"]["finalizers"] == ["muster.dev/pod-group"]
    cluster.until(lambda: cluster.told("rack-gang"), lambda told: "Scheduled: placed 4 pods on 2 nodes" in told)


def test_a_gang_that_does_not_fit_waits_whole_says_why_and_runs_when_room_comes(cluster: Cluster) -> None:
    first, second = racks(cluster)
    occupy(cluster, few=(first, 4), many=(second, 8))
    cluster.create(*gang("full-rack", 4, gpus=4, topology={"required": "rack"}))
    said = f"needs 16 GPUs in one rack; the best rack, {first}, has 12 free"
    assert cluster.until_verdict("full-rack", "needs").startswith(said)

    status = cluster.status("full-rack")
    verdict = status["verdict"]
    assert (status["phase"], status["scheduled"], verdict["cause"]) == ("Queued", 0, "Blocked")
    (fact,) = verdict["facts"]
    assert (fact["term"], fact["code"]) == ("required-topology", "NotEnough")
    assert (fact["needed"], fact["offered"], fact["resource"]) == ("16", "12", GPU)
    assert condition(status, "Scheduled") | {"lastTransitionTime": ""} == {
        "type": "Scheduled",
        "status": "False",
        "reason": "Blocked",
        "message": verdict["message"],
        "observedGeneration": 1,
        "lastTransitionTime": "",
    }
    waiting = waiting_conditions(cluster, *(f"full-rack-{index}" for index in range(4)))
    assert {(each["reason"], each["message"]) for each in waiting} == {("Unschedulable", verdict["message"])}
    cluster.until(lambda: cluster.told("full-rack"), lambda told: f"FailedScheduling: {verdict['message']}" in told)
    assert cluster.nodes_of("full-rack") == {}

    cluster.delete(f"{PODS}/few", grace_seconds=0)
    cluster.until_running("full-rack")
    assert cluster.racks_of("full-rack") == {first}
    assert "verdict" not in cluster.status("full-rack")


def test_a_gang_too_large_for_the_fleet_says_what_the_fleet_has(cluster: Cluster) -> None:
    cluster.create(pod("one", gpus=1))
    cluster.until_bound("one")
    cluster.create(*gang("fleet", 4, gpus=8))
    assert cluster.until_verdict("fleet", "needs 32 GPUs; all nodes it may use have 31 free")
    assert cluster.nodes_of("fleet") == {}


def test_an_elastic_gang_runs_at_its_minimum_and_grows(cluster: Cluster) -> None:
    first, second = racks(cluster)
    occupy(cluster, filler=(second, 8), other=(second, 8), third=(first, 8))
    cluster.create(group("elastic", minMember=2), *members("elastic", 4, gpus=4))
    cluster.until(lambda: len(cluster.nodes_of("elastic")), lambda bound: bound == 2)
    cluster.delete(f"{PODS}/third", grace_seconds=0)
    cluster.until(lambda: len(cluster.nodes_of("elastic")), lambda bound: bound == 4)
    status = cluster.until(lambda: cluster.status("elastic"), lambda status: status.get("scheduled") == 4)
    assert cluster.recorded("elastic").total() == 4
    assert status["phase"] == "Running"


def test_a_gang_is_decided_from_its_templates_and_bound_when_its_pods_come(cluster: Cluster) -> None:
    template = {"requests": {"cpu": "1", GPU: 4}}
    planned = [{"name": "worker", "count": 4, "template": template}]
    cluster.create(group("planned", members=planned, topology={"required": "rack"}))
    recorded = cluster.until(lambda: cluster.recorded("planned"), lambda record: record.total() == 4)
    cluster.create(*members("planned", 4, gpus=4))
    cluster.until_running("planned")
    nodes = list(cluster.nodes_of("planned").values())
    assert {node: nodes.count(node) for node in nodes} == recorded


def test_gated_pods_wait_until_their_gates_are_gone(cluster: Cluster) -> None:
    gates = [{"name": "example.com/data"}]
    cluster.create(group("gated", minMember=2), *members("gated", 2, schedulingGates=gates))
    assert cluster.until_verdict("gated", "2 of its pods have scheduling gates; at least 2 must be without")
    assert (cluster.status("gated")["verdict"]["cause"], cluster.recorded("gated").total()) == ("QueueHeld", 0)
    cluster.ungate("gated-0")
    assert cluster.until_verdict("gated", "1 of its pods have scheduling gates")
    assert cluster.nodes_of("gated") == {}
    cluster.ungate("gated-1")
    cluster.until_running("gated")


def test_a_preferred_rack_is_taken_where_it_can_be(cluster: Cluster) -> None:
    first, second = racks(cluster)
    occupy(cluster, filler=(first, 1))
    cluster.create(*gang("together", 4, gpus=4, topology={"preferred": "rack"}))
    cluster.until_running("together")
    assert cluster.racks_of("together") == {second}


def test_a_preferred_rack_is_missed_rather_than_waited_for(cluster: Cluster) -> None:
    first, second = racks(cluster)
    occupy(cluster, filler=(first, 1), other=(second, 1))
    cluster.create(*gang("apart", 4, gpus=4, topology={"preferred": "rack"}))
    cluster.until_running("apart")
    assert cluster.racks_of("apart") == {first, second}


def test_a_queue_keeps_its_limit(cluster: Cluster) -> None:
    cluster.create(queue("limited", resources=[{"name": GPU, "limit": 8}]))
    cluster.create(*gang("within", 2, gpus=3, queue="limited"))
    cluster.until_running("within")
    cluster.create(*gang("beyond", 1, gpus=3, queue="limited"))
    assert cluster.until_verdict("beyond", "needs 3 GPUs; queue limited may take 2 more within its limit")
    (waiting,) = waiting_conditions(cluster, "beyond-0")
    assert waiting["reason"] == "QueueHeld", "an autoscaler must not act on a limit"
    cluster.create(*gang("fits", 2, gpus=1, queue="limited"))
    cluster.until_running("fits")
    cluster.delete(f"{PODS}?labelSelector=muster.dev/pod-group=within", grace_seconds=0)
    cluster.until_running("beyond")
    cluster.delete(f"{QUEUES}/limited")


def test_a_finished_gang_frees_its_room_and_can_be_deleted(cluster: Cluster) -> None:
    cluster.create(group("short", minMember=4), *members("short", 4, gpus=8, annotations={RUNTIME: "1s"}))
    cluster.create(*gang("next", 4, gpus=8))
    cluster.until_phase("short", "Done")
    cluster.until(lambda: cluster.condition("short", "Scheduled").get("reason"), lambda reason: reason == "Finished")
    cluster.until(lambda: cluster.recorded("short"), lambda record: not record)
    cluster.until_running("next")
    cluster.delete(f"{GROUPS}/short")
    cluster.until(lambda: cluster.get(f"{GROUPS}/short"), lambda found: found is None)


def test_a_deleted_gang_is_kept_until_its_bound_pods_are_gone(cluster: Cluster) -> None:
    cluster.create(*gang("leaving", 2, gpus=8))
    cluster.until_running("leaving")
    cluster.delete(f"{GROUPS}/leaving")
    cluster.create(*gang("witness", 1, gpus=8))
    cluster.until_running("witness")
    kept = cluster.group("leaving")
    assert kept["metadata"]["deletionTimestamp"]
    assert kept["status"]["assignment"]["places"]
    cluster.delete(f"{PODS}?labelSelector=muster.dev/pod-group=leaving", grace_seconds=0)
    cluster.until(lambda: cluster.get(f"{GROUPS}/leaving"), lambda found: found is None)


def test_a_lost_pod_is_replaced_on_its_recorded_place(cluster: Cluster) -> None:
    cluster.create(*gang("hurt", 4, gpus=4, topology={"required": "rack"}))
    cluster.until_running("hurt")
    node = cluster.node_of("hurt-0")
    cluster.delete(f"{PODS}/hurt-0", grace_seconds=0)
    cluster.until_phase("hurt", "Degraded")
    cluster.create(*members("hurt", 1, gpus=4, first=4))
    assert cluster.until_bound("hurt-4") == node
    cluster.until_running("hurt")
