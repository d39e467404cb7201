"""What a running bed offers: nodes, users, bulk access, the audit log, and the life of pods on simulated nodes."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from testbed import Bed, BedError, BedOptions, bulk
from testbed.fixtures import MakeBed

pytestmark = pytest.mark.cluster

NODE = "gpu-z1-b1-r1-n1"


def pod(name: str, runtime: str | None = None, grace_seconds: int = 0, node: str | None = NODE) -> dict[str, Any]:
    annotations = {"muster.dev/simulated-runtime": runtime} if runtime else {}
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": grace_seconds,
        "containers": [{"name": "main", "image": "none", "resources": {"requests": {"nvidia.com/gpu": "1"}}}],
    }
    spec["containers"][0]["resources"]["limits"] = {"nvidia.com/gpu": "1"}
    if node:
        spec["nodeName"] = node
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def get(bed: Bed, *what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bed.kubectl("get", *what, "-o", "json").stdout)
    return found


def seconds_until(condition: Callable[[], bool], timeout_seconds: float = 20.0) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_seconds
        time.sleep(0.05)
    return time.monotonic() - started


def phase(bed: Bed, name: str) -> str:
    return str(get(bed, "pod", name)["status"]["phase"])


def test_the_nodes_of_a_fleet_are_ready_with_their_resources_also_without_kwok(make_bed: MakeBed) -> None:
    bed = make_bed(BedOptions(kwok=False, fleet="tiny"))
    nodes = get(bed, "nodes")["items"]
    assert len(nodes) == 4
    for node in nodes:
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "8"
        assert [item["status"] for item in node["status"]["conditions"] if item["type"] == "Ready"] == ["True"]
        assert "taints" not in node["spec"]


def test_a_bound_pod_runs_and_completes_after_its_run_time(bed: Bed) -> None:
    bed.create([pod("short", runtime="1500ms"), pod("long", runtime="1h")])
    seconds_until(lambda: phase(bed, "short") == "Succeeded")
    terminated = get(bed, "pod", "short")["status"]["containerStatuses"][0]["state"]["terminated"]
    ran = datetime.fromisoformat(terminated["finishedAt"]) - datetime.fromisoformat(terminated["startedAt"])
    # Both ends are kept in whole seconds.
    assert 2 <= ran.total_seconds() <= 8
    assert phase(bed, "long") == "Running"


def test_a_pod_that_is_patched_meanwhile_does_not_run_longer(bed: Bed) -> None:
    bed.create([pod("patched", runtime="3s")])
    seconds_until(lambda: phase(bed, "patched") == "Running")
    started = time.monotonic()
    while phase(bed, "patched") == "Running":
        bed.kubectl("annotate", "--overwrite", "pod", "patched", f"touched={time.monotonic()}")
        # Were each patch to start the run time anew, it would never end.
        assert time.monotonic() - started < 20


def test_a_pod_without_a_node_stays_pending_until_it_is_bound(bed: Bed) -> None:
    bed.create([pod("unbound", node=None)])
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "unbound"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
    }
    assert phase(bed, "unbound") == "Pending"
    path = "/api/v1/namespaces/default/pods/unbound/binding"
    asyncio.run(bulk.run(bed.target, [bulk.Request("POST", path, json.dumps(binding).encode())]))
    seconds_until(lambda: phase(bed, "unbound") == "Running")

    assert bed.audit_log is not None
    events = [json.loads(line) for line in bed.audit_log.read_text().splitlines()]
    bound = [event for event in events if event["requestURI"].startswith(path)]
    assert [event["requestObject"]["target"]["name"] for event in bound] == [NODE]
    # Everything else than the few audited requests stays out: the log is the recording of benchmarks, too.
    assert {(event["verb"], event["objectRef"].get("subresource")) for event in events} <= {
        ("create", "binding"),
        ("create", "eviction"),
        ("delete", None),
        ("deletecollection", None),
    }


def test_a_deleted_pod_uses_its_whole_grace(bed: Bed) -> None:
    bed.create([pod("graceful", grace_seconds=2)])
    seconds_until(lambda: phase(bed, "graceful") == "Running")
    started = time.monotonic()
    bed.kubectl("delete", "pod", "graceful", "--wait=false")
    assert get(bed, "pod", "graceful")["metadata"]["deletionGracePeriodSeconds"] == 2
    seconds_until(lambda: bed.kubectl("get", "pod", "graceful", check=False).returncode != 0)
    assert 2.0 <= time.monotonic() - started <= 8.0


def test_kwok_leaves_pods_alone_that_are_deleted_at_once(bed: Bed) -> None:
    """It deletes by name, a second late: a pod that was created under the same name meanwhile would go too."""
    names = [f"namesake-{number}" for number in range(60)]
    bed.create([pod(name, grace_seconds=1) for name in names])
    bed.kubectl("delete", "pods", "--grace-period=0", "--force", "--wait=false", *names)
    bed.create([pod(name, grace_seconds=1) for name in names])
    time.sleep(2.5)
    assert bed.audit_log is not None
    events = [json.loads(line) for line in bed.audit_log.read_text().splitlines()]
    deletes = [event for event in events if event["verb"] == "delete" and event["user"]["username"] == "kwok"]
    assert {event["objectRef"]["name"] for event in deletes}.isdisjoint(names)


def test_a_node_fails_and_recovers_by_its_label(bed: Bed) -> None:
    def ready() -> str:
        conditions = get(bed, "node", NODE)["status"]["conditions"]
        return str(next(item["status"] for item in conditions if item["type"] == "Ready"))

    bed.kubectl("label", "node", NODE, "muster.dev/simulate=not-ready")
    seconds_until(lambda: ready() == "False")
    bed.kubectl("label", "node", NODE, "muster.dev/simulate-")
    seconds_until(lambda: ready() == "True")


def test_a_user_may_do_what_rbac_gives_them(bed: Bed) -> None:
    visitor = bed.user_kubeconfig("visitor", ["guests"])
    with pytest.raises(BedError, match='User "visitor" cannot list resource "pods"'):
        bed.kubectl("get", "pods", kubeconfig=visitor)
    bed.kubectl("create", "clusterrole", "pod-reader", "--verb=list", "--resource=pods")
    bed.kubectl("create", "clusterrolebinding", "guests", "--clusterrole=pod-reader", "--group=guests")
    # The authorizer hears of it through a watch.
    seconds_until(lambda: bed.kubectl("get", "pods", kubeconfig=visitor, check=False).returncode == 0)

    bed.kubectl("create", "serviceaccount", "robot")
    robot = bed.service_account_kubeconfig("default", "robot")
    with pytest.raises(BedError, match='User "system:serviceaccount:default:robot" cannot list'):
        bed.kubectl("get", "pods", kubeconfig=robot)


def test_bulk_creation_tells_what_was_refused(bed: Bed) -> None:
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"bulk-{n}"}} for n in range(50)]
    assert bed.create(namespaces).statuses == {201: 50}
    with pytest.raises(BedError, match=r"50 of 50 requests failed:\n  POST /api/v1/namespaces: 409 .*already exists"):
        bed.create(namespaces)
    again = asyncio.run(bulk.create(bed.target, namespaces, accept=frozenset({409})))
    assert again.statuses == {409: 50}


def test_fleets_are_added_and_removed(bed: Bed) -> None:
    assert bed.add_fleet("dgx-256").count == 256
    assert len(get(bed, "nodes", "--selector=muster.dev/fleet=dgx-256")["items"]) == 256
    bed.remove_fleet("dgx-256")
    assert get(bed, "nodes", "--selector=muster.dev/fleet=dgx-256")["items"] == []


def test_with_controller_manager_and_scheduler_a_deployment_runs_and_a_namespace_ends(make_bed: MakeBed) -> None:
    bed = make_bed(BedOptions(fleet="tiny", controller_manager=True, kube_scheduler=True, throughput=True))
    bed.kubectl("create", "deployment", "web", "--image=none", "--replicas=3")
    bed.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    bed.kubectl("create", "namespace", "passing")
    bed.kubectl("delete", "namespace", "passing", "--timeout=20s")


def test_a_component_may_be_started_later(make_bed: MakeBed) -> None:
    bed = make_bed(BedOptions(fleet="tiny"))
    bed.create([pod("waiting", node=None)])
    bed.start_component("kube-scheduler")
    seconds_until(lambda: phase(bed, "waiting") == "Running")


def test_the_optional_workload_api_is_served_behind_its_gate(make_bed: MakeBed) -> None:
    bed = make_bed(
        BedOptions(
            kwok=False,
            feature_gates=("GenericWorkload=true",),
            runtime_config=("scheduling.k8s.io/v1beta1=true",),
        )
    )
    assert "podgroups" in bed.kubectl("api-resources", "--api-group=scheduling.k8s.io", "-o", "name").stdout
