"""What controllers do about evictions: a Job makes another pod for each that was evicted, and the disruption controller
keeps the status of PodDisruptionBudgets."""

from __future__ import annotations

from typing import Any

import msgspec

from scheduler.sim import pods
from scheduler.sim.chance import Chance
from scheduler.sim.objects import Change, Object
from scheduler.sim.server import ApiServer
from scheduler.wire import names
from scheduler.wire.requests import MERGE, Request

USER = "controller-manager"


class Replacements:
    """Another pod, under another name, for every pod that we evicted; it comes once the evicted one is gone."""

    def __init__(self, server: ApiServer, chance: Chance) -> None:
        self._server = server
        self._clock = server.clock
        self._chance = chance
        self._made: dict[str, int] = {}
        server.objects.listeners.append(self._hear)

    def _hear(self, change: Change) -> None:
        if change.kind.plural == "pods" and change.type == "DELETED" and evicted(change.object):
            wait_seconds = self._chance.seconds(self._chance.odds.replace_pod_seconds)
            self._clock.after(wait_seconds, lambda: self._replace(change.object))

    def _replace(self, gone: Object) -> None:
        meta = gone["metadata"]
        group = meta.get("labels", {}).get(names.LABEL_POD_GROUP)
        groups = {each["metadata"]["name"]: each for each in self._server.objects.all("podgroups", meta["namespace"])}
        if group is not None and (group not in groups or "deletionTimestamp" in groups[group]["metadata"]):
            return
        stem = meta["name"].partition(".")[0]
        self._made[stem] = self._made.get(stem, 0) + 1
        annotations = {
            key: value for key, value in meta.get("annotations", {}).items() if key != names.ANNOTATION_GPU_DEVICES
        }
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{stem}.{self._made[stem]}",
                "labels": meta.get("labels", {}),
                "annotations": annotations,
            },
            "spec": {key: value for key, value in gone["spec"].items() if key != "nodeName"},
        }
        path = f"/api/v1/namespaces/{meta['namespace']}/pods"
        self._server.handle(Request("POST", path, msgspec.json.encode(body)), USER)


class DisruptionController:
    """``status.disruptionsAllowed`` of every budget, as kube-controller-manager counts it, soon after each change."""

    def __init__(self, server: ApiServer, chance: Chance) -> None:
        self._server = server
        self._chance = chance
        self._due = False
        server.objects.listeners.append(self._hear)

    def _hear(self, change: Change) -> None:
        about = change.kind.plural in ("pods", "poddisruptionbudgets")
        if about and not self._due and self._server.objects.all("poddisruptionbudgets"):
            self._due = True
            self._server.clock.after(self._chance.seconds((0.05, 0.3)), self._count)

    def _count(self) -> None:
        self._due = False
        for budget in self._server.objects.all("poddisruptionbudgets"):
            meta = budget["metadata"]
            wanted = budget["spec"].get("selector", {}).get("matchLabels", {})
            covered = [
                pod
                for pod in self._server.objects.all("pods", meta["namespace"])
                if wanted and wanted.items() <= pod["metadata"].get("labels", {}).items()
            ]
            healthy = sum(
                pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
                for pod in covered
            )
            status = {
                "disruptionsAllowed": max(0, healthy - _least(budget["spec"], len(covered))),
                "observedGeneration": meta.get("generation", 1),
                "currentHealthy": healthy,
                "expectedPods": len(covered),
            }
            if any(budget.get("status", {}).get(key) != value for key, value in status.items()):
                path = f"/apis/policy/v1/namespaces/{meta['namespace']}/poddisruptionbudgets/{meta['name']}/status"
                self._server.handle(Request("PATCH", path, msgspec.json.encode({"status": status}), MERGE), USER)


def _least(spec: dict[str, Any], expected: int) -> int:
    """How many healthy pods a budget keeps; whole numbers only."""
    if "minAvailable" in spec:
        return int(spec["minAvailable"])
    return expected - int(spec.get("maxUnavailable", 1))


def evicted(pod: Object) -> bool:
    """Whether we said of a pod that we evict it, and it has not ended by itself before."""
    said = any(
        each["type"] == names.CONDITION_EVICTED and each["status"] == "True"
        for each in pod["status"].get("conditions", [])
    )
    return said and pod["status"].get("phase") not in pods.TERMINAL
