"""Effects to requests, answers to events."""

from __future__ import annotations

import json

import msgspec
import pytest

from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.queue import QueueLine, QueueReport
from scheduler.model.work import Assignment, Condition, Cost, GangKey, Grant, NodeCount, Place, Terms
from scheduler.wire import raw
from scheduler.wire.decode import Decoder
from scheduler.wire.queues import queue_of, report_json
from scheduler.wire.requests import event_for, record_json, request_for

BIND = ef.Bind("team", "p", "u", "7", "n1", GangKey("team/g"))


def test_a_binding_carries_uid_and_resource_version() -> None:
    request = request_for(BIND, 0.0)
    assert (request.method, request.path) == ("POST", "/api/v1/namespaces/team/pods/p/binding")
    assert json.loads(request.body)["metadata"] == {"name": "p", "uid": "u", "resourceVersion": "7"}


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (201, "", ev.Done),
        (409, 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"', ev.Done),
        (409, 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n2"', ev.Failed),
        (409, "Precondition failed: ResourceVersion", ev.Failed),
        (500, "not json", ev.Failed),
    ],
)
def test_a_bind_to_the_very_node_has_happened(status: int, message: str, kind: type) -> None:
    assert isinstance(event_for(BIND, status, json.dumps({"message": message}).encode()), kind)


def test_a_record_comes_back_as_it_was_written() -> None:
    terms = Terms(
        (Grant("Guarantee", "a"), Grant("FairShare", "a", "team/one")), (Cost("pods", 8), Cost("moves", 2, 1))
    )
    places = (Place("m", (NodeCount("n1", 2), NodeCount("n2", 1))),)
    record = Assignment(3, "17", 1_700_000_000.0, places, terms=terms)
    body = {"metadata": {"name": "g", "namespace": "team"}, "status": {"assignment": record_json(record)}}
    seen, _ = Decoder().object("podgroups", json.dumps(body).encode())
    assert isinstance(seen, ev.PodGroupSeen)
    assert seen.group.assignment == record


def test_a_commit_is_guarded_by_the_version_it_was_decided_on() -> None:
    request = request_for(ef.Commit("team", "g", "42", Assignment(1, "1", 0.0)), 0.0)
    body = json.loads(request.body)
    assert (request.content_type, body["metadata"]) == ("application/merge-patch+json", {"resourceVersion": "42"})
    assert body["status"]["verdict"] is None, "why it waited is true no longer"


def test_an_answer_carries_the_new_version() -> None:
    commit = ef.Commit("team", "g", "42", Assignment(1, "1", 0.0))
    assert event_for(commit, 200, b'{"metadata":{"resourceVersion":"43"}}') == ev.Done(commit, "43")


def test_the_status_of_a_queue_is_read_as_it_was_written() -> None:
    line = QueueLine("nvidia.com/gpu", "h100", used=2500, firm_used=1000, fair=8000, borrowed=500, lent=0, past=1234)
    line = msgspec.structs.replace(line, guaranteed=2000, limit=0)
    memory = QueueLine("memory", used=3 * 2**30)
    report = QueueReport((line, memory), 250, 1, 2, 3, 4)
    condition = Condition("Ready", "True", "Valid", "", 100.0)
    request = request_for(ef.WriteQueueStatus("a", "7", 3, (condition,), report), 100.0)
    written = msgspec.json.decode(request.body)["status"]
    found = raw.QueueObject(raw.Meta(name="a"), status=msgspec.convert(written, raw.QueueStatus))
    assert queue_of(found, 0.0, ()).report == report
    assert [each["used"] for each in written["resources"]] == ["2500m", str(3 * 2**30)]
    assert "limit" not in written["resources"][1], "the server refuses null in a list"


def test_a_queue_is_protected_by_compare_and_swap_on_the_object_itself() -> None:
    request = request_for(ef.ProtectQueue("a", "7", ("others.example/x", "muster.dev/queue-in-use")), 0.0)
    assert (request.method, request.path) == ("PATCH", "/apis/muster.dev/v1alpha1/queues/a")
    finalizers = ["others.example/x", "muster.dev/queue-in-use"]
    assert json.loads(request.body) == {"metadata": {"resourceVersion": "7", "finalizers": finalizers}}


def test_a_queue_that_is_being_deleted_is_read_as_such() -> None:
    meta = {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["muster.dev/queue-in-use"]}
    seen, _ = Decoder().object("queues", json.dumps({"metadata": meta, "spec": {}}).encode())
    assert isinstance(seen, ev.QueueSeen)
    assert (seen.queue.leaving, seen.queue.held) == (True, True)


@pytest.mark.parametrize(
    ("lines", "used", "guaranteed", "limit"),
    [
        ([QueueLine("nvidia.com/gpu", used=6500, guaranteed=8000, limit=16000)], "6500m", "8", "16"),
        ([QueueLine("nvidia.com/gpu")], "0", "0", None),
        (
            [
                QueueLine("nvidia.com/gpu", used=9000),
                QueueLine("nvidia.com/gpu", "a100", used=1000, limit=0),
                QueueLine("nvidia.com/gpu", "h100", used=8000, guaranteed=8000, limit=24000),
            ],
            "9,a100=1,h100=8",
            "h100=8",
            "a100=0,h100=24",
        ),
        (
            [QueueLine("nvidia.com/gpu", f"f{index}", used=1000, guaranteed=2000) for index in range(5)],
            "f0=1,f1=1,f2=1 + 2 more",
            "f0=2,f1=2,f2=2 + 2 more",
            None,
        ),
        (
            [QueueLine("amd.com/gpu", used=1000), QueueLine("nvidia.com/gpu", used=2000, guaranteed=2000)],
            "amd.com/gpu=1,nvidia.com/gpu=2",
            "nvidia.com/gpu=2",
            None,
        ),
    ],
)
def test_a_queue_says_its_gpus_in_cells(lines: list[QueueLine], used: str, guaranteed: str, limit: str | None) -> None:
    cells = report_json(QueueReport((*lines, QueueLine("cpu", used=4000, limit=9000))))["gpus"]
    assert cells == {"used": used, "fairShare": "0", "guaranteed": guaranteed, "limit": limit}


def test_a_queue_without_gpus_has_no_cells() -> None:
    """None takes away by a merge what an earlier status said."""
    assert report_json(QueueReport((QueueLine("cpu", used=4000),)))["gpus"] is None
