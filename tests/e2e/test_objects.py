"""The custom resources of `manifests/crds` on a real API server: what it accepts, refuses, fills in, stores and shows.

Each file in `manifests/examples/bad` says in its first line what the API server must answer: `# expect: <text>`.
Where it holds several documents, only the last one is refused: the others are the state it is applied to.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed, BedOptions
from testbed.fixtures import MakeBed

from tests.e2e.raw_api import Answer, RawApi, install_kinds

MANIFESTS = Path(__file__).parents[2] / "manifests"
GOOD = sorted((MANIFESTS / "examples" / "good").glob("*.yaml"))
BAD = sorted((MANIFESTS / "examples" / "bad").glob("*.yaml"))
CRDS = [yaml.safe_load(path.read_text()) for path in sorted((MANIFESTS / "crds").glob("*.yaml"))]

# etcd's default limit of a request, which the largest commit record must stay below.
ETCD_REQUEST_BYTES_MAX = 1_572_864

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    bed = make_bed(BedOptions(kwok=False))
    install_kinds(bed)
    return bed


@pytest.fixture(scope="module")
def api(bed: Bed) -> RawApi:
    return RawApi.admin(bed)


@pytest.fixture(scope="module")
def one_of_each_kind(api: RawApi) -> None:
    for path in GOOD:
        for document in yaml.safe_load_all(path.read_text()):
            _apply(api, document)


def _path(kind: str, name: str) -> str:
    """Where an object of ours lives, in the namespace `default` if it has one."""
    (spec,) = [crd["spec"] for crd in CRDS if crd["spec"]["names"]["kind"] == kind]
    scope = "namespaces/default/" if spec["scope"] == "Namespaced" else ""
    return f"/apis/muster.dev/v1alpha1/{scope}{spec['names']['plural']}/{name}"


def _apply(api: RawApi, document: dict[str, Any]) -> Answer:
    """Create or change an object, its status through the subresource."""
    path = _path(document["kind"], document["metadata"]["name"])
    answer = api.put(path, document)
    if answer.code < 300 and "status" in document:
        answer = api.merge(f"{path}/status", {"status": document["status"]})
    return answer


def _gang(api: RawApi, name: str, spec: dict[str, Any]) -> str:
    """Create a PodGroup and return its path."""
    document = {"apiVersion": "muster.dev/v1alpha1", "kind": "PodGroup", "metadata": {"name": name}, "spec": spec}
    answer = _apply(api, document)
    assert answer.code == 201, answer.message
    return _path("PodGroup", name)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_example_is_accepted(api: RawApi, path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        answer = _apply(api, document)
        assert answer.code in (200, 201), answer.message


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_example_is_refused_with_its_message(api: RawApi, path: Path) -> None:
    text = path.read_text()
    *before, refused = yaml.safe_load_all(text)
    for document in before:
        assert _apply(api, document).code in (200, 201)
    answer = _apply(api, refused)
    assert answer.code in (400, 422), answer.body
    assert text.splitlines()[0].removeprefix("# expect: ") in answer.message


def test_kubectl_shows_the_refusal_and_the_field(bed: Bed) -> None:
    bad = MANIFESTS / "examples" / "bad" / "podgroup-min-member-large.yaml"
    answer = bed.kubectl("apply", "--filename", str(bad), check=False)
    assert answer.returncode == 1
    assert "spec.minMember: Invalid value" in answer.stderr
    assert "minMember is 5, but the members add up to 4" in answer.stderr


def test_a_queue_gets_its_defaults(api: RawApi) -> None:
    queue = {"apiVersion": "muster.dev/v1alpha1", "kind": "Queue", "metadata": {"name": "bare"}}
    answer = _apply(api, {**queue, "spec": {"resources": [{"name": "cpu"}], "history": {"halfLife": "24h"}}})
    assert answer.body["spec"] == {
        "resources": [{"name": "cpu", "flavor": ""}],
        "weight": 1,
        "priority": 0,
        "order": "PriorityThenAge",
        "preemption": {"withinQueue": "LowerPriority", "reclaim": "Any"},
        "history": {"halfLife": "24h", "factor": 1},
        "namespaceSelector": {},
        "state": "Open",
    }


def test_a_gang_gets_its_defaults(api: RawApi) -> None:
    asked = {"minMember": 2, "rankOrder": {}, "flavors": [{"name": "h100"}], "topology": {"required": "rack"}}
    path = _gang(api, "bare", asked)
    assert api.send("GET", path).body["spec"] == {
        "minMember": 2,
        "rankOrder": {"label": "batch.kubernetes.io/job-completion-index"},
        "flavors": [{"name": "h100", "preference": 0, "speed": 1}],
        "topology": {"required": "rack"},
        "preemptible": True,
        "movable": True,
        "suspend": False,
    }


@pytest.mark.parametrize(
    ("short_name", "columns", "wide_columns"),
    [
        ("mpg", "NAME QUEUE PHASE MIN SCHEDULED CAUSE AGE", "MESSAGE QUEUED START EVICTIONS PRIORITY"),
        (
            "mq",
            "NAME PARENT STATE PENDING RUNNING GPUS FAIR GUARANTEED LIMIT READY AGE",
            "SHARE WEIGHT PRIORITY ORDER MESSAGE",
        ),
        ("mtopo", "NAME COARSEST FINEST NODES READY AGE", "TORUS MESSAGE"),
        ("mrf", "NAME SELECTOR NODES READY AGE", "MESSAGE"),
    ],
)
def test_get_shows_the_columns(
    bed: Bed, one_of_each_kind: None, short_name: str, columns: str, wide_columns: str
) -> None:
    header = bed.kubectl("get", short_name).stdout.splitlines()[0]
    wide_header = bed.kubectl("get", short_name, "-o", "wide").stdout.splitlines()[0]
    assert header.split() == columns.split()
    assert set(wide_header.split()) == {*columns.split(), *wide_columns.split()}


def test_the_category_lists_all_kinds(bed: Bed, api: RawApi) -> None:
    _gang(api, "listed", {"queue": "bare", "minMember": 1})
    assert "podgroup.muster.dev/listed" in bed.kubectl("get", "muster", "--output=name").stdout


def test_gangs_are_selectable_by_queue(bed: Bed, api: RawApi) -> None:
    _gang(api, "selectable", {"queue": "only-one", "minMember": 1})
    chosen = bed.kubectl("get", "mpg", "--field-selector=spec.queue=only-one", "--output=name").stdout.split()
    assert chosen == ["podgroup.muster.dev/selectable"]


def test_explain_teaches(bed: Bed) -> None:
    assert "Pods in equal slices, each inside one domain" in bed.kubectl("explain", "mpg.spec.topology.slices").stdout
    assert "What the queue always gets back" in bed.kubectl("explain", "mq.spec.resources.guaranteed").stdout


def _record(nodes: int) -> dict[str, Any]:
    """A commit record with every field in use: one pod on each of `nodes` nodes, with names as long as a cloud's."""
    hosts = [f"gpu-node-{index:05d}.rack-{index // 16:04d}.example.internal" for index in range(nodes)]
    return {
        "epoch": 7,
        "madeFrom": "s-184467",
        "decidedAt": "2026-01-01T00:00:00Z",
        "places": [
            {"member": "worker", "nodes": [{"name": host, "count": 1, "flavor": "h100"} for host in hosts]},
            {"member": "half", "nodes": [{"name": "n0", "count": 2, "devices": [{"index": 3, "milli": 500}]}]},
            {"member": "mig", "nodes": [{"name": "n1", "count": 1, "devices": [{"index": 0, "slice": "1g.10gb-4"}]}]},
        ],
        "victims": [{"uid": "0b1c-1", "namespace": "default", "name": "victim-0"}],
        "moves": [{"gang": "default/other", "places": [{"member": "worker", "nodes": [{"name": "n2", "count": 4}]}]}],
    }


