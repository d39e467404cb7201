"""Effects to HTTP requests, and the server's answers to events. Pure: time is an argument, sending is the edge's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from scheduler.model import effects as ef
from scheduler.model.devices import slice_text, uses_text
from scheduler.model.effects import Effect
from scheduler.model.events import Done, Event, Failed
from scheduler.model.grouping import GroupingReport
from scheduler.model.volumes import SELECTED_NODE
from scheduler.model.work import Assignment, Condition, NodeCount, Place, Terms, Victim
from scheduler.wire import names
from scheduler.wire.queues import report_json

BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"

CLUSTER_EVENTS_NAMESPACE = "default"
"""Where events about objects without a namespace are kept, as Kubernetes itself does it."""

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

_encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
    method: str
    path: str
    body: bytes
    content_type: str = JSON


class _Meta(msgspec.Struct):
    resourceVersion: str = ""  # noqa: N815 - the API's name


class _Spec(msgspec.Struct):
    nodeName: str = ""  # noqa: N815 - the API's name


class _Answer(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    spec: _Spec = msgspec.field(default_factory=_Spec)
    message: str = ""


def stamp(seconds: float) -> str:
    """A moment as metav1.Time writes it (whole seconds, UTC)."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def request_for(effect: Effect, now_seconds: float) -> Request:
    """The one API call that performs an effect."""
    match effect:
        case ef.Bind():
            return _bind(effect)
        case ef.Commit():
            return _commit(effect)
        case ef.Release():
            status: dict[str, Any] = {"assignment": None, "phase": effect.phase}
            if effect.evictions is not None:
                status["evictions"] = effect.evictions
            return _group_status(effect.namespace, effect.name, {"resourceVersion": effect.version}, status)
        case ef.WriteStatus():
            return _group_status(
                effect.namespace, effect.name, {"resourceVersion": effect.version}, _status(effect.status)
            )
        case ef.WriteQueueStatus() | ef.ProtectQueue() | ef.WriteGroupingStatus():
            return _cluster_request(effect)
        case ef.MarkPod() | ef.Bump() | ef.MarkEvicted() | ef.Spare() | ef.Evict():
            return _pod_request(effect, now_seconds)
        case ef.SelectNode():
            meta = {"uid": effect.uid, "resourceVersion": effect.version, "annotations": {SELECTED_NODE: effect.node}}
            path = f"/api/v1/namespaces/{effect.namespace}/persistentvolumeclaims/{effect.name}"
            return Request("PATCH", path, _encode({"metadata": meta}), MERGE)
        case ef.ReserveVolume():
            return _reserve_volume(effect)
        case ef.MakeGroup() | ef.DropGroup() | ef.Hold():
            return _group_request(effect)
        case ef.Tell():
            return _tell(effect, now_seconds)
        case ef.Decide():
            raise AssertionError("a decision is made by the runtime, not by the API server")


def _pod_request(effect: ef.MarkPod | ef.Bump | ef.MarkEvicted | ef.Spare | ef.Evict, now_seconds: float) -> Request:
    """What is said about one pod, or asked of it."""
    match effect:
        case ef.MarkPod():
            condition = Condition("PodScheduled", "False", effect.reason, effect.message, now_seconds)
            return _pod_condition(effect.namespace, effect.name, effect.uid, condition, effect.version)
        case ef.Bump():
            note = f"a decision about resourceVersion {effect.version} was withdrawn"
            condition = Condition("muster.dev/DecisionWithdrawn", "True", "Released", note, now_seconds)
            return _pod_condition(effect.namespace, effect.name, effect.uid, condition)
        case ef.MarkEvicted():
            condition = Condition(names.CONDITION_EVICTED, "True", effect.reason, effect.message, now_seconds)
            return _pod_condition(effect.namespace, effect.name, effect.uid, condition)
        case ef.Spare():
            condition = Condition(
                names.CONDITION_EVICTED, "False", "Spared", "the decision that needed it was withdrawn", now_seconds
            )
            return _pod_condition(effect.namespace, effect.name, effect.uid, condition)
        case ef.Evict():
            path = f"/api/v1/namespaces/{effect.namespace}/pods/{effect.name}/eviction"
            eviction = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": effect.name, "namespace": effect.namespace},
                "deleteOptions": {"preconditions": {"uid": effect.uid}},
            }
            return Request("POST", path, _encode(eviction))


