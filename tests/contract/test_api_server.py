"""What the scheduler relies on in an API server, told in small stories to the simulated one and to the real one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.wire.decode import Bookmark, Decoder, StreamError
from scheduler.wire.requests import MERGE, STRATEGIC
from tests.contract.api import Object, StreamRefused
from tests.contract.stories import MUSTER, WATCH_LIST, Story, conditions, group_of, version

NO_UID = "00000000-0000-0000-0000-000000000000"


def ended(lines: list[Object]) -> bool:
    return bool(lines) and lines[-1]["type"] == "BOOKMARK"


def test_a_created_object_is_listed_with_uid_version_and_age(story: Story) -> None:
    group = story.group("g")
    listed = story.do("GET", story.groups)
    assert [each["metadata"]["name"] for each in listed["items"]] == ["g"]
    assert listed["items"][0]["metadata"]["uid"] == group["metadata"]["uid"]
    assert version(listed) >= version(group)
    assert group["metadata"]["generation"] == 1
    assert group["metadata"]["creationTimestamp"]


def test_a_name_is_taken_once(story: Story) -> None:
    story.group("g")
    code, answer = story.ask("POST", story.groups, group_of("g"))
    assert (code, answer["reason"]) == (409, "AlreadyExists")


def test_nothing_is_created_in_a_namespace_that_is_not_there(story: Story) -> None:
    code, answer = story.ask("POST", f"{MUSTER}/namespaces/nowhere/podgroups", group_of("g"))
    assert (code, answer["reason"]) == (404, "NotFound")


def test_status_given_at_creation_is_dropped(story: Story) -> None:
    body = {**group_of("g"), "status": {"phase": "Running"}}
    assert story.do("POST", story.groups, body).get("status", {}).get("phase", "") == ""


def test_a_custom_object_is_stored_as_its_schema_says(story: Story) -> None:
    body = group_of("g")
    body["spec"] |= {"unheardOf": 1}
    spec = story.do("POST", story.groups, body)["spec"]
    assert "unheardOf" not in spec
    assert (spec["preemptible"], spec["suspend"]) == (True, False), "defaults are filled in"
    patched = story.do("PATCH", f"{story.groups}/g/status", {"status": {"phase": "Queued", "unheardOf": 1}}, MERGE)
    assert patched["status"] == {"phase": "Queued"}


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Sleeping"},
        {"phase": 1},
        {"phase": "Queued", "scheduled": -1},
        {"verdict": {"cause": "Blocked", "message": "m" * 40_000, "since": "2027-01-15T08:00:00Z"}},
        {"assignment": {"epoch": 1, "places": [{"nodes": []}]}},
        {"assignment": {"epoch": 1, "places": {}}},
    ],
    ids=["enum", "type", "minimum", "length", "required", "array"],
)
def test_a_status_against_the_schema_is_refused(story: Story, status: dict[str, Any]) -> None:
    story.group("g")
    code, answer = story.ask("PATCH", f"{story.groups}/g/status", {"status": status}, MERGE)
    assert (code, answer["reason"]) == (422, "Invalid")
    assert story.do("GET", f"{story.groups}/g").get("status", {}) == {}


def test_a_watch_list_streams_what_stands_then_says_so_then_changes(story: Story) -> None:
    story.group("a")
    story.group("b")
    lines = story.lines(f"{story.groups}?{WATCH_LIST}", ended)
    assert [each["type"] for each in lines] == ["ADDED", "ADDED", "BOOKMARK"]
    assert [each["object"]["metadata"]["name"] for each in lines[:2]] == ["a", "b"]
    mark = lines[-1]["object"]["metadata"]
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}

    story.do("PATCH", f"{story.groups}/a", {"metadata": {"labels": {"x": "y"}}}, MERGE)
    story.do("DELETE", f"{story.groups}/b")
    since = f"{story.groups}?watch=1&resourceVersion={mark['resourceVersion']}"
    later = story.lines(since, lambda found: len(found) == 2)
    named = [(each["type"], each["object"]["metadata"]["name"]) for each in later]
    assert named == [("MODIFIED", "a"), ("DELETED", "b")]
    versions = [version(each["object"]) for each in later]
    assert int(mark["resourceVersion"]) < versions[0] < versions[1], "a removal has a version of its own"


def test_the_decoder_reads_every_line_of_a_pod_stream(story: Story) -> None:
    story.pod("p")
    decoder = Decoder()
    lines = story.lines(f"{story.pods}?{WATCH_LIST}", ended)
    seen: list[Any] = [decoder.line("pods", msgspec.json.encode(line))[0] for line in lines]
    assert [type(each).__name__ for each in seen] == ["PodSeen", "Bookmark"]
    assert isinstance(seen[1], Bookmark)
    assert seen[1].initial_end
    assert seen[0].pod.name == "p"


def test_a_watch_from_a_forgotten_version_ends_with_410(story: Story) -> None:
    lines = story.lines(f"{MUSTER}/queues?watch=1&resourceVersion=1", lambda found: len(found) == 1)
    assert lines[0]["type"] == "ERROR"
    assert (lines[0]["object"]["code"], lines[0]["object"]["reason"]) == (410, "Expired")
    seen, _ = Decoder().line("queues", msgspec.json.encode(lines[0]))
    assert isinstance(seen, StreamError)
    assert seen.code == 410


def test_a_pod_that_leaves_the_field_selector_is_deleted_from_the_stream(story: Story) -> None:
    story.pod("p")
    selector = "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"
    mark = story.lines(f"{story.pods}?{WATCH_LIST}&{selector}", ended)[-1]["object"]["metadata"]["resourceVersion"]
    story.do("PATCH", f"{story.pods}/p/status", {"status": {"phase": "Succeeded"}}, MERGE)
    lines = story.lines(f"{story.pods}?watch=1&resourceVersion={mark}&{selector}", lambda found: len(found) == 1)
    assert lines[0]["type"] == "DELETED"
    assert version(lines[0]["object"]) > int(mark)
    assert story.do("GET", f"{story.pods}?{selector}")["items"] == []


def test_initial_events_need_their_version_match(story: Story) -> None:
    with pytest.raises(StreamRefused) as refusal:
        story.lines(f"{story.groups}?watch=1&sendInitialEvents=true", ended)
    assert refusal.value.code == 422


@pytest.mark.parametrize("path", ["", "/status"])
def test_a_patch_of_an_old_version_is_refused(story: Story, path: str) -> None:
    group = story.group("g")
    story.do("PATCH", f"{story.groups}/g/status", {"status": {"phase": "Queued"}}, MERGE)
    stale = {"metadata": {"resourceVersion": group["metadata"]["resourceVersion"]}, "status": {"phase": "Assigned"}}
    code, answer = story.ask("PATCH", f"{story.groups}/g{path}", stale, MERGE)
    assert (code, answer["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer["message"]
    assert story.do("GET", f"{story.groups}/g")["status"]["phase"] == "Queued"


def test_a_patch_for_another_uid_is_invalid(story: Story) -> None:
    story.group("g")
    code, answer = story.ask("PATCH", f"{story.groups}/g", {"metadata": {"uid": NO_UID}}, MERGE)
    assert (code, answer["reason"]) == (422, "Invalid")
    story.pod("p")
    body = {"metadata": {"uid": NO_UID}, "status": {"phase": "Running"}}
    code, answer = story.ask("PATCH", f"{story.pods}/p/status", body, STRATEGIC)
    assert (code, answer["reason"]) == (422, "Invalid")
    assert story.do("GET", f"{story.pods}/p")["status"]["phase"] == "Pending"


def test_the_status_of_a_custom_object_is_guarded_by_its_version_alone(story: Story) -> None:
    story.group("g")
    body = {"metadata": {"uid": NO_UID}, "status": {"phase": "Queued"}}
    after = story.do("PATCH", f"{story.groups}/g/status", body, MERGE)
    assert after["status"]["phase"] == "Queued", "metadata of a status write is dropped, the UID with it"
    assert after["metadata"]["uid"] != NO_UID


def test_a_put_replaces_by_version(story: Story) -> None:
    group = story.group("g")
    new = {**group, "spec": {"minMember": 3}}
    stored = story.do("PUT", f"{story.groups}/g", new)
    assert (stored["spec"]["minMember"], stored["metadata"]["generation"]) == (3, 2)
    code, answer = story.ask("PUT", f"{story.groups}/g", new)
    assert (code, answer["reason"]) == (409, "Conflict")
    del new["metadata"]["resourceVersion"]
    code, answer = story.ask("PUT", f"{story.groups}/g", new)
    assert (code, answer["reason"]) == (422, "Invalid")


def test_specification_and_status_are_written_apart(story: Story) -> None:
    story.group("g")
    both = {"metadata": {"labels": {"x": "y"}}, "spec": {"minMember": 7}, "status": {"phase": "Queued"}}
    after_status = story.do("PATCH", f"{story.groups}/g/status", both, MERGE)
    assert after_status["spec"]["minMember"] == 2
    assert after_status["status"]["phase"] == "Queued"
    assert after_status["metadata"]["generation"] == 1
    assert "labels" not in after_status["metadata"]

    both["status"] = {"phase": "Running"}
    after_spec = story.do("PATCH", f"{story.groups}/g", both, MERGE)
    assert after_spec["spec"]["minMember"] == 7
    assert after_spec["status"]["phase"] == "Queued"
    assert after_spec["metadata"]["generation"] == 2
    assert after_spec["metadata"]["labels"] == {"x": "y"}


def test_a_write_that_changes_nothing_makes_no_version(story: Story) -> None:
    story.group("g")
    first = story.do("PATCH", f"{story.groups}/g/status", {"status": {"phase": "Queued"}}, MERGE)
    second = story.do("PATCH", f"{story.groups}/g/status", {"status": {"phase": "Queued"}}, MERGE)
    assert version(first) == version(second)


def test_null_in_a_merge_patch_removes(story: Story) -> None:
    story.group("g")
    verdict = {"cause": "Blocked", "message": "no room", "since": "2027-01-15T08:00:00Z"}
    story.do("PATCH", f"{story.groups}/g/status", {"status": {"phase": "Queued", "verdict": verdict}}, MERGE)
    after = story.do("PATCH", f"{story.groups}/g/status", {"status": {"verdict": None}}, MERGE)
    assert after["status"] == {"phase": "Queued"}


def test_custom_objects_have_no_strategic_merge(story: Story) -> None:
    story.group("g")
    code, answer = story.ask("PATCH", f"{story.groups}/g/status", {"status": {"phase": "Queued"}}, STRATEGIC)
    assert (code, answer["reason"]) == (415, "UnsupportedMediaType")


def test_conditions_of_a_pod_merge_by_type(story: Story) -> None:
    story.pod("p")

    def mark(kind: str, status: str, reason: str) -> Object:
        new = {"type": kind, "status": status, "reason": reason}
        return story.do("PATCH", f"{story.pods}/p/status", {"status": {"conditions": [new]}}, STRATEGIC)

    mark("PodScheduled", "False", "GangIncomplete")
    mark("muster.dev/Evicted", "True", "Preempted")
    after = mark("PodScheduled", "False", "Unschedulable")
    assert conditions(after) == {
        "PodScheduled": ("False", "Unschedulable"),
        "muster.dev/Evicted": ("True", "Preempted"),
    }
    assert after["spec"].get("nodeName", "") == ""


def test_a_new_pod_has_its_defaults(story: Story) -> None:
    pod = story.pod("p", schedulerName="muster")
    assert pod["status"]["phase"] == "Pending"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    assert pod["spec"]["priority"] == 0
    keys = [(each["key"], each["effect"]) for each in pod["spec"]["tolerations"]]
    expected = [("node.kubernetes.io/not-ready", "NoExecute"), ("node.kubernetes.io/unreachable", "NoExecute")]
    assert keys == expected


def test_limits_become_requests(story: Story) -> None:
    container = {"name": "main", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "8"}}}
    pod = story.pod("p", containers=[container])
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"nvidia.com/gpu": "8"}


def test_a_binding_places_the_pod_and_says_so(story: Story) -> None:
    pod = story.pod("p")
    body = {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}
    pod = story.do("PATCH", f"{story.pods}/p/status", body, STRATEGIC)
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p", "annotations": {"muster.dev/gpu-devices": "0,1"}},
        "target": {"kind": "Node", "name": "n1"},
    }
    story.do("POST", f"{story.pods}/p/binding", binding)
    after = story.do("GET", f"{story.pods}/p")
    assert after["spec"]["nodeName"] == "n1"
    assert after["metadata"]["annotations"] == {"muster.dev/gpu-devices": "0,1"}
    assert conditions(after)["PodScheduled"] == ("True", "")
    assert version(after) > version(pod)


def test_a_binding_with_a_wrong_uid_is_refused(story: Story) -> None:
    code, answer = story.bind(story.pod("p"), "n1", uid=NO_UID)
    assert code == 409
    assert "Precondition failed: UID in precondition" in answer["message"]
    assert "nodeName" not in story.do("GET", f"{story.pods}/p")["spec"]


def test_a_binding_of_an_old_version_is_refused(story: Story) -> None:
    pod = story.pod("p")
    bump = {"status": {"conditions": [{"type": "x.dev/Bumped", "status": "True"}]}}
    story.do("PATCH", f"{story.pods}/p/status", bump, STRATEGIC)
    code, answer = story.bind(pod, "n1")
    assert code == 409
    assert "Precondition failed: ResourceVersion in precondition" in answer["message"]
    assert "nodeName" not in story.do("GET", f"{story.pods}/p")["spec"]


def test_a_pod_is_bound_once_even_to_the_same_node(story: Story) -> None:
    story.bind(story.pod("p"), "n1")
    bound = story.do("GET", f"{story.pods}/p")
    for node in ("n1", "n2"):
        code, answer = story.bind(bound, node)
        assert code == 409
        assert 'already assigned to node "n1"' in answer["message"]


def test_a_binding_precondition_is_judged_before_the_pod_s_place(story: Story) -> None:
    pod = story.pod("p")
    story.bind(pod, "n1")
    code, answer = story.bind(pod, "n1")
    assert code == 409
    assert "Precondition failed: ResourceVersion" in answer["message"]


def test_a_gated_pod_is_not_bound(story: Story) -> None:
    pod = story.pod("p", schedulingGates=[{"name": "x.dev/wait"}])
    assert conditions(pod)["PodScheduled"] == ("False", "SchedulingGated")
    code, answer = story.bind(pod, "n1")
    assert code == 409
    assert "schedulingGates" in answer["message"]
    body = {"spec": {"schedulingGates": [{"$patch": "delete", "name": "x.dev/wait"}]}}
    open_pod = story.do("PATCH", f"{story.pods}/p", body, STRATEGIC)
    assert story.bind(open_pod, "n1")[0] == 201


def test_a_gate_is_not_added_later_and_requests_stand(story: Story) -> None:
    story.pod("p")
    code, _ = story.ask("PATCH", f"{story.pods}/p", {"spec": {"schedulingGates": [{"name": "x.dev/late"}]}}, STRATEGIC)
    assert code == 422
    code, _ = story.ask("PATCH", f"{story.pods}/p", {"spec": {"nodeName": "n1"}}, STRATEGIC)
    assert code == 422


def test_an_unbound_pod_is_deleted_at_once(story: Story) -> None:
    story.pod("p")
    story.do("DELETE", f"{story.pods}/p")
    assert story.ask("GET", f"{story.pods}/p")[0] == 404


def test_a_bound_pod_is_deleted_with_its_grace_and_not_bound_again(story: Story) -> None:
    story.bind(story.pod("p", terminationGracePeriodSeconds=7), "n1")
    story.do("DELETE", f"{story.pods}/p")
    leaving = story.do("GET", f"{story.pods}/p")
    assert leaving["metadata"]["deletionTimestamp"]
    assert leaving["metadata"]["deletionGracePeriodSeconds"] == 7
    code, answer = story.bind(leaving, "n1")
    assert code == 409
    assert "is being deleted" in answer["message"]
    again = story.do("DELETE", f"{story.pods}/p")
    assert version(again) == version(leaving), "asking again changes nothing"
    story.do("DELETE", f"{story.pods}/p", {"gracePeriodSeconds": 0})
    assert story.ask("GET", f"{story.pods}/p")[0] == 404


def test_a_finished_pod_is_deleted_at_once(story: Story) -> None:
    story.running("p")
    story.do("PATCH", f"{story.pods}/p/status", {"status": {"phase": "Succeeded"}}, MERGE)
    story.do("DELETE", f"{story.pods}/p")
    assert story.ask("GET", f"{story.pods}/p")[0] == 404


def test_delete_preconditions_are_honoured(story: Story) -> None:
    story.pod("p")
    code, answer = story.ask("DELETE", f"{story.pods}/p", {"preconditions": {"uid": NO_UID}})
    assert (code, answer["reason"]) == (409, "Conflict")
    assert story.ask("GET", f"{story.pods}/p")[0] == 200


def test_a_finalizer_keeps_an_object_until_it_is_taken_off(story: Story) -> None:
    story.group("g", finalizers=("muster.dev/pod-group",))
    story.do("DELETE", f"{story.groups}/g")
    leaving = story.do("GET", f"{story.groups}/g")
    assert leaving["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["muster.dev/pod-group", "x.dev/other"]}}
    assert story.ask("PATCH", f"{story.groups}/g", more, MERGE)[0] == 422
    mark = leaving["metadata"]["resourceVersion"]
    story.do("PATCH", f"{story.groups}/g", {"metadata": {"finalizers": []}}, MERGE)
    assert story.ask("GET", f"{story.groups}/g")[0] == 404
    lines = story.lines(f"{story.groups}?watch=1&resourceVersion={mark}", lambda found: len(found) == 1)
    assert lines[0]["type"] == "DELETED"


def test_a_bound_pod_with_a_finalizer_stays_after_its_grace(story: Story) -> None:
    pod = story.pod("p")
    story.bind(pod, "n1")
    story.do("PATCH", f"{story.pods}/p", {"metadata": {"finalizers": ["x.dev/keep"]}}, MERGE)
    story.do("DELETE", f"{story.pods}/p", {"gracePeriodSeconds": 0})
    assert story.do("GET", f"{story.pods}/p")["metadata"]["deletionTimestamp"]
    story.do("PATCH", f"{story.pods}/p", {"metadata": {"finalizers": None}}, MERGE)
    assert story.ask("GET", f"{story.pods}/p")[0] == 404


def test_an_eviction_deletes_with_grace_and_says_why(story: Story) -> None:
    pod = story.running("p")
    assert story.evict(pod)[0] == 201
    leaving = story.do("GET", f"{story.pods}/p")
    assert leaving["metadata"]["deletionTimestamp"]
    assert conditions(leaving)["DisruptionTarget"] == ("True", "EvictionByEvictionAPI")


def test_an_eviction_for_another_uid_is_refused(story: Story) -> None:
    pod = story.running("p")
    assert story.evict(pod, uid=NO_UID)[0] == 409
    assert "deletionTimestamp" not in story.do("GET", f"{story.pods}/p")["metadata"]


def test_an_eviction_spends_the_budget_and_then_waits(story: Story) -> None:
    labels = {"app": "a"}
    first, second = story.running("p1", labels=labels), story.running("p2", labels=labels)
    story.budget("b", labels, allowed=1)
    assert story.evict(first)[0] == 201
    code, answer = story.evict(second)
    assert (code, answer["reason"]) == (429, "TooManyRequests")
    assert "deletionTimestamp" not in story.do("GET", f"{story.pods}/p2")["metadata"]


def test_a_pod_under_two_budgets_is_not_evicted(story: Story) -> None:
    labels = {"app": "a"}
    pod = story.running("p", labels=labels)
    story.budget("b1", labels, allowed=1)
    story.budget("b2", labels, allowed=1)
    assert story.evict(pod)[0] == 500


def test_events_are_accepted(story: Story) -> None:
    pod = story.pod("p")
    body: Object = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": "p."},
        "eventTime": "2027-01-15T08:00:00.000000Z",
        "reportingController": "muster",
        "reportingInstance": "muster",
        "type": "Normal",
        "reason": "Scheduled",
        "action": "Binding",
        "note": "bound",
        "regarding": {"kind": "Pod", "namespace": story.namespace, "name": "p", "uid": pod["metadata"]["uid"]},
    }
    code, answer = story.ask("POST", f"/apis/events.k8s.io/v1/namespaces/{story.namespace}/events", body)
    assert (code, answer["reason"]) == (422, "Invalid"), "a generated name's stem is a name itself, but for a last -"
    body["metadata"] = {"generateName": "p-"}
    event = story.do("POST", f"/apis/events.k8s.io/v1/namespaces/{story.namespace}/events", body)
    assert event["metadata"]["name"].startswith("p-")
    assert len(event["metadata"]["name"]) == 7
