"""The auditor beside a real control plane: live, on a recording, and on a listing with the audit log."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from auditor import Report, Settings, auditing
from auditor.__main__ import main
from auditor.sources.auditlog import read_audit_log
from testbed import Bed, bulk

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "kwok-clusters")}
GPU = "nvidia.com/gpu"


@pytest.fixture(scope="module", autouse=True)
def crds(bed: Bed) -> None:
    bed.apply(ROOT / "manifests" / "crds")
    bed.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


@pytest.fixture
def nodes(bed: Bed) -> list[str]:
    """The four nodes of the fleet, 8 GPUs each, without pods or gangs of earlier tests.

    Each test has pod names of its own: kwok may still be removing an earlier test's pod, and does so by name.
    """
    bed.kubectl("delete", "pods,podgroups", "--all", "--grace-period=0", "--force", "--wait")
    return sorted(bed.kubectl("get", "nodes", "-o", "name").stdout.replace("node/", "").split())


def pod(name: str, gpus: int, gang: str = "") -> dict[str, Any]:
    resources = {"requests": {GPU: gpus, "cpu": "1"}, "limits": {GPU: gpus}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"muster.dev/pod-group": gang} if gang else {}},
        "spec": {
            "schedulerName": "muster",
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "none", "resources": resources}],
        },
    }


def bind(bed: Bed, *places: tuple[str, str]) -> None:
    """Raw Binding requests, as any client may send them: nothing but the API server's own checks."""
    requests = []
    for name, node in places:
        meta = {"name": name, "namespace": "default"}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": {"kind": "Node", "name": node}}
        path = f"/api/v1/namespaces/default/pods/{name}/binding"
        requests.append(bulk.Request("POST", path, json.dumps(body).encode()))
    send(bed, requests)


def send(bed: Bed, requests: Iterable[bulk.Request]) -> None:
    asyncio.run(bulk.run(bed.target, requests, connections=1))


def commit(bed: Bed, gang: str, counts: dict[str, int]) -> None:
    """Write a commit record as the scheduler would."""
    assignment = {
        "epoch": 1,
        "madeFrom": "1",
        "decidedAt": "2024-01-01T00:00:00Z",
        "places": [{"member": "main", "nodes": [{"name": node, "count": count} for node, count in counts.items()]}],
    }
    patch = json.dumps({"status": {"phase": "Binding", "assignment": assignment}})
    bed.kubectl("patch", "podgroup", gang, "--subresource=status", "--type=merge", f"--patch={patch}")


def gang(bed: Bed, name: str, pods: int, gpus: int) -> None:
    meta = {"name": name, "namespace": "default"}
    group = {"apiVersion": "muster.dev/v1alpha1", "kind": "PodGroup", "metadata": meta, "spec": {"minMember": pods}}
    bed.create([group])
    bed.create([pod(f"{name}-{index}", gpus, name) for index in range(pods)])


def test_an_over_committed_node_is_reported(bed: Bed, nodes: list[str]) -> None:
    bed.create([pod("a0", gpus=8), pod("b0", gpus=1)])
    with pytest.raises(AssertionError) as failed, auditing(bed):
        bind(bed, ("a0", nodes[0]), ("b0", nodes[0]))
    assert f"violation [over-commit] node {nodes[0]}: {GPU}: 9 taken of 8 allocatable, after pod default/b" in str(
        failed.value
    )
    assert "1 violation," in str(failed.value)


def test_a_failure_inside_the_block_goes_first_and_carries_the_report(bed: Bed, nodes: list[str]) -> None:
    with pytest.raises(ZeroDivisionError) as failed, auditing(bed):
        raise ZeroDivisionError
    assert failed.value.__notes__[0].startswith("auditor: 0 violations")


def test_a_run_in_which_nothing_was_bound_is_not_taken_for_a_clean_one(bed: Bed, nodes: list[str]) -> None:
    with pytest.raises(AssertionError, match="saw 0 binds, fewer than the 1"), auditing(bed, binds_min=1):
        pass