@pytest.mark.parametrize("nodes", [1_000, 10_000])
def test_a_commit_record_round_trips(api: RawApi, nodes: int) -> None:
    path = _gang(api, f"record-{nodes}", {"members": [{"name": "worker", "count": nodes, "template": {}}]})
    answer = api.merge(f"{path}/status", {"status": {"phase": "Assigned", "assignment": _record(nodes)}})
    assert answer.code == 200, answer.message
    stored = api.send("GET", path).body
    assert stored["status"]["assignment"] == _record(nodes)
    # With managedFields, as etcd stores it.
    assert len(json.dumps(stored, separators=(",", ":"))) < ETCD_REQUEST_BYTES_MAX


def test_a_full_status_shows_in_the_columns(bed: Bed, api: RawApi) -> None:
    path = _gang(api, "waiting", {"queue": "default", "minMember": 16})
    fact = {
        "term": "required-topology",
        "code": "DomainTooSmall",
        "resource": "nvidia.com/gpu",
        "needed": 16,
        "offered": "12",
        "where": "rack/r7",
    }
    condition = {
        "type": "Scheduled",
        "status": "False",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "Blocked",
        "message": "needs 16 GPUs in one rack; the best rack, r7, has 12 free",
    }
    status = {
        "phase": "Queued",
        "observedGeneration": 1,
        "epoch": 7,
        "scheduled": 0,
        "queuedAt": "2026-01-01T00:00:00Z",
        "evictions": 2,
        "attainedService": 86400,
        "plannedStart": "2026-01-01T04:00:00Z",
        "verdict": {
            "cause": "Blocked",
            "message": "needs 16 GPUs in one rack; the best rack, r7, has 12 free",
            "since": "2026-01-01T00:00:01Z",
            "facts": [fact],
        },
        "conditions": [condition],
    }
    api.merge(f"{path}/status", {"status": status})
    assert api.send("GET", path).body["status"] == status
    row = bed.kubectl("get", "mpg", "waiting", "-o", "wide").stdout.splitlines()[1]
    for shown in ("default", "Queued", "16", "Blocked", "the best rack, r7, has 12 free", "2026-01-01T04:00:00Z"):
        assert shown in row