def event_for(effect: Effect, status: int, body: bytes) -> Event:
    """What the server's answer means. A bind refused because the pod already stands on that very node has happened."""
    if status < 300:
        if isinstance(effect, ef.Bind | ef.Evict | ef.DropGroup | ef.Tell):
            return Done(effect)
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except msgspec.MsgspecError as trouble:
            return Failed(effect, 0, f"the answer is no object of the API: {trouble}")
        if isinstance(effect, ef.Bump) and answer.spec.nodeName:
            return Failed(effect, 409, f"already bound to {answer.spec.nodeName}")
        return Done(effect, answer.metadata.resourceVersion)
    message = message_of(body)
    if isinstance(effect, ef.Bind) and status == 409 and f'already assigned to node "{effect.node}"' in message:
        return Done(effect)
    return Failed(effect, status, message)


def message_of(body: bytes) -> str:
    """What the server says in a Status, else the beginning of its answer."""
    try:
        return msgspec.json.decode(body, type=_Answer).message
    except msgspec.MsgspecError:
        return body[:200].decode(errors="replace")


def _bind(effect: ef.Bind) -> Request:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": effect.name, "uid": effect.uid, "resourceVersion": effect.version},
        "target": {"kind": "Node", "name": effect.node},
    }
    if effect.devices:
        body["metadata"]["annotations"] = {names.ANNOTATION_GPU_DEVICES: uses_text(effect.devices)}
    return Request("POST", f"/api/v1/namespaces/{effect.namespace}/pods/{effect.name}/binding", _encode(body))


def _reserve_volume(effect: ef.ReserveVolume) -> Request:
    """What kube-scheduler writes: the claim in the volume, and that it was not the user who put it there."""
    meta: dict[str, Any] = {"resourceVersion": effect.version}
    if effect.chosen:
        meta["annotations"] = {BOUND_BY_CONTROLLER: "yes"}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": effect.namespace,
        "name": effect.claim,
        "uid": effect.claim_uid,
    }
    body = {"metadata": meta, "spec": {"claimRef": claim}}
    return Request("PATCH", f"/api/v1/persistentvolumes/{effect.name}", _encode(body), MERGE)


def _group_request(effect: ef.MakeGroup | ef.DropGroup | ef.Hold) -> Request:
    """A PodGroup itself, rather than its status."""
    match effect:
        case ef.MakeGroup():
            return _make_group(effect)
        case ef.DropGroup():
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": effect.uid}}
            return Request("DELETE", _group_path(effect.namespace, effect.name), _encode(options))
        case ef.Hold():
            body = {"metadata": {"resourceVersion": effect.version, "finalizers": list(effect.finalizers)}}
            return Request("PATCH", _group_path(effect.namespace, effect.name), _encode(body), MERGE)


def _make_group(effect: ef.MakeGroup) -> Request:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": effect.pod, "uid": effect.pod_uid}
    spec: dict[str, Any] = {"minMember": 1, "preemptible": effect.preemptible}
    if effect.queue:
        spec["queue"] = effect.queue
    if effect.topology is not None:
        asked = {"name": effect.topology.topology, "required": effect.topology.required}
        asked["preferred"] = effect.topology.preferred
        spec["topology"] = {key: value for key, value in asked.items() if value}
    body = {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": "PodGroup",
        "metadata": {
            "name": effect.name,
            "annotations": {names.ANNOTATION_FOR_POD: effect.pod_uid},
            "ownerReferences": [owner],
        },
        "spec": spec,
    }
    return Request("POST", _group_path(effect.namespace, "").rstrip("/"), _encode(body))


def _group_path(namespace: str, name: str) -> str:
    return f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{namespace}/podgroups/{name}"


def _group_status(namespace: str, name: str, precondition: dict[str, str], status: dict[str, Any]) -> Request:
    body = {"metadata": precondition, "status": status}
    return Request("PATCH", f"{_group_path(namespace, name)}/status", _encode(body), MERGE)


def _places(places: tuple[Place, ...]) -> list[dict[str, Any]]:
    return [{"member": place.member, "nodes": [_node_count(each) for each in place.nodes]} for place in places]


def _node_count(spot: NodeCount) -> dict[str, Any]:
    body: dict[str, Any] = {"name": spot.node, "count": spot.count}
    if spot.devices:
        body["devices"] = [
            {"index": use.index, "milli": use.milli, **({"slice": slice_text(use)} if use.profile else {})}
            for use in spot.devices
        ]
    return body


def record_json(record: Assignment) -> dict[str, Any]:
    """The commit record in the API's words."""
    return {
        "epoch": record.epoch,
        "madeFrom": record.made_from,
        "decidedAt": stamp(record.decided_at_seconds),
        "places": _places(record.places),
        "victims": _victims(record.victims),
        "moves": [
            {"gang": each.gang, "places": _places(each.places), "pods": _victims(each.pods)} for each in record.moves
        ],
        "terms": _terms(record.terms),
    }


