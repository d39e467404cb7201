"""What dies in the middle of binding a gang of 64 pods costs nothing: no place is lost, no pod is bound twice.

Every story runs under the auditor and starts on an empty fleet of 128 GPUs. The scheduler has one connection for its
effects, so that there is a middle to be killed in.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from operator import lt
from pathlib import Path

import pytest
from auditor import Audit
from testbed import Bed, BedOptions
from testbed.fixtures import MakeBed

from tests.e2e.cluster import LEASE, Cluster
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import Document, gang

pytestmark = pytest.mark.cluster

PODS = 64
TRIES_MAX = 5
LEASE_SECONDS = 5
FLEET = Path(__file__).parent / "fleets" / "racks-4.yaml"

Start = Callable[..., SchedulerProcess]


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    return make_bed(BedOptions(fleet=FLEET, audit=True))


@pytest.fixture(autouse=True)
def start(cluster: Cluster, audit: Audit, tmp_path: Path) -> Iterator[Start]:
    """Starts schedulers by identity; they end with the test, and then the fleet is empty again."""
    with ExitStack() as stack:

        def start(identity: str = "one") -> SchedulerProcess:
            arguments = ("--connections", "1", "--lease-duration-seconds", str(LEASE_SECONDS))
            process = SchedulerProcess(cluster.scheduler_kubeconfig, tmp_path / f"{identity}.log", identity, arguments)
            stack.enter_context(process).wait_until_ready()
            return process

        yield start
        cluster.clear()


def begun(cluster: Cluster, story: str) -> str:
    """A gang of which some pods are bound and others not: whoever wants to interrupt that must be quick.

    Binding may be over before we look; then that gang makes room for another try. No two have the same name: kwok may
    still be removing pods of an earlier story, and does so by name.
    """
    for number in range(TRIES_MAX):
        name = f"{story}-{number}"
        cluster.create(*gang(name, PODS, topology={"required": "block"}))
        if cluster.until(partial(bound, cluster, name), bool) < PODS:
            return name
        cluster.clear()
    pytest.fail(f"binding was always over before it could be seen, {TRIES_MAX} times")


def bound(cluster: Cluster, name: str) -> int:
    return len(cluster.nodes_of(name))


def assert_completed(cluster: Cluster, name: str, record: Document) -> None:
    """The gang runs whole, on the nodes of the commit record that was read in the middle; nobody decided anew."""
    cluster.until_running(name)
    assert cluster.status(name)["assignment"] == record
    places = cluster.recorded(name)
    assert places.total() == PODS
    assert Counter(cluster.nodes_of(name).values()) == places


def test_a_killed_scheduler_finishes_its_gang_on_the_recorded_nodes(start: Start, cluster: Cluster) -> None:
    scheduler = start()
    name = begun(cluster, "killed")
    scheduler.kill()
    record, bound_before = cluster.status(name)["assignment"], cluster.nodes_of(name)
    assert 0 < len(bound_before) < PODS
    # Work that comes while nobody schedules waits for the successor.
    cluster.create(*gang("meanwhile", 8, gpus=4))
    scheduler.restart()
    assert_completed(cluster, name, record)
    cluster.until_running("meanwhile")
    after = cluster.nodes_of(name)
    assert {pod: after[pod] for pod in bound_before} == bound_before
    assert cluster.status(name)["scheduled"] == PODS


def test_a_scheduler_killed_again_and_again_gets_there(start: Start, cluster: Cluster) -> None:
    scheduler = start()
    name = begun(cluster, "harried")
    record = cluster.status(name)["assignment"]
    for _ in range(3):
        scheduler.kill()
        before = bound(cluster, name)
        scheduler.start()
        cluster.until(partial(bound, cluster, name), partial(lt, min(before, PODS - 1)))
    assert_completed(cluster, name, record)


def test_a_scheduler_told_to_stop_leaves_at_once_and_its_successor_goes_on(start: Start, cluster: Cluster) -> None:
    scheduler = start()
    name = begun(cluster, "stopped")
    assert scheduler.terminate() == 0
    record = cluster.status(name)["assignment"]
    scheduler.start()
    assert_completed(cluster, name, record)


def test_a_killed_solver_worker_costs_nothing(start: Start, cluster: Cluster) -> None:
    scheduler = start()
    scheduler.wait_until(lambda: bool(scheduler.solver_workers()), "with a solver worker")
    name = begun(cluster, "solverless")
    killed = scheduler.kill_solver_worker()
    record = cluster.status(name)["assignment"]
    cluster.create(*gang("beside", 8, gpus=4))
    assert_completed(cluster, name, record)
    cluster.until_running("beside")
    scheduler.wait_until(lambda: scheduler.solver_workers() not in ([], [killed]), "with a solver worker again")


def test_an_api_server_that_goes_away_in_the_middle_is_waited_for(start: Start, cluster: Cluster) -> None:
    scheduler = start()
    name = begun(cluster, "serverless")
    cluster.bed.stop_component("kube-apiserver")
    scheduler.wait_until_said("API server away")
    cluster.bed.start_component("kube-apiserver")
    record = cluster.status(name)["assignment"]
    assert_completed(cluster, name, record)
    cluster.create(*gang("afterwards", 8, gpus=4))
    cluster.until_running("afterwards")


def test_of_two_schedulers_one_acts_and_the_other_takes_over(start: Start, cluster: Cluster) -> None:
    leader = start("one")
    leader.wait_until_leading()
    second = start("two")
    name = begun(cluster, "inherited")
    leader.kill()
    killed_at = time.monotonic()
    record = cluster.status(name)["assignment"]
    assert 0 < bound(cluster, name) < PODS
    assert (second.metric("leading"), second.metric("effects_total")) == (0, 0)
    second.wait_until_leading()
    # A lease is judged by when its last renewal was seen, and looked at every so often.
    assert time.monotonic() - killed_at < 2 * LEASE_SECONDS
    assert_completed(cluster, name, record)
    lease = cluster.get(LEASE)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "two"
