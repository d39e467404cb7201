"""The volume controller and the provisioners of a simulated world.

As kube-controller-manager and an external provisioner do it: a volume that names a claim is bound to it; a claim that
waits for its pod and has a selected node gets a new volume there. Nodes tell volumes apart by their host name only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from scheduler.model.volumes import NO_PROVISIONER, SELECTED_NODE
from scheduler.sim.chance import Chance
from scheduler.sim.kinds import STORAGE
from scheduler.sim.objects import Change, Object
from scheduler.sim.server import ApiServer
from scheduler.wire.requests import JSON, MERGE, Request

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
HOST_LABEL = "kubernetes.io/hostname"


class VolumeController:
    """``fails`` says of a claim that no volume can be made for it on its node: its selected node is taken back then."""

    def __init__(self, server: ApiServer, chance: Chance) -> None:
        self._server = server
        self._clock = server.clock
        self._chance = chance
        self.fails: Callable[[Object], bool] = lambda _claim: False
        server.objects.listeners.append(self._hear)

    def _hear(self, change: Change) -> None:
        if change.type == "DELETED":
            return
        if change.kind.plural == "persistentvolumes":
            self._hear_volume(change.object)
        elif change.kind.plural == "persistentvolumeclaims":
            self._hear_claim(change.object)

    def _hear_volume(self, volume: Object) -> None:
        owner, name = volume["spec"].get("claimRef"), volume["metadata"]["name"]
        phase = (volume.get("status") or {}).get("phase", "")
        if owner is None and not phase:
            self._soon(lambda: self._phase(f"/api/v1/persistentvolumes/{name}", "Available"))
        elif owner is not None and owner.get("uid") and phase != "Bound":
            self._soon(lambda: self._bind(name, owner))

    def _hear_claim(self, claim: Object) -> None:
        meta, spec = claim["metadata"], claim["spec"]
        if not spec.get("volumeName") and meta.get("annotations", {}).get(SELECTED_NODE):
            self._soon(lambda: self._provision(meta["namespace"], meta["name"]))

    def _soon(self, happen: Callable[[], None]) -> None:
        self._clock.after(self._chance.seconds(self._chance.odds.volume_seconds), happen)

    def _bind(self, volume: str, owner: Object) -> None:
        """Both sides name each other; then both say that it is done."""
        claim = self._get(f"/api/v1/namespaces/{owner['namespace']}/persistentvolumeclaims/{owner['name']}")
        found = self._get(f"/api/v1/persistentvolumes/{volume}")
        if claim is None or found is None or claim["metadata"]["uid"] != owner["uid"]:
            return
        if claim["spec"].get("volumeName", volume) != volume or (found.get("status") or {}).get("phase") == "Bound":
            return
        path = f"/api/v1/namespaces/{owner['namespace']}/persistentvolumeclaims/{owner['name']}"
        done = {"metadata": {"annotations": {BIND_COMPLETED: "yes"}}, "spec": {"volumeName": volume}}
        self._ask("PATCH", path, done, MERGE)
        self._phase(path, "Bound")
        self._phase(f"/api/v1/persistentvolumes/{volume}", "Bound")

    def _provision(self, namespace: str, name: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        claim = self._get(path)
        if claim is None or claim["spec"].get("volumeName"):
            return
        node = claim["metadata"].get("annotations", {}).get(SELECTED_NODE)
        found = self._get(f"/apis/{STORAGE}/storageclasses/{claim['spec']['storageClassName']}")
        if not node or found is None or found["provisioner"] == NO_PROVISIONER:
            return
        if self.fails(claim):
            self._ask("PATCH", path, {"metadata": {"annotations": {SELECTED_NODE: None}}}, MERGE)
            return
        self._ask("POST", "/api/v1/persistentvolumes", _volume_for(claim, found["provisioner"], node), JSON)

    def _get(self, path: str) -> Object | None:
        answer = self._server.handle(Request("GET", path, b"", JSON), "volume-controller")
        found: Object = msgspec.json.decode(answer.body)
        return found if answer.status == 200 else None

    def _phase(self, path: str, phase: str) -> None:
        self._ask("PATCH", f"{path}/status", {"status": {"phase": phase}}, MERGE)

    def _ask(self, method: str, path: str, body: Any, content_type: str) -> None:
        self._server.handle(Request(method, path, msgspec.json.encode(body), content_type), "volume-controller")


def _volume_for(claim: Object, driver: str, node: str) -> Object:
    """A new volume, usable on its node only and bound to its claim."""
    meta = claim["metadata"]
    host = {"key": HOST_LABEL, "operator": "In", "values": [node]}
    return {
        "metadata": {"name": f"pvc-{meta['uid']}"},
        "spec": {
            "capacity": claim["spec"]["resources"]["requests"],
            "accessModes": claim["spec"]["accessModes"],
            "storageClassName": claim["spec"]["storageClassName"],
            "csi": {"driver": driver, "volumeHandle": f"made-{meta['uid']}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
            "claimRef": {"namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
        },
    }
