"""The scheduler is killed while a gang of 32 gives way to another: whoever comes next finishes what the record says.

As in `test_kill`: one connection for effects, so that there is a middle to be killed in. Every story runs under the
auditor, and nobody is evicted twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from testbed import Bed, BedOptions
from testbed.fixtures import MakeBed

from tests.e2e.audit_log import answered
from tests.e2e.cluster import Cluster
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import POD_GROUP, Document, gang, group, members, priority_class

pytestmark = pytest.mark.cluster

PODS = 32
TRIES_MAX = 5
FLEET = Path(__file__).parent / "fleets" / "racks-4.yaml"


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    return make_bed(BedOptions(fleet=FLEET, audit=True))


@pytest.fixture(scope="module")
def scheduler_arguments() -> Sequence[str]:
    return ("--connections", "1")


@pytest.fixture(autouse=True)
def empty_fleet(scheduler: SchedulerProcess, cluster: Cluster) -> Iterator[None]:
    cluster.ensure(priority_class("low", 1), priority_class("high", 100))
    yield
    cluster.clear()


@dataclass(frozen=True, slots=True)
class Middle:
    """How far it has come: the record is there, so many victims leave, so many pods are bound in their place."""

    recorded: bool
    leaving: int
    bound: int


def middle(cluster: Cluster, low: str, high: str) -> Middle:
    """The pods first: what they show follows from the record."""
    victims, taking = cluster.pods(f"{POD_GROUP}={low}"), len(cluster.nodes_of(high))
    return Middle(
        recorded=bool(cluster.recorded(high)),
        leaving=PODS - sum("deletionTimestamp" not in each["metadata"] for each in victims),
        bound=taking,
    )


POINTS: dict[str, Callable[[Middle], bool]] = {
    "after the commit": lambda seen: seen.recorded and not seen.leaving,
    "after some evictions": lambda seen: 0 < seen.leaving < PODS,
    "after some binds": lambda seen: 0 < seen.bound < PODS,
}


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.replace(" ", "-"))
def test_a_successor_goes_on_from_the_record(scheduler: SchedulerProcess, cluster: Cluster, point: str) -> None:
    low, high, record = killed_at(scheduler, cluster, point)
    assert len(record["victims"]) == PODS
    scheduler.restart()
    cluster.until_running(high)
    again = cluster.status(high)["assignment"]
    assert (again["places"], again["decidedAt"]) == (record["places"], record["decidedAt"]), "nobody decided anew"
    assert Counter(cluster.nodes_of(high).values()) == cluster.recorded(high)
    assert evictions(cluster, low) == {f"{low}-{index}": 1 for index in range(PODS)}
    assert cluster.status(low)["evictions"] == 1


def killed_at(scheduler: SchedulerProcess, cluster: Cluster, point: str) -> tuple[str, str, Document]:
    """A gang that gives way, one that takes, and the record as the scheduler that was killed then left it.

    It may go on too fast to be caught there; then that pair makes room for another try.
    """
    reached = POINTS[point]
    for number in range(TRIES_MAX):
        low, high = (f"{name}-{point.split()[-1]}-{number}" for name in ("low", "high"))
        cluster.create(group(low, minMember=PODS, priorityClassName="low"), *members(low, PODS, 4))
        cluster.until_running(low)
        cluster.create(*gang(high, PODS, 4, priorityClassName="high"))
        seen = cluster.until(
            partial(middle, cluster, low, high),
            lambda seen: reached(seen) or seen.bound == PODS,
        )
        if reached(seen):
            scheduler.kill()
            if reached(middle(cluster, low, high)):
                return low, high, cluster.status(high)["assignment"]
            scheduler.restart()
        cluster.until_running(high)
        cluster.clear()
    pytest.fail(f"it was never caught {point}, {TRIES_MAX} times")


def evictions(cluster: Cluster, gang: str) -> Counter[str]:
    """How often each pod of a gang was evicted."""
    assert cluster.bed.audit_log is not None
    return Counter(
        each.name
        for each in answered(cluster.bed.audit_log)
        if each.subresource == "eviction" and each.name.startswith(f"{gang}-")
    )
