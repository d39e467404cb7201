"""The nodes' side: bound pods start, end after their run time, and go when they are deleted.

Like the test bed's, these nodes refuse nothing at admission: an over-committed node just runs, and the audit tells.
"""

from __future__ import annotations

from typing import Any

import msgspec

from scheduler.sim import pods
from scheduler.sim.chance import Chance
from scheduler.sim.objects import Change, Object, moment
from scheduler.sim.server import ApiServer
from scheduler.wire.requests import STRATEGIC, Request

RUNTIME_ANNOTATION = "muster.dev/simulated-runtime"
"""How long a pod runs, in seconds; without it a pod runs until it is deleted."""


class Kubelets:
    """All nodes at once. A node that has `failed` starts, ends and deletes nothing until it has returned."""

    def __init__(self, server: ApiServer, chance: Chance) -> None:
        self._server = server
        self._clock = server.clock
        self._chance = chance
        self._down: dict[str, None] = {}
        server.objects.listeners.append(self._hear)

    def fail(self, node: str) -> None:
        self._down[node] = None
        self._set_ready(node, "False")

    def restore(self, node: str) -> None:
        """The node is back: what should have happened to its pods in between happens now."""
        self._down.pop(node, None)
        self._set_ready(node, "True")
        for pod in self._server.objects.all("pods"):
            if pod["spec"].get("nodeName") == node:
                self._take_up(pod)

    def _hear(self, change: Change) -> None:
        if change.kind.plural == "pods" and change.type != "DELETED" and _changed(change):
            self._take_up(change.object)

    def _take_up(self, pod: Object) -> None:
        meta, phase = pod["metadata"], pod["status"].get("phase")
        node = pod["spec"].get("nodeName")
        if not node or node in self._down:
            return
        uid, path = meta["uid"], _path(pod)
        if "deletionTimestamp" in meta:
            wait_seconds = self._chance.seconds(self._chance.odds.leave_pod_seconds)
            wait_seconds = min(wait_seconds, float(meta.get("deletionGracePeriodSeconds", 0)))
            self._clock.after(wait_seconds, lambda: self._remove(node, path, uid))
        elif phase == "Pending":
            wait_seconds = self._chance.seconds(self._chance.odds.start_pod_seconds)
            self._clock.after(wait_seconds, lambda: self._report(node, path, uid, "Running"))
        elif phase == "Running" and RUNTIME_ANNOTATION in meta.get("annotations", {}):
            run_seconds = float(meta["annotations"][RUNTIME_ANNOTATION])
            self._clock.after(run_seconds, lambda: self._report(node, path, uid, "Succeeded"))

    def _report(self, node: str, path: str, uid: str, phase: str) -> None:
        if node in self._down:
            return
        ready = pods.condition("Ready", "True" if phase == "Running" else "False", self._clock.now_seconds)
        status: dict[str, Any] = {"phase": phase, "conditions": [ready]}
        if phase == "Running":
            status["startTime"] = moment(self._clock.now_seconds)
        body = {"metadata": {"uid": uid}, "status": status}
        self._ask(node, "PATCH", f"{path}/status", body)

    def _remove(self, node: str, path: str, uid: str) -> None:
        if node not in self._down:
            self._ask(node, "DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})

    def _set_ready(self, node: str, status: str) -> None:
        body = {"status": {"conditions": [pods.condition("Ready", status, self._clock.now_seconds)]}}
        self._ask(node, "PATCH", f"/api/v1/nodes/{node}/status", body)

    def _ask(self, node: str, method: str, path: str, body: Any) -> None:
        # A refusal (the pod is gone by now, or another one has its name) needs no answer from a node.
        self._server.handle(Request(method, path, msgspec.json.encode(body), STRATEGIC), f"kubelet/{node}")


def _changed(change: Change) -> bool:
    """Whether a change is one that a node acts upon: bound, started, asked to go."""
    return change.before is None or _stage(change.before) != _stage(change.object)


def _stage(pod: Object) -> tuple[Any, ...]:
    meta = pod["metadata"]
    grace = meta.get("deletionGracePeriodSeconds")
    return pod["spec"].get("nodeName"), pod["status"].get("phase"), meta.get("deletionTimestamp"), grace


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
