"""Beds for end-to-end tests: `bed` (fleet `tiny`, kwok, audit log) and `make_bed` for any other.

On top of a module's `bed`: `cluster` with our kinds and rules, `audit` (the auditor beside it, whose report fails the
module), and `scheduler`, a running scheduler with the arguments of the module's fixture `scheduler_arguments`.
"""

import sys
from collections.abc import Iterator, Sequence

import pytest
from auditor import Audit, Settings, auditing
from testbed import Bed
from testbed.fixtures import bed, make_bed, pytest_collection_finish, pytest_runtest_makereport

from tests.e2e.cluster import Cluster
from tests.e2e.scheduler_process import SchedulerProcess

__all__ = ["bed", "make_bed", "pytest_collection_finish", "pytest_runtest_makereport"]

# Longer than a killed scheduler takes to come back on a busy machine: until then its gang is bound in part.
GRACE_SECONDS = 60.0


@pytest.fixture(scope="module")
def cluster(bed: Bed) -> Cluster:
    return Cluster.installed(bed)


@pytest.fixture(scope="module")
def audit(cluster: Cluster) -> Iterator[Audit]:
    """The auditor, from before the first pod to after the last."""
    with auditing(cluster.bed, Settings(grace_seconds=GRACE_SECONDS), binds_min=1) as audit:
        yield audit


@pytest.fixture(scope="module")
def scheduler_arguments() -> Sequence[str]:
    """Arguments of `muster run` beyond the kubeconfig; a module overrides it."""
    return ()


@pytest.fixture(scope="module")
def running_scheduler(
    cluster: Cluster, audit: Audit, scheduler_arguments: Sequence[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SchedulerProcess]:
    log_file = tmp_path_factory.mktemp("scheduler") / "scheduler.log"
    with SchedulerProcess(cluster.scheduler_kubeconfig, log_file, arguments=scheduler_arguments) as scheduler:
        scheduler.wait_until_ready()
        yield scheduler
        if scheduler.running:
            assert scheduler.terminate() == 0


@pytest.fixture
def scheduler(running_scheduler: SchedulerProcess) -> Iterator[SchedulerProcess]:
    """The module's scheduler. What it logs during a test is shown with the test's failure; it must outlive the test."""
    logged_before = len(running_scheduler.log)
    yield running_scheduler
    sys.stdout.write(running_scheduler.log[logged_before:])  # pytest shows it where the test failed
    assert running_scheduler.running, "the scheduler ended during the test"
