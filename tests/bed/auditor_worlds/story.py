"""A history of a small cluster, one effect per line, that the auditor can judge."""

from datetime import UTC, datetime
from typing import Any, Self

import msgspec
from auditor import Report, Settings, judge
from auditor.events import Changed, ChangeType, Event, Listed, Requested, ordered
from auditor.objects import KINDS, Kind, type_of

GPU = "nvidia.com/gpu"
STEP_SECONDS = 0.01


class Story:
    """Objects as the API server would show them; every change gets the next resource version, a moment later."""

    def __init__(self, started: bool = True) -> None:
        self.events: list[Event] = []
        self.revision = 0
        self.at = 1_700_000_000.0
        self._objects: dict[tuple[Kind, str], dict[str, Any]] = {}
        self._uids = 0
        if started:
            self.listed()

    def listed(self) -> Self:
        """Every kind is listed, with what there is by now."""
        for kind in KINDS:
            found = [obj for (k, _), obj in self._objects.items() if k == kind]
            self._next()
            objects = tuple(msgspec.convert(obj, type_of(kind)) for obj in found)
            self.events.append(Listed(self.revision, self.at, kind, objects))
        return self

    def wait(self, seconds: float) -> Self:
        self.at += seconds
        return self

    def node(self, name: str, gpus: int = 8, ready: bool = True, cpu: str = "64", pods: int = 110, **more: Any) -> Self:
        """Add or change a node. ``more``: labels, taints, unschedulable."""
        status = {
            "allocatable": {"cpu": cpu, "memory": "512Gi", "pods": str(pods), GPU: str(gpus)},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        }
        spec = {key: more[key] for key in ("taints", "unschedulable") if key in more}
        return self._put("nodes", name, {"spec": spec, "status": status}, labels=more.get("labels", {}))

    def topology(self, name: str = "default", **labels: str) -> Self:
        """Levels from coarse to fine: name to node label."""
        levels = [{"name": level, "nodeLabel": label} for level, label in labels.items()]
        return self._put("topologies", name, {"spec": {"levels": levels}})

    def queue(self, name: str, gpus: int | None = None, parent: str = "", state: str = "Open") -> Self:
        resources = [] if gpus is None else [{"name": GPU, "limit": gpus}]
        return self._put("queues", name, {"spec": {"parent": parent, "resources": resources, "state": state}})

    def group(self, name: str, **spec: Any) -> Self:
        """Add or change a PodGroup's spec; its status stays."""
        status = self._objects.get(("podgroups", name), {}).get("status", {})
        return self._put("podgroups", name, {"spec": spec, "status": status}, namespace="team")

    def record(
        self, group: str, places: dict[str, int] | list[dict[str, Any]], victims: tuple[str, ...] = (), **more: Any
    ) -> Self:
        """Write a commit record: counts by node for one member named ``main``, or places as they stand in the API.

        ``more``: moves (gang to counts by node), made_from (the same for two records of one decision).
        """
        if isinstance(places, dict):
            places = _places(places)
        named = [{"uid": self.uid(pod), "namespace": "team", "name": pod} for pod in victims]
        moves = [{"gang": f"team/{gang}", "places": _places(on)} for gang, on in more.get("moves", {}).items()]
        made_from = str(more.get("made_from", self.revision))
        assignment = {"epoch": 1, "madeFrom": made_from, "decidedAt": "2024-01-01T00:00:00Z"}
        assignment |= {"places": places, "victims": named, "moves": moves}
        group_object = self._objects["podgroups", group]
        return self._put("podgroups", group, group_object | {"status": {"assignment": assignment}}, namespace="team")

    def release(self, group: str) -> Self:
        return self._put("podgroups", group, self._objects["podgroups", group] | {"status": {}}, namespace="team")

    def pod(self, name: str, gang: str = "", gpus: int = 1, subgroup: str = "", queue: str = "", **spec: Any) -> Self:
        """Create a pod of the scheduler's, unless ``schedulerName`` says otherwise."""
        labels = {"muster.dev/pod-group": gang, "muster.dev/subgroup": subgroup, "muster.dev/queue": queue}
        container = {"name": "main", "resources": {"requests": {"cpu": "1", GPU: str(gpus)}}}
        full = {"schedulerName": "muster", "containers": [container], **spec}
        labels = {key: value for key, value in labels.items() if value}
        body = {"spec": full, "status": {"phase": "Pending"}}
        return self._put("pods", name, body, labels=labels, namespace="team", annotations={})

    def hold(self, node: str, **devices: str) -> Self:
        """Bind pods with what each of them was given of the node's devices."""
        for pod, held in devices.items():
            meta = {"annotations": {"muster.dev/gpu-devices": held}}
            self._change_pod(pod, metadata=meta, spec={"nodeName": node})
        return self

    def pods(self, count: int, gang: str, **more: Any) -> Self:
        """Pods ``<gang>-0``, ``<gang>-1``, ... of a gang."""
        for index in range(count):
            self.pod(f"{gang}-{index}", gang, **more)
        return self

    def bind(self, node: str, *pods: str) -> Self:
        for pod in pods:
            self._change_pod(pod, spec={"nodeName": node})
        return self

    def phase(self, phase: str, *pods: str) -> Self:
        for pod in pods:
            self._change_pod(pod, status={"phase": phase})
        return self

    def leave(self, *pods: str, grace_seconds: int = 30, evicted: bool = False, reason: str = "") -> Self:
        """Begin to terminate; ``evicted``, or with a ``reason``: with the scheduler's condition."""
        said = {"type": "muster.dev/Evicted", "status": "True", "reason": reason}
        conditions = [said] if evicted or reason else []
        for pod in pods:
            ends = datetime.fromtimestamp(int(self.at) + grace_seconds, UTC).isoformat().replace("+00:00", "Z")
            meta = {"deletionTimestamp": ends, "deletionGracePeriodSeconds": grace_seconds}
            self._change_pod(pod, metadata=meta, status={"conditions": conditions})
        return self

    def gone(self, *pods: str) -> Self:
        for pod in pods:
            self._emit("DELETED", "pods", pod, self._objects["pods", pod])
            del self._objects["pods", pod]
        return self

    def group_gone(self, group: str) -> Self:
        self._emit("DELETED", "podgroups", group, self._objects.pop(("podgroups", group)))
        return self

    def asked(self, verb: Any, pod: str, user: str = "muster", node: str = "", uid: str | None = None) -> Self:
        """One successful request in the audit log."""
        known = self.uid(pod) if uid is None and verb == "bind" else uid or ""
        self.events.append(Requested(self.at, verb, user, "team", pod, known, node))
        return self

    def uid(self, pod: str) -> str:
        return str(self._objects["pods", pod]["metadata"]["uid"])

    def report(self, **settings: Any) -> Report:
        """What the auditor says of all this, its events in any order that sorting repairs."""
        return judge(ordered(reversed(self.events)), self.at, Settings(**settings))

    def violations(self, **settings: Any) -> list[str]:
        return [f"{f.promise}: {f.subject}: {f.message}" for f in self.report(**settings).violations]

    def notes(self, **settings: Any) -> list[str]:
        return [f"{f.promise}: {f.subject}: {f.message}" for f in self.report(**settings).notes]

    def _change_pod(self, name: str, **parts: dict[str, Any]) -> None:
        before = self._objects["pods", name]
        self._emit(
            "MODIFIED", "pods", name, {**before, **{key: {**before[key], **part} for key, part in parts.items()}}
        )

    def _put(self, kind: Kind, name: str, body: dict[str, Any], namespace: str = "", **meta: Any) -> Self:
        known = self._objects.get((kind, name))
        if known is None:
            self._uids += 1
            metadata = {"name": name, "namespace": namespace, "uid": f"uid-{self._uids}", **meta}
        else:
            metadata = {**known["metadata"], **meta}
        self._emit("ADDED" if known is None else "MODIFIED", kind, name, {**body, "metadata": metadata})
        return self

    def _emit(self, change: ChangeType, kind: Kind, name: str, obj: dict[str, Any]) -> None:
        self._next()
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}
        self._objects[kind, name] = obj
        self.events.append(Changed(self.revision, self.at, kind, change, msgspec.convert(obj, type_of(kind))))

    def _next(self) -> None:
        self.revision += 1
        self.at += STEP_SECONDS


def _places(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"member": "main", "nodes": [{"name": node, "count": count} for node, count in counts.items()]}]
