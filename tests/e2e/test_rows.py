"""Rows of the conformance suite on a real control plane: the same files, the same comparison, under the auditor.

Each row's fleet takes the place of the one before; the scheduler runs under the profile of the row's peer.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from auditor import Audit
from testbed import Bed, BedOptions
from testbed.fixtures import MakeBed

from scheduler.scenario.load import Row
from scheduler.scenario.run import choose_policy
from tests.conformance.test_rows import POLICIES, ROWS, find
from tests.e2e.cluster import QUEUES, Cluster
from tests.e2e.raw_api import KINDS_PATH
from tests.e2e.scenario_stage import play
from tests.e2e.scheduler_process import SchedulerProcess

pytestmark = pytest.mark.cluster

IDS = (
    "kueue/FS-01",
    "kueue/FI-03",
    "kueue/FI-10",
    "kueue/CP-18",
    "kueue/HC-02",
    "kueue/TA-08",
    "kueue/TA-29",
    "volcano/VA-12",
    "volcano/VP-14",
)
NODES = "/api/v1/nodes"
TOPOLOGIES = f"{KINDS_PATH}/topologies"


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    return make_bed(BedOptions(audit=True))


class Schedulers:
    """One scheduler at a time, under the profile that was asked for last."""

    def __init__(self, cluster: Cluster, log_file: Path) -> None:
        self._cluster = cluster
        self._log_file = log_file
        self._profile = ""
        self._running = ExitStack()

    def under(self, profile: str) -> None:
        """Let one run under a profile, with its solver."""
        if profile == self._profile:
            return
        self.end()
        arguments = ("--policy", str(POLICIES / f"{profile}.yaml"))
        scheduler = SchedulerProcess(self._cluster.scheduler_kubeconfig, self._log_file, arguments=arguments)
        self._running.enter_context(scheduler)
        scheduler.wait_until_said("synced", "solver worker serves")
        self._profile = profile

    def end(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def schedulers(cluster: Cluster, audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schedulers]:
    schedulers = Schedulers(cluster, tmp_path_factory.mktemp("scheduler") / "scheduler.log")
    yield schedulers
    schedulers.end()


def empty(cluster: Cluster) -> None:
    """No node, no queue, no topology."""
    for kind in (NODES, QUEUES, TOPOLOGIES):
        cluster.delete(kind)
    cluster.until(lambda: cluster.items(QUEUES), lambda left: not left)  # one that was used goes when its work has gone


def profile(row: Row) -> str:
    return row.scenario.policy.profile


CHOSEN = sorted((row for row in ROWS if row.scenario.id in IDS), key=profile)


@pytest.mark.parametrize("row", CHOSEN, ids=lambda row: row.scenario.id)
def test_a_row_comes_out_the_same(row: Row, schedulers: Schedulers, cluster: Cluster) -> None:
    chosen = choose_policy(row.scenario.policy, find)
    assert chosen.label == profile(row), "switches of a row are not translated"
    empty(cluster)
    schedulers.under(profile(row))
    try:
        found = play(cluster, row.scenario, chosen.policy)
    finally:
        cluster.clear()
    assert [str(each) for each in found] == []


def test_every_row_exists() -> None:
    assert {row.scenario.id for row in ROWS} >= set(IDS)