def test_status_is_written_through_its_subresource_only(api: RawApi) -> None:
    path = _gang(api, "kept", {"minMember": 2})
    assert "status" not in api.merge(path, {"status": {"phase": "Running"}}).body
    stored = api.merge(f"{path}/status", {"spec": {"minMember": 9}, "status": {"phase": "Running"}}).body
    assert (stored["spec"]["minMember"], stored["status"]) == (2, {"phase": "Running"})


def test_of_two_records_from_one_version_the_second_is_refused(api: RawApi) -> None:
    path = _gang(api, "contended", {"minMember": 2})
    version = api.send("GET", path).body["metadata"]["resourceVersion"]
    answers = [
        api.merge(
            f"{path}/status",
            {"metadata": {"resourceVersion": version}, "status": {"assignment": {**_record(2), "epoch": epoch}}},
        )
        for epoch in (1, 2)
    ]
    assert [answer.code for answer in answers] == [200, 409]
    assert api.send("GET", path).body["status"]["assignment"]["epoch"] == 1


def test_the_queue_may_change_once_the_places_are_released(api: RawApi) -> None:
    path = _gang(api, "released", {"queue": "default", "minMember": 1})
    api.merge(f"{path}/status", {"status": {"assignment": _record(1)}})
    assert api.merge(path, {"spec": {"queue": "other"}}).code == 422
    assert api.merge(path, {"spec": {"minMember": 2}}).code == 200
    api.merge(f"{path}/status", {"status": {"assignment": None}})
    assert api.merge(path, {"spec": {"queue": "other"}}).code == 200
