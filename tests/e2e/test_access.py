"""What the scheduler's ServiceAccount may and may not do, and that `manifests/` installs as a whole."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed, BedOptions
from testbed.fixtures import MakeBed

from tests.e2e.raw_api import RawApi, install_kinds

MANIFESTS = Path(__file__).parents[2] / "manifests"

CORE = "/api/v1"
DEFAULT = f"{CORE}/namespaces/default"
MUSTER = "/apis/muster.dev/v1alpha1"
GANG = f"{MUSTER}/namespaces/default/podgroups/ours"
QUEUE = f"{MUSTER}/queues/ours"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    """An API server with our kinds and rules, and the objects that are acted on."""
    bed = make_bed(BedOptions(kwok=False))
    install_kinds(bed)
    bed.apply(MANIFESTS / "namespace.yaml")
    bed.apply(MANIFESTS / "rbac.yaml")
    bed.apply(_ACTED_ON)
    return bed


@pytest.fixture(scope="module")
def scheduler(bed: Bed) -> RawApi:
    return RawApi.service_account(bed, "muster-system", "muster")


_POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default}
spec: {schedulerName: muster, containers: [{name: c, image: c}]}
---
"""
_ACTED_ON = f"""
apiVersion: v1
kind: Node
metadata: {{name: n0}}
---
apiVersion: muster.dev/v1alpha1
kind: PodGroup
metadata: {{name: ours, namespace: default}}
spec: {{minMember: 1}}
---
apiVersion: muster.dev/v1alpha1
kind: Queue
metadata: {{name: ours}}
spec: {{}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {{name: foreign, namespace: muster-system}}
spec: {{}}
---
{_POD % "to-bind"}{_POD % "to-evict"}{_POD % "to-mark"}
"""
_BINDING = {"metadata": {"name": "to-bind"}, "target": {"kind": "Node", "name": "n0"}}
_EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "to-evict", "namespace": "default"}}
_EVENT = {
    "metadata": {"name": "ours", "namespace": "default"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "muster",
    "reportingInstance": "muster-0",
    "action": "Binding",
    "reason": "Scheduled",
    "type": "Normal",
    "regarding": {"kind": "Pod", "name": "to-bind", "namespace": "default"},
}
_LEASE = {"metadata": {"name": "muster"}, "spec": {"holderIdentity": "muster-0", "leaseDurationSeconds": 15}}
_MADE = {
    "apiVersion": "muster.dev/v1alpha1",
    "kind": "PodGroup",
    "metadata": {"name": "made"},
    "spec": {"minMember": 1},
}


@pytest.mark.parametrize(
    "path",
    [
        f"{CORE}/nodes",
        f"{CORE}/pods",
        f"{CORE}/namespaces",
        f"{CORE}/persistentvolumes",
        f"{CORE}/persistentvolumeclaims",
        "/apis/storage.k8s.io/v1/storageclasses",
        "/apis/storage.k8s.io/v1/csinodes",
        "/apis/storage.k8s.io/v1/csidrivers",
        "/apis/storage.k8s.io/v1/csistoragecapacities",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        f"{MUSTER}/podgroups",
        f"{MUSTER}/queues",
        f"{MUSTER}/topologies",
        f"{MUSTER}/resourceflavors",
    ],
)
def test_it_may_list_and_watch(scheduler: RawApi, path: str) -> None:
    assert scheduler.send("GET", path).code == 200
    resource = path.rsplit("/", 1)[1]
    group = path.split("/")[2] if path.startswith("/apis") else ""
    review = {"spec": {"resourceAttributes": {"verb": "watch", "resource": resource, "group": group}}}
    asked = scheduler.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert asked.body["status"]["allowed"], asked.body


def test_it_may_bind(scheduler: RawApi) -> None:
    assert scheduler.send("POST", f"{DEFAULT}/pods/to-bind/binding", _BINDING).code == 201


def test_it_may_evict(scheduler: RawApi) -> None:
    assert scheduler.send("POST", f"{DEFAULT}/pods/to-evict/eviction", _EVICTION).code == 201


def test_it_may_say_why_a_pod_waits(scheduler: RawApi) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "QueueHeld"}
    assert scheduler.merge(f"{DEFAULT}/pods/to-mark/status", {"status": {"conditions": [condition]}}).code == 200