def _terms(terms: Terms) -> dict[str, Any]:
    return {
        "grants": [
            {"right": each.right, "queue": each.queue, **({"gang": each.gang} if each.gang else {})}
            for each in terms.grants
        ],
        "costs": [
            {"tier": each.tier, "value": each.value, **({} if each.least is None else {"least": each.least})}
            for each in terms.costs
        ],
        "proven": terms.proven,
    }


def _victims(pods: Iterable[Victim]) -> list[dict[str, Any]]:
    return [{"uid": each.uid, "namespace": each.namespace, "name": each.name} for each in pods]


def _commit(effect: ef.Commit) -> Request:
    record = effect.assignment
    # Why it waited is true no longer.
    status = {"assignment": record_json(record), "epoch": record.epoch, "phase": "Assigned", "verdict": None}
    return _group_status(effect.namespace, effect.name, {"resourceVersion": effect.version}, status)


def _condition(condition: Condition, observed_generation: int | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": stamp(condition.since_seconds),
    }
    if observed_generation is not None:
        body["observedGeneration"] = observed_generation
    return body


def _status(status: ef.GroupStatus) -> dict[str, Any]:
    verdict = None
    if status.verdict_cause:
        verdict = {
            "cause": status.verdict_cause,
            "message": status.verdict_message,
            "since": stamp(status.verdict_since_seconds),
            "facts": list(status.verdict_facts),
        }
    return {
        "phase": status.phase,
        "scheduled": status.scheduled,
        "queuedAt": stamp(status.queued_at_seconds) if status.queued_at_seconds else None,
        "observedGeneration": status.observed_generation,
        "conditions": [_condition(each, status.observed_generation) for each in status.conditions],
        "verdict": verdict,
    }


def _cluster_request(effect: ef.WriteQueueStatus | ef.ProtectQueue | ef.WriteGroupingStatus) -> Request:
    """What is written to a Queue, Topology or ResourceFlavor."""
    kind = effect.kind if isinstance(effect, ef.WriteGroupingStatus) else "queues"
    path = f"/apis/{names.GROUP}/{names.VERSION}/{kind}/{effect.name}"
    meta: dict[str, Any] = {"resourceVersion": effect.version}
    match effect:
        case ef.ProtectQueue():
            return Request("PATCH", path, _encode({"metadata": {**meta, "finalizers": list(effect.finalizers)}}), MERGE)
        case ef.WriteQueueStatus():
            conditions, report = effect.conditions, report_json(effect.report)
        case ef.WriteGroupingStatus():
            conditions, report = (effect.ready,), _grouping_json(effect.report)
    status = {
        "observedGeneration": effect.observed_generation,
        "conditions": [_condition(each, effect.observed_generation) for each in conditions],
        **report,
    }
    return Request("PATCH", f"{path}/status", _encode({"metadata": meta, "status": status}), MERGE)


def _grouping_json(report: GroupingReport) -> dict[str, Any]:
    domains = [{"level": level, "count": count} for level, count in report.domains]
    return {"nodes": report.nodes, **({"domains": domains} if domains else {})}


def _pod_condition(namespace: str, name: str, uid: str, condition: Condition, version: str = "") -> Request:
    precondition = {"uid": uid, "resourceVersion": version} if version else {"uid": uid}
    body = {"metadata": precondition, "status": {"conditions": [_condition(condition)]}}
    return Request("PATCH", f"/api/v1/namespaces/{namespace}/pods/{name}/status", _encode(body), STRATEGIC)


def _tell(effect: ef.Tell, now_seconds: float) -> Request:
    api_version = "v1" if effect.kind == "Pod" else f"{names.GROUP}/{names.VERSION}"
    moment = datetime.fromtimestamp(now_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    namespace = effect.namespace or CLUSTER_EVENTS_NAMESPACE
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{effect.name[:200]}-", "namespace": namespace},
        "eventTime": moment,
        "reportingController": names.SCHEDULER,
        "reportingInstance": names.SCHEDULER,
        "type": "Warning" if effect.warning else "Normal",
        "reason": effect.reason,
        "action": effect.action,
        "note": effect.message[:1024],
        "regarding": {
            "apiVersion": api_version,
            "kind": effect.kind,
            **({"namespace": effect.namespace} if effect.namespace else {}),
            "name": effect.name,
            "uid": effect.uid,
        },
    }
    return Request("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", _encode(body))
