"""What the auditor reads: pod requests, watch lines, recordings and audit logs."""

import json
import re
from pathlib import Path
from typing import Any

import auditor
import msgspec
import pytest
from auditor.__main__ import main
from auditor.events import Changed, Event, Listed, Requested
from auditor.objects import Kind, Pod
from auditor.requests import amount, pod_request
from auditor.sources.auditlog import read_audit_log
from auditor.sources.cluster import KubeconfigError, read_kubeconfig
from auditor.sources.reader import Reader
from auditor.sources.recording import RecordingError, read_lines, write_line
from auditor.sources.watch import Line, Mark


@pytest.mark.parametrize(
    ("resource", "quantity", "expected"),
    [
        ("cpu", "1500m", 1500),
        ("cpu", 2, 2000),
        ("cpu", "0.0001", 1),
        ("memory", "1Ki", 1024),
        ("memory", "1.5Gi", 1610612736),
        ("memory", "2M", 2_000_000),
        ("memory", "1e3", 1000),
        ("memory", "100m", 1),
        ("nvidia.com/gpu", "8", 8),
    ],
)
def test_quantities_are_integers_rounded_up(resource: str, quantity: Any, expected: int) -> None:
    assert amount(resource, quantity) == expected


@pytest.mark.parametrize("text", ["", "Gi", "1Q", "1 Gi", "."])
def test_a_malformed_quantity_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        amount("memory", text)


def cpu(value: str, **more: Any) -> dict[str, Any]:
    return {"name": f"c{value}", "resources": {"requests": {"cpu": value}}, **more}


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"containers": [cpu("1"), cpu("2")]}, {}, 3000),
        ({"containers": [cpu("1")], "initContainers": [cpu("4")]}, {}, 4000),
        ({"containers": [cpu("1")], "initContainers": [cpu("2", **SIDECAR)]}, {}, 3000),
        # An init container runs beside the sidecars that stand before it, not beside those after it.
        ({"containers": [cpu("1")], "initContainers": [cpu("2", **SIDECAR), cpu("5")]}, {}, 7000),
        ({"containers": [cpu("1")], "initContainers": [cpu("5"), cpu("2", **SIDECAR)]}, {}, 5000),
        # Only while the pod starts do the sidecars outweigh its containers, if it has none that request.
        ({"initContainers": [cpu("2", **SIDECAR), cpu("1", **SIDECAR)]}, {}, 3000),
        ({"containers": [cpu("1")], "overhead": {"cpu": "250m"}}, {}, 1250),
        ({"containers": [cpu("1")], "resources": {"requests": {"cpu": "6"}}}, {}, 6000),
        ({"containers": [cpu("1")]}, {"containerStatuses": [{"name": "c1", "allocatedResources": {"cpu": "2"}}]}, 2000),
        ({"containers": [cpu("3")]}, {"containerStatuses": [{"name": "c3", "allocatedResources": {"cpu": "2"}}]}, 3000),
        (
            {"containers": [cpu("3")]},
            {
                "containerStatuses": [{"name": "c3", "allocatedResources": {"cpu": "2"}}],
                "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}],
            },
            2000,
        ),
    ],
)
def test_a_pods_request_is_kube_schedulers(spec: Any, status: Any, expected: int) -> None:
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec, "status": status}, Pod)
    assert pod_request(pod) == {"cpu": expected, "pods": 1}


def test_pod_level_resources_replace_no_gpus() -> None:
    requests = {"cpu": "1", "nvidia.com/gpu": "2"}
    spec = {"containers": [{"resources": {"requests": requests}}], "resources": {"requests": {"cpu": "3"}}}
    pod = msgspec.convert({"metadata": {}, "spec": spec}, Pod)
    assert pod_request(pod) == {"cpu": 3000, "nvidia.com/gpu": 2, "pods": 1}


# --- watch lines -----------------------------------------------------------------------------------------------------


def watched(change: str, name: str, version: int) -> bytes:
    meta = {"name": name, "uid": name, "resourceVersion": str(version)}
    return json.dumps({"type": change, "object": {"kind": "Pod", "metadata": meta, "spec": {}}}).encode()


def bookmark(version: int, initial: bool) -> bytes:
    """As the API server sends it: nulls where a pod must have lists."""
    annotations = {"annotations": {"k8s.io/initial-events-end": "true"}} if initial else {}
    obj = {"metadata": {"resourceVersion": str(version), "creationTimestamp": None, **annotations}}
    return json.dumps({"type": "BOOKMARK", "object": obj | {"spec": {"containers": None}}}).encode()


def read(*contents: bytes | Mark, kind: Kind = "pods") -> list[Event]:
    reader = Reader()
    return [event for content in contents for event in reader.read(Line(kind, 1.5, content))]


def names(listed: Event) -> list[str]:
    assert isinstance(listed, Listed)
    return [obj.metadata.name for obj in listed.objects]


