"""Starting with bad input, or into a cluster that is not ready for it: an exit code with the remedy, or patience.

What only a person can mend ends the process with code 2. What may come right by itself (no server yet, no CRDs yet, a
permission that is missing) is said in the log, and it goes on as soon as it can. On a bed of its own, because these
stories take away what all others stand on.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from testbed import Bed

from tests.e2e.bad_input import BAD_STARTS, BadStart
from tests.e2e.cluster import LEASE, MANIFESTS, Cluster
from tests.e2e.raw_api import CRDS, KINDS_PATH, RawApi
from tests.e2e.scheduler_process import SchedulerProcess
from tests.e2e.work import gang

pytestmark = pytest.mark.cluster

RBAC = MANIFESTS / "rbac.yaml"

# A right to the lease that is missing must be missing for a lease duration before the scheduler gives up.
IMPATIENT = ("--lease-duration-seconds", "1")

Start = Callable[..., SchedulerProcess]


@pytest.fixture
def start(bed: Bed, tmp_path: Path) -> Iterator[Start]:
    """Starts a scheduler, as our service account unless a kubeconfig is given; it ends with the test."""
    with ExitStack() as stack:

        def start(*arguments: str, kubeconfig: Path | None = None) -> SchedulerProcess:
            kubeconfig = kubeconfig or bed.service_account_kubeconfig("muster-system", "muster")
            process = SchedulerProcess(kubeconfig, tmp_path / "scheduler.log", "starter", arguments)
            return stack.enter_context(process)

        yield start


@pytest.fixture(scope="module")
def without_kinds(bed: Bed) -> Bed:
    """A cluster with our account and its rights, and without our CRDs."""
    bed.apply(MANIFESTS / "namespace.yaml")
    bed.apply(RBAC)
    return bed


# The order matters: the first story installs the CRDs, on which all later ones stand.


def test_missing_crds_are_named_and_waited_for(start: Start, without_kinds: Bed) -> None:
    scheduler = start()
    scheduler.wait_until_said(
        *(
            f"the CRD of {kind}.muster.dev is not installed; run: kubectl apply --server-side -f manifests/crds"
            for kind in ("podgroups", "queues", "topologies")
        )
    )
    assert scheduler.answer("/readyz") == (503, "the initial lists are not complete\n")
    assert scheduler.answer("/healthz")[0] == 200
    cluster = Cluster.installed(without_kinds)
    scheduler.wait_until_ready()
    cluster.create(*gang("patient", 2))
    cluster.until_running("patient")
    cluster.clear()


@pytest.fixture(scope="module")
def installed(without_kinds: Bed) -> Cluster:
    return Cluster.installed(without_kinds)


@pytest.mark.parametrize("row", BAD_STARTS, ids=lambda row: row.id)
def test_a_bad_start_ends_with_code_2_and_a_remedy(
    installed: Cluster, start: Start, tmp_path: Path, row: BadStart
) -> None:
    policy, missing = tmp_path / "policy.yaml", tmp_path / "missing.yaml"
    policy.write_text(row.policy)
    arguments = (each.format(policy=policy, missing=missing) for each in row.arguments)
    scheduler = start(*arguments, kubeconfig=installed.bed.kubeconfig)
    assert scheduler.wait_until_ended() == 2
    assert row.said.format(policy=policy, missing=missing) in scheduler.said
    assert "Traceback" not in scheduler.said


def test_a_token_that_nobody_knows_ends_it(installed: Cluster, start: Start, tmp_path: Path) -> None:
    kubeconfig = yaml.safe_load(installed.scheduler_kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": "forged"}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    scheduler = start(*IMPATIENT, kubeconfig=path)
    assert scheduler.wait_until_ended() == 2
    assert "no permission on the lease muster-system/muster: " in scheduler.said
    assert "Unauthorized" in scheduler.said


def test_no_right_to_the_lease_ends_it(installed: Cluster, start: Start) -> None:
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/muster-system/rolebindings/muster-leader-election"
    installed.delete(path)
    try:
        scheduler = start(*IMPATIENT)
        assert scheduler.wait_until_ended() == 2
    finally:
        installed.bed.apply(RBAC)
    assert "no permission on the lease muster-system/muster: " in scheduler.said
    assert 'cannot get resource "leases"' in scheduler.said


def test_no_right_to_the_cluster_is_named_and_waited_for(installed: Cluster, start: Start) -> None:
    installed.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/muster-scheduler")
    try:
        scheduler = start()
        scheduler.wait_until_said(
            "no permission to watch pods; see manifests/rbac.yaml",
            "no permission to watch nodes; see manifests/rbac.yaml",
        )
        assert scheduler.answer("/readyz")[0] == 503
    finally:
        installed.bed.apply(RBAC)
    scheduler.wait_until_ready()
    installed.create(*gang("permitted", 2))
    installed.until_running("permitted")
    installed.clear()


def test_an_api_server_that_is_away_at_the_start_is_waited_for(installed: Cluster, start: Start) -> None:
    kubeconfig = installed.scheduler_kubeconfig
    installed.create(*gang("early", 2))
    installed.bed.stop_component("kube-apiserver")
    try:
        scheduler = start(kubeconfig=kubeconfig)
        scheduler.wait_until_said("API server away", "lease not reachable")
        assert scheduler.answer("/readyz")[0] == 503
    finally:
        installed.bed.start_component("kube-apiserver")
    scheduler.wait_until_ready()
    installed.until_running("early")
    installed.clear()


def test_a_lease_of_somebody_else_is_waited_for(installed: Cluster, start: Start) -> None:
    """Nothing is done while another holds it; when its time is over, it is taken."""
    installed.delete(LEASE)
    held = {
        "metadata": {"name": "muster"},
        "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3, "renewTime": "2026-01-01T00:00:00.000000Z"},
    }
    api = RawApi.admin(installed.bed)
    assert api.send("POST", LEASE.rpartition("/")[0], held).code == 201
    installed.create(*gang("ruled", 2))
    scheduler = start("--lease-duration-seconds", "3")
    scheduler.wait_until_ready()
    assert (scheduler.metric("leading"), installed.nodes_of("ruled")) == (0, {})
    scheduler.wait_until_leading()
    installed.until_running("ruled")
    installed.clear()


def test_an_object_of_another_shape_is_skipped_and_logged_once(installed: Cluster, start: Start) -> None:
    """Somebody installed another version of our CRD: what it lets through must not stop anything."""
    scheduler = start()
    scheduler.wait_until_ready()
    path = CRDS / "topologies.yaml"
    foreign = yaml.safe_load(path.read_text())
    for version in foreign["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    installed.bed.apply(yaml.safe_dump(foreign))
    strange = {"apiVersion": "muster.dev/v1alpha1", "kind": "Topology", "metadata": {"name": "strange"}}

    def created() -> bool:
        # The server goes on checking by the old schema for a moment.
        answer = installed.api.put(f"{KINDS_PATH}/topologies/strange", {**strange, "spec": {"levels": "racks"}})
        return answer.code == 201

    installed.until(created, bool)
    scheduler.wait_until_said("object skipped")
    installed.create(*gang("regular", 2, topology={"required": "rack"}))
    installed.until_running("regular")
    assert scheduler.metric("objects_malformed_total") == 1
    assert scheduler.said.count("object skipped") == 1
    installed.delete(f"{KINDS_PATH}/topologies/strange")
    installed.bed.apply(path)
    installed.clear()
