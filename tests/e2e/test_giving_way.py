"""Giving way on a real control plane: four nodes of 8 GPUs, pods with a grace of a second, under the auditor."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e.cluster import GROUPS, PODS, QUEUES, Cluster, condition
from tests.e2e.policy import QUICK_WORDS, policy_arguments
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import GPU, Document, gang, group, members, pod, priority_class, queue

pytestmark = pytest.mark.cluster


STUCK_SECONDS = 2.0
POLICY = f"""{QUICK_WORDS}
patience: {{taking_retry_seconds: 1.0}}
taking: {{enforce_limits: true, stuck_seconds: {STUCK_SECONDS}}}
"""


@pytest.fixture(scope="module")
def scheduler_arguments(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    return policy_arguments(tmp_path_factory, POLICY)


@pytest.fixture(autouse=True)
def empty_fleet(scheduler: SchedulerProcess, cluster: Cluster) -> Iterator[None]:
    cluster.ensure(priority_class("low", 1), priority_class("high", 100))
    yield
    cluster.clear()


def team(name: str, guaranteed: int, **spec: Any) -> Document:
    return queue(name, resources=[{"name": GPU, "guaranteed": str(guaranteed)}], **spec)


def evicted(cluster: Cluster) -> list[Document]:
    """What pods that are there say about being evicted."""
    said = (condition(each["status"], "muster.dev/Evicted") for each in cluster.items(PODS))
    return [each for each in said if each]


def seconds(moment: str) -> float:
    """A time of the API; whole seconds, rounded down."""
    return datetime.fromisoformat(moment).timestamp()


def test_a_gang_preempts_a_gang_of_its_queue(cluster: Cluster) -> None:
    cluster.create(*gang("low", 4, 8, priorityClassName="low"))
    cluster.until_running("low")
    cluster.create(*gang("high", 2, 8, priorityClassName="high"))
    cluster.until_running("high")
    assert cluster.status("low")["evictions"] == 1
    assert cluster.nodes_of("low") == {}
    told = cluster.until(lambda: cluster.told("low"), lambda notes: any("Preempted" in note for note in notes))
    assert any("give their places to default/high" in note for note in told)


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
    seen = cluster.until(partial(evicted, cluster), bool)
    assert {each["reason"] for each in seen} == {"Preempted"}
    cluster.until_running("high")


def test_places_stay_reserved_until_the_last_victim_is_gone(cluster: Cluster) -> None:
    """One victim goes after a second, three after five. Who would fit on the first node meanwhile does not get it."""
    cluster.create(group("low", minMember=4, priorityClassName="low"))
    for index, grace_seconds in enumerate((1, 5, 5, 5)):
        cluster.create(*members("low", 1, 8, first=index, terminationGracePeriodSeconds=grace_seconds))
    cluster.until_running("low")
    cluster.create(*gang("high", 4, 8, priorityClassName="high"), pod("sneak", 8, priorityClassName="low"))
    said: set[str] = set()
    looks: list[dict[str, list[str]]] = []

    def look() -> dict[str, list[str]]:
        """The pods that are bound, by the first part of their name."""
        said.add(str(cluster.condition("high", "Scheduled").get("message", "")))
        pods = cluster.items(PODS)
        bound = [each["metadata"]["name"] for each in pods if each["spec"].get("nodeName")]
        looks.append({name: [each for each in bound if each.startswith(name)] for name in ("low", "high", "sneak")})
        return looks[-1]

    cluster.until(look, lambda found: len(found["high"]) == 4)
    assert [found for found in looks if found["sneak"]] == []
    assert [found for found in looks if found["high"] and found["low"]] == []
    assert any(len(found["low"]) == 3 for found in looks), "the first node was empty for a while"
    # How many are left is said anew every ten seconds only: all of them, or those that stay longer.
    assert said & {"4 pods have to leave first", "3 pods have to leave first"}


def test_what_runs_above_a_lowered_limit_is_evicted_and_never_more(cluster: Cluster) -> None:
    cluster.create(queue("wide", resources=[{"name": GPU, "limit": "32"}]))
    for name, gpus in (("old", 8), ("large", 8), ("mid", 6), ("new", 2)):
        cluster.create(*gang(name, 1, gpus, queue="wide"))
        cluster.until_running(name)
    answer = cluster.api.merge(f"{QUEUES}/wide", {"spec": {"resources": [{"name": GPU, "limit": "17"}]}})
    assert answer.code == HTTPStatus.OK, answer.message
    cluster.until(lambda: [cluster.status(name).get("evictions", 0) for name in ("mid", "new")], lambda n: sum(n) > 0)
    told = cluster.until(lambda: cluster.told("mid"), lambda notes: any("OverLimit" in note for note in notes))
    assert any("queue wide runs 24 GPUs and its limit was lowered to 17" in note for note in told)
    evictions = {name: cluster.status(name).get("evictions", 0) for name in ("old", "large", "mid", "new")}
    assert evictions == {"old": 0, "large": 0, "mid": 1, "new": 0}, "6 of the 7 above the limit: no set comes closer"


def test_surplus_of_an_elastic_gang_goes_before_whole_gangs(cluster: Cluster) -> None:
    cluster.create(team("a", 8), team("b", 16))
    cluster.create(*gang("solid", 1, 8, queue="a"))
    cluster.create(group("elastic", minMember=2, queue="a"), *members("elastic", 6, 4))
    cluster.until(lambda: len(cluster.nodes_of("elastic")), lambda bound: bound == 6)
    cluster.until_running("solid", "elastic")
    cluster.create(*gang("back", 4, 4, queue="b"))
    cluster.until_running("back")
    assert len(cluster.nodes_of("elastic")) == 2
    assert cluster.recorded("elastic").total() == 2
    assert [cluster.status(name).get("evictions", 0) for name in ("solid", "elastic")] == [0, 0]
    assert cluster.phase("elastic") == "Running"


def test_work_keeps_its_minimum_run_time(cluster: Cluster) -> None:
    cluster.create(queue("calm", preemption={"minRuntime": {"preempt": "6s"}}))
    cluster.create(*gang("low", 4, 8, queue="calm", priorityClassName="low"))
    cluster.until_running("low")
    started = max(seconds(each["status"]["startTime"]) for each in cluster.pods("muster.dev/pod-group=low"))
    cluster.create(*gang("high", 1, 8, queue="calm", priorityClassName="high"))
    cluster.until_verdict("high", "running work may not be taken: 1 gang within its minimum run time")
    left = cluster.until(partial(evicted, cluster), bool)
    assert all(seconds(each["lastTransitionTime"]) - started >= 6.0 - 1.0 for each in left)
    cluster.until_running("high")


def test_a_gang_waits_for_its_preemption_delay(cluster: Cluster) -> None:
    cluster.create(*gang("low", 4, 8, priorityClassName="low"))
    cluster.until_running("low")
    cluster.create(*gang("high", 1, 8, priorityClassName="high", preemptionDelay="4s"))
    queued = seconds(cluster.group("high")["metadata"]["creationTimestamp"])
    cluster.until_verdict("high", "s longer before it may take running work")
    left = cluster.until(partial(evicted, cluster), bool)
    assert all(seconds(each["lastTransitionTime"]) - queued >= 4.0 - 1.0 for each in left)
    cluster.until_running("high")


def test_a_victim_that_never_goes_is_reported_and_others_use_the_rest(cluster: Cluster) -> None:
    """A finalizer keeps one of four victims: the decision is given up, and the three nodes that came free are used."""
    cluster.create(*gang("low", 4, 8, priorityClassName="low"))
    cluster.until_running("low")
    set_finalizers(cluster, "low-2", ["example.com/held"])
    cluster.create(*gang("high", 4, 8, priorityClassName="high"))
    said = "pod default/low-2, whose place it was to get, has been terminating for too long"
    cluster.until_verdict("high", said)
    cluster.create(*gang("small", 3, 8, priorityClassName="low"))
    cluster.until_running("small")
    assert cluster.node_of("low-2") not in cluster.nodes_of("small").values()
    assert cluster.nodes_of("high") == {}
    set_finalizers(cluster, "low-2", None)
    cluster.until_running("high")


def set_finalizers(cluster: Cluster, pod: str, finalizers: list[str] | None) -> None:
    answer = cluster.api.merge(f"{PODS}/{pod}", {"metadata": {"finalizers": finalizers}})
    assert answer.code == HTTPStatus.OK, answer.message