def test_a_clean_run_is_silent_and_counted(bed: Bed, nodes: list[str]) -> None:
    with auditing(bed, binds_min=5) as audit:
        bed.create([pod("a3", gpus=8)])
        bind(bed, ("a3", nodes[0]))
        gang(bed, "g3", pods=4, gpus=4)
        commit(bed, "g3", {nodes[1]: 2, nodes[2]: 2})
        bind(bed, *((f"g3-{index}", nodes[1 + index // 2]) for index in range(4)))
        bed.kubectl("delete", "pod", "a3")  # comes back when kwok has ended it
        bed.create([pod("a3", gpus=8)])
        bind(bed, ("a3", nodes[0]))
    seen = audit.report.seen
    assert (seen.binds, seen.records, seen.gangs) == (6, 1, 1)
    assert seen.requests >= 7, "six bindings and a delete stand in the audit log"


def test_an_auditor_that_may_not_read_says_so(bed: Bed) -> None:
    kubeconfig = bed.user_kubeconfig("nobody")
    command = [sys.executable, "-m", "auditor", "watch", "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("auditor: https://")
    assert 'User \\"nobody\\" cannot' in done.stderr


def test_half_a_gang_is_reported_after_the_grace(bed: Bed, nodes: list[str]) -> None:
    gang(bed, "g4", pods=2, gpus=1)
    commit(bed, "g4", {nodes[1]: 2})
    short = Settings(grace_seconds=0.2)
    with pytest.raises(AssertionError, match="1 of a minimum of 2 present"), auditing(bed, short):
        bind(bed, ("g4-0", nodes[1]))


def test_an_eviction_by_the_scheduler_needs_a_record(bed: Bed, nodes: list[str]) -> None:
    bed.create([pod("v5", gpus=1)])
    bind(bed, ("v5", nodes[0]))
    meta = {"name": "v5", "namespace": "default"}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    path = "/api/v1/namespaces/default/pods/v5/eviction"
    users = Settings(scheduler_users=frozenset({"admin"}))
    with pytest.raises(AssertionError, match="admin asked for it to go \\(evict\\)"), auditing(bed, users):
        send(bed, [bulk.Request("POST", path, json.dumps(eviction).encode())])


def test_history_goes_on_when_the_api_server_was_away(bed: Bed, nodes: list[str]) -> None:
    bed.create([pod("a6", gpus=8), pod("b6", gpus=1)])

    def work() -> None:
        bind(bed, ("a6", nodes[0]))
        bed.stop_component("kube-apiserver", "SIGKILL")
        bed.start_component("kube-apiserver")
        bind(bed, ("b6", nodes[0]))

    with pytest.raises(AssertionError) as failed, auditing(bed):
        work()
    assert "9 taken of 8 allocatable" in str(failed.value)
    assert "1 violation," in str(failed.value)


def test_a_recording_gives_the_same_report_afterwards(bed: Bed, nodes: list[str], tmp_path: Path) -> None:
    recording, report = tmp_path / "recording.jsonl", tmp_path / "report.json"
    bed.create([pod("a7", gpus=8), pod("b7", gpus=1)])
    with recorded(bed, recording):
        bind(bed, ("a7", nodes[0]), ("b7", nodes[0]))
    assert bed.audit_log is not None
    arguments = ["check", "--recording", str(recording), "--audit-log", str(bed.audit_log), "--report", str(report)]
    assert main(arguments) == 1
    found = Report.from_json(report.read_bytes())
    assert [(v.promise, v.subject) for v in found.violations] == [("over-commit", f"node {nodes[0]}")]
    assert (found.seen.nodes, found.seen.binds) == (4, 2)


def test_a_listing_alone_shows_what_is_over_committed_now(
    bed: Bed, nodes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", "--kubeconfig", str(bed.kubeconfig), "-o", "json", "--min-binds", "1"]
    bed.create([pod("a8", gpus=8), pod("b8", gpus=1)])
    bind(bed, ("a8", nodes[0]))
    assert main(arguments) == 0
    bind(bed, ("b8", nodes[0]))
    capsys.readouterr()
    assert main(arguments) == 1
    assert [v["promise"] for v in json.loads(capsys.readouterr().out)["violations"]] == ["over-commit"]


def test_a_listing_alone_shows_a_gang_that_is_bound_in_part(
    bed: Bed, nodes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    gang(bed, "half", pods=2, gpus=1)
    commit(bed, "half", {nodes[1]: 2})
    bind(bed, ("half-0", nodes[1]))
    assert main(["check", "--kubeconfig", str(bed.kubeconfig), "--audit-log", str(bed.audit_log)]) == 1
    assert "podgroup default/half: 1 pods bound, but 1 of a minimum of 2 present" in capsys.readouterr().out


def test_the_audit_log_tells_bindings_with_uid_and_node(bed: Bed, nodes: list[str]) -> None:
    bed.create([pod("a9", gpus=1)])
    uid = bed.kubectl("get", "pod", "a9", "-o", "jsonpath={.metadata.uid}").stdout
    bind(bed, ("a9", nodes[3]))
    assert bed.audit_log is not None
    *_, last = read_audit_log(bed.audit_log)
    assert last.verb == "bind"
    assert (last.name, last.node, last.user) == ("a9", nodes[3], "admin")
    assert last.uid in (uid, "")


@contextmanager
def recorded(bed: Bed, file: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "auditor", "record", "--kubeconfig", str(bed.kubeconfig), "-o", str(file)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            assert "watching" in process.stderr.readline()
            yield
        finally:
            process.stdin.close()
            assert process.wait(30) == 0