def test_it_may_write_the_status_of_a_gang_by_patch_and_by_update(scheduler: RawApi) -> None:
    assert scheduler.merge(f"{GANG}/status", {"status": {"phase": "Queued"}}).code == 200
    stored = scheduler.send("GET", GANG).body
    stored["status"]["phase"] = "Assigned"
    assert scheduler.send("PUT", f"{GANG}/status", stored).code == 200


def test_it_may_set_and_remove_the_finalizer_of_a_gang(scheduler: RawApi) -> None:
    assert scheduler.merge(GANG, {"metadata": {"finalizers": ["muster.dev/places"]}}).code == 200
    assert scheduler.merge(GANG, {"metadata": {"finalizers": None}}).code == 200


def test_it_may_set_and_remove_the_finalizer_of_a_queue(scheduler: RawApi) -> None:
    assert scheduler.merge(QUEUE, {"metadata": {"finalizers": ["muster.dev/queue-in-use"]}}).code == 200
    assert scheduler.merge(QUEUE, {"metadata": {"finalizers": None}}).code == 200


def test_it_may_create_a_gang_for_a_pod_without_one_and_delete_it_when_it_has_served(scheduler: RawApi) -> None:
    made = f"{MUSTER}/namespaces/default/podgroups"
    assert scheduler.send("POST", made, _MADE).code == 201
    assert scheduler.send("DELETE", f"{made}/made").code == 200


def test_it_may_write_the_status_of_a_queue(scheduler: RawApi) -> None:
    assert scheduler.merge(f"{QUEUE}/status", {"status": {"pendingGangs": 3}}).code == 200


def test_it_may_record_events(scheduler: RawApi) -> None:
    assert scheduler.send("POST", EVENTS, _EVENT).code == 201
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}
    assert scheduler.merge(f"{EVENTS}/ours", series).code == 200


def test_it_may_take_and_renew_its_lease(scheduler: RawApi) -> None:
    assert scheduler.send("POST", LEASES, _LEASE).code == 201
    held = scheduler.send("GET", f"{LEASES}/muster").body
    held["spec"]["holderIdentity"] = "muster-1"
    assert scheduler.send("PUT", f"{LEASES}/muster", held).code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{CORE}/secrets", None),
        ("GET", f"{CORE}/namespaces/muster-system/configmaps", None),
        ("POST", f"{DEFAULT}/pods", {"metadata": {"name": "p"}}),
        ("DELETE", f"{DEFAULT}/pods/to-mark", None),
        ("PATCH", f"{DEFAULT}/pods/to-mark", {"metadata": {"labels": {"a": "b"}}}),
        ("PATCH", f"{CORE}/nodes/n0", {"spec": {"unschedulable": True}}),
        ("PUT", GANG, {"metadata": {"name": "ours"}}),
        ("PUT", QUEUE, {"metadata": {"name": "ours"}}),
        ("PATCH", f"{MUSTER}/topologies/ours", {"spec": {}}),
        ("PATCH", f"{MUSTER}/resourceflavors/ours", {"spec": {}}),
        ("DELETE", QUEUE, None),
        ("POST", f"{MUSTER}/queues", {"metadata": {"name": "q"}}),
        ("GET", LEASES, None),
        ("GET", f"{LEASES}/foreign", None),
        ("PATCH", f"{LEASES}/foreign", {"spec": {"holderIdentity": "muster-0"}}),
        ("DELETE", f"{LEASES}/muster", None),
        ("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", _LEASE),
        ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/muster-system/roles", {"metadata": {"name": "r"}}),
    ],
)
def test_it_may_not(scheduler: RawApi, method: str, path: str, body: dict[str, Any] | None) -> None:
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = scheduler.send(method, path, body, content_type)
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden"), answer.body


def test_the_whole_folder_installs(bed: Bed) -> None:
    bed.kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", str(MANIFESTS))


def test_the_pod_of_the_deployment_meets_the_restricted_standard(bed: Bed) -> None:
    documents = yaml.safe_load_all((MANIFESTS / "deployment.yaml").read_text())
    (deployment,) = [document for document in documents if document["kind"] == "Deployment"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": "muster-system"}}
    # The namespace enforces the standard, so that a pod below it is refused.
    pod_below = json.dumps({**pod, "spec": {"containers": [{"name": "c", "image": "c"}]}})
    refused = bed.kubectl("create", "--dry-run=server", "--filename", "-", input=pod_below, check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr
    accepted = json.dumps({**pod, "spec": deployment["spec"]["template"]["spec"]})
    bed.kubectl("create", "--dry-run=server", "--filename", "-", input=accepted)
