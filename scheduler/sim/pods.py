"""The rules of pods in the API server: defaults at admission, what may change, binding, grace.

Source of the rules: kube-apiserver's pod strategy and its binding storage (`pkg/registry/core/pod`), tried against the
real server by the contract suite.
"""

from __future__ import annotations

from typing import Any

from scheduler.sim.kinds import Kind
from scheduler.sim.objects import Object, Objects, moment
from scheduler.sim.patch import strategic_merge
from scheduler.sim.refusal import Refused, conflict, invalid

DEFAULT_GRACE_SECONDS = 30
TERMINAL = ("Succeeded", "Failed")

_LIFECYCLE_TOLERATIONS = tuple(
    {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for trouble in ("not-ready", "unreachable")
)


def condition(type_: str, status: str, seconds: float, reason: str = "", message: str = "") -> dict[str, Any]:
    """A pod condition; an empty reason or message is left out, as the server leaves it out."""
    body = {"type": type_, "status": status, "lastTransitionTime": moment(seconds)}
    words = {"reason": reason, "message": message}
    return body | {key: value for key, value in words.items() if value}


def with_condition(pod: Object, new: dict[str, Any]) -> Object:
    """The pod with one condition set; the others stand."""
    return {**pod, "status": strategic_merge(pod.get("status", {}), {"conditions": [new]})}


def admitted(pod: Object, objects: Objects) -> Object:
    """A new pod as it is stored: defaults, tolerations and priority filled in, its status begun."""
    given: dict[str, Any] = dict(pod.get("spec", {}))
    if not given.get("containers"):
        raise Refused(422, "Invalid", f'Pod "{pod["metadata"]["name"]}" is invalid: spec.containers: Required value')
    spec = {
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": DEFAULT_GRACE_SECONDS,
        "restartPolicy": "Always",
        **given,
        "containers": [_with_requests(each) for each in given["containers"]],
        "tolerations": _with_lifecycle_tolerations(given.get("tolerations", [])),
        **_priority(given, objects),
    }
    stored = {**pod, "spec": spec, "status": {"phase": "Pending"}}
    if spec.get("schedulingGates"):
        why = "Scheduling is blocked due to non-empty scheduling gates"
        gated = condition("PodScheduled", "False", objects.clock.now_seconds, "SchedulingGated", why)
        stored = with_condition(stored, gated)
    return stored


def check_update(kind: Kind, old: Object, new: Object) -> None:
    """Scheduling gates may be taken off a pod; otherwise its specification stands."""
    name = old["metadata"]["name"]
    before, after = dict(old["spec"]), dict(new["spec"])
    gates_before = [gate["name"] for gate in before.pop("schedulingGates", None) or []]
    gates_after = [gate["name"] for gate in after.pop("schedulingGates", None) or []]
    if not set(gates_after) <= set(gates_before):
        why = "only deletion is allowed, but found new scheduling gates"
        raise invalid(kind, name, f"spec.schedulingGates: Forbidden: {why}")
    if before != after:
        raise invalid(kind, name, "spec: Forbidden: pod updates may not change fields other than a few")


def bound(kind: Kind, pod: Object, binding: Object, seconds: float) -> Object:
    """The pod after a Binding, or the refusal that the real server gives."""
    name = pod["metadata"]["name"]
    check_preconditions(kind, pod, binding.get("metadata", {}))
    node = binding.get("target", {}).get("name", "")
    resource = "pods/binding"
    if not node:
        raise Refused(422, "Invalid", f'Binding "{name}" is invalid: target.name: Required value')
    if "deletionTimestamp" in pod["metadata"]:
        raise conflict(resource, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod["spec"].get("nodeName"):
        raise conflict(resource, name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')
    if pod["spec"].get("schedulingGates"):
        raise conflict(resource, name, f"pod {name} has non-empty .spec.schedulingGates")
    meta = dict(pod["metadata"])
    annotations = binding.get("metadata", {}).get("annotations")
    if annotations:
        meta["annotations"] = {**meta.get("annotations", {}), **annotations}
    placed = {**pod, "metadata": meta, "spec": {**pod["spec"], "nodeName": node}}
    return with_condition(placed, _scheduled(seconds))


def _scheduled(seconds: float) -> dict[str, Any]:
    # Reason and message of an earlier PodScheduled=False go.
    return {**condition("PodScheduled", "True", seconds), "reason": None, "message": None}


def check_preconditions(kind: Kind, body: Object, wanted: dict[str, Any]) -> None:
    """UID and resourceVersion of a Binding or of delete options, where they are given."""
    meta = body["metadata"]
    for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        asked = wanted.get(field)
        if asked and asked != meta[field]:
            why = f"Precondition failed: {word} in precondition: {asked}, {word} in object meta: {meta[field]}"
            raise conflict(kind.resource, meta["name"], why)


def grace_seconds(pod: Object, asked: int | None) -> int:
    """How long a deleted pod may go on: nothing that does not run, or has ended, gets a grace."""
    if not pod["spec"].get("nodeName") or pod["status"].get("phase") in TERMINAL:
        return 0
    chosen = pod["spec"]["terminationGracePeriodSeconds"] if asked is None else asked
    return 1 if chosen < 0 else int(chosen)


def _with_requests(container: dict[str, Any]) -> dict[str, Any]:
    resources = container.get("resources", {})
    if not resources.get("limits"):
        return container
    requests = {**resources["limits"], **resources.get("requests", {})}
    return {**container, "resources": {**resources, "requests": requests}}


def _with_lifecycle_tolerations(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the DefaultTolerationSeconds admission plugin adds, unless the pod says something about it."""
    named = {(each.get("key", ""), each.get("effect", "")) for each in given}
    missing = [
        each
        for each in _LIFECYCLE_TOLERATIONS
        if not named & {(each["key"], "NoExecute"), (each["key"], ""), ("", "NoExecute"), ("", "")}
    ]
    return [*given, *missing]


def _priority(spec: dict[str, Any], objects: Objects) -> dict[str, Any]:
    """What the Priority admission plugin fills in: the value of the class, of the default class, or 0."""
    wanted = spec.get("priorityClassName", "")
    for each in objects.all("priorityclasses"):
        if each["metadata"]["name"] == wanted or (not wanted and each.get("globalDefault")):
            return {"priorityClassName": each["metadata"]["name"], "priority": each["value"]}
    if wanted:
        raise Refused(403, "Forbidden", f"no PriorityClass with name {wanted} was found")
    return {"priority": 0}