def test_first_content_is_one_listing_at_its_bookmark() -> None:
    listed, changed = read("begin", watched("ADDED", "a", 3), bookmark(7, True), watched("MODIFIED", "a", 9))
    assert (names(listed), listed) == (["a"], Listed(7, 1.5, "pods", listed.objects))  # type: ignore[union-attr]
    assert isinstance(changed, Changed)
    assert (changed.revision, changed.type) == (9, "MODIFIED")


def test_first_content_that_breaks_off_is_begun_again() -> None:
    events = read("begin", watched("ADDED", "a", 3), "begin", watched("ADDED", "b", 4), bookmark(7, True))
    assert [names(event) for event in events] == [["b"]]


def test_a_later_listing_stands_at_the_end_of_a_gap_for_pods_and_at_its_beginning_for_what_they_depend_on() -> None:
    again: tuple[bytes | Mark, ...] = ("begin", bookmark(5, True), bookmark(6, False), "begin", bookmark(9, True))
    assert [event.revision for event in read(*again) if isinstance(event, Listed)] == [5, 9]
    assert [event.revision for event in read(*again, kind="queues") if isinstance(event, Listed)] == [5, 5]


def test_a_kind_that_the_server_does_not_know_is_empty_once() -> None:
    assert read("absent", "absent", kind="podgroups") == [Listed(0, 1.5, "podgroups", ())]


# --- recordings ------------------------------------------------------------------------------------------------------


def test_a_recording_gives_back_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    lines = [Line("pods", 1.25, "begin"), Line("nodes", 2.5, "absent"), Line("pods", 3.75, bookmark(7, True))]
    with path.open("wb") as file:
        for line in lines:
            write_line(file, line)
    assert list(read_lines(path)) == lines


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(b'{"kind":"pods","at":1.0,"mark":"begin"}\n{"kind":"po')
    assert list(read_lines(path)) == [Line("pods", 1.0, "begin")]


def test_a_broken_recording_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(b'{"kind":"pods","at":1.0,"mark":"begin"}\nnothing\n')
    with pytest.raises(RecordingError, match=r"recording\.jsonl:2: "):
        list(read_lines(path))


# --- audit logs ------------------------------------------------------------------------------------------------------


def audited(verb: str, subresource: str, code: int = 201, **more: Any) -> dict[str, Any]:
    return {
        "stage": "ResponseComplete",
        "verb": verb,
        "requestURI": more.pop("uri", "/api/v1/namespaces/team/pods/p"),
        "user": {"username": "muster"},
        "objectRef": {"resource": "pods", "subresource": subresource, "namespace": "team", "name": "p"},
        "responseStatus": {"metadata": {}, "code": code},
        "requestReceivedTimestamp": "2024-01-01T00:00:00.500000Z",
        **more,
    }


BINDING = {"metadata": {"name": "p", "uid": "u"}, "target": {"kind": "Node", "name": "n0"}}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (audited("create", "binding", requestObject=BINDING), ("bind", "p", "u", "n0")),
        (audited("create", "binding", code=409, requestObject=BINDING), None),
        (audited("create", "binding", requestObject=BINDING, uri="/x?dryRun=All"), None),
        (audited("create", "binding", requestObject=BINDING, stage="RequestReceived"), None),
        (audited("create", "eviction"), ("evict", "p", "", "")),
        (audited("create", "eviction", code=429), None),
        (audited("delete", "", code=200), ("delete", "p", "", "")),
        (audited("patch", "status", code=200), None),
    ],
)
def test_the_audit_log_gives_successful_requests_only(tmp_path: Path, entry: Any, expected: Any) -> None:
    path = tmp_path / "audit.log"
    path.write_text(json.dumps(entry) + "\n" + json.dumps(entry)[:40])
    found = [(r.verb, r.name, r.uid, r.node) for r in read_audit_log(path)]
    assert found == ([expected] if expected else [])
    assert all(isinstance(r, Requested) and r.at == 1704067200.5 for r in read_audit_log(path))


# --- independence ----------------------------------------------------------------------------------------------------

PACKAGE = Path(auditor.__file__).parent
EDGES = {"sources", "__main__.py", "running.py"}
IMPORT = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_judge_shares_no_code_with_the_judged_and_knows_no_clock(file: Path) -> None:
    imported = set(IMPORT.findall(file.read_text()))
    assert not imported & {"scheduler", "testbed"}
    if file.relative_to(PACKAGE).parts[0] not in EDGES:
        assert not imported & {"asyncio", "time", "random", "os", "pathlib", "aiohttp", "subprocess"}


# --- the command -----------------------------------------------------------------------------------------------------


def test_trouble_with_the_input_is_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--recording", str(tmp_path / "none.jsonl")]) == 2
    assert capsys.readouterr().err.startswith("auditor: [Errno 2] No such file")
    assert main(["check"]) == 2
    assert "needs --recording" in capsys.readouterr().err


def test_an_unusable_kubeconfig_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("{current-context: a, contexts: []}")
    with pytest.raises(KubeconfigError, match=r"contexts\[name=a\]"):
        read_kubeconfig(path)


def test_a_recording_of_nothing_fails_when_binds_are_expected(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(b"")
    assert main(["check", "--recording", str(path)]) == 0
    assert main(["check", "--recording", str(path), "--min-binds", "1"]) == 1
