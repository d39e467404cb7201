"""Storage objects as JSON, and the pure path from them to the nodes that a pod may use."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from scheduler.core.facts.store import Store
from scheduler.model import events as ev
from scheduler.model.bundle import Pending
from scheduler.model.policy import Policy
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, Member, Pod, single_key
from scheduler.solver.asks.filters import eligible, within_storage
from scheduler.wire.decode import Decoder

Object = dict[str, Any]

PLURALS = {
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PersistentVolume": "persistentvolumes",
    "StorageClass": "storageclasses",
    "CSINode": "csinodes",
    "CSIDriver": "csidrivers",
    "CSIStorageCapacity": "csistoragecapacities",
    "VolumeAttachment": "volumeattachments",
    "Node": "nodes",
    "Pod": "pods",
}
NAMESPACED = ("PersistentVolumeClaim", "CSIStorageCapacity", "Pod")

BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


def thing(kind: str, name: str, body: Object | None = None, **meta: Any) -> Object:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", **meta}
    if kind in NAMESPACED:
        metadata["namespace"] = "team"
    return {"kind": kind, "metadata": metadata, **(body or {})}


def node(name: str, features: tuple[str, ...] = (), **labels: str) -> Object:
    named = {key.replace("_", "."): value for key, value in labels.items()}
    status = {
        "allocatable": {"cpu": "8", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "declaredFeatures": list(features),
    }
    return thing("Node", name, {"status": status}, labels={"kubernetes.io/hostname": name, **named})


def claim(
    name: str,
    *,
    volume: str = "",
    storage_class: str = "late",
    size: str = "10Gi",
    modes: tuple[str, ...] = ("ReadWriteOnce",),
    phase: str = "",
    selected: str = "",
    **meta: Any,
) -> Object:
    annotations = (BOUND if volume else {}) | ({"volume.kubernetes.io/selected-node": selected} if selected else {})
    spec: Object = {
        "storageClassName": storage_class,
        "accessModes": list(modes),
        "resources": {"requests": {"storage": size}},
    }
    if volume:
        spec["volumeName"] = volume
    status = {"phase": phase or ("Bound" if volume else "Pending")}
    return thing(
        "PersistentVolumeClaim", name, {"spec": spec, "status": status}, **{"annotations": annotations, **meta}
    )


def volume(
    name: str,
    *,
    size: str = "10Gi",
    storage_class: str = "late",
    nodes: tuple[str, ...] = (),
    modes: tuple[str, ...] = ("ReadWriteOnce",),
    owner: str = "",
    phase: str = "",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Object:
    body: Object = {"capacity": {"storage": size}, "storageClassName": storage_class, "accessModes": list(modes)} | spec
    if nodes:
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}
        body["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    if owner:
        body["claimRef"] = {"namespace": "team", "name": owner, "uid": f"uid-{owner}"}
    status = {"phase": phase or ("Bound" if owner else "Available")}
    return thing("PersistentVolume", name, {"spec": body, "status": status}, labels=labels or {})


def csi(driver: str, handle: str) -> Object:
    return {"driver": driver, "volumeHandle": handle}


def storage_class(
    name: str, *, provisioner: str = "kubernetes.io/no-provisioner", late: bool = True, **more: Any
) -> Object:
    mode = "WaitForFirstConsumer" if late else "Immediate"
    return thing("StorageClass", name, {"provisioner": provisioner, "volumeBindingMode": mode, **more})


def csi_node(name: str, annotations: dict[str, str] | None = None, **limits: int | None) -> Object:
    drivers = [
        {"name": driver.replace("_", "."), "nodeID": name, "allocatable": None if limit is None else {"count": limit}}
        for driver, limit in limits.items()
    ]
    return thing("CSINode", name, {"spec": {"drivers": drivers}}, annotations=annotations or {})


def pod(name: str, *claims: str, on: str = "", volumes: list[Object] | None = None, **spec: Any) -> Object:
    named = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    body = {
        "schedulerName": "muster",
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}],
        "volumes": [*named, *(volumes or [])],
        "nodeName": on,
        **spec,
    }
    return thing("Pod", name, {"spec": body, "status": {"phase": "Running" if on else "Pending"}})


class Storage:
    """A store that was told of some objects."""

    def __init__(self, *objects: Object) -> None:
        self.store = Store()
        self._decoder = Decoder()
        self.see(*objects)

    def see(self, *objects: Object) -> None:
        for each in objects:
            event, _ = self._decoder.object(PLURALS[each["kind"]], json.dumps(each).encode())
            match event:
                case ev.NodeSeen(node):
                    self.store.see_node(node)
                case ev.PodSeen(pod):
                    self.store.see_pod(pod)
                    self.store.volumes.stand(pod.uid, pod.node)
                case ev.StorageSeen(kind, found):
                    self.store.volumes.see(kind, found)
                case _:
                    raise AssertionError(event)

    def lose(self, body: Object) -> None:
        meta = body["metadata"]
        key = f"{meta['namespace']}/{meta['name']}" if body["kind"] in NAMESPACED else meta["name"]
        if body["kind"] == "Pod":
            self.store.lose_pod(meta["uid"])
        else:
            self.store.volumes.lose(PLURALS[body["kind"]], key)

    def shape(self, name: str) -> Shape:
        return self.store.with_volumes(self._pod(name)).shape

    def troubles(self, name: str) -> list[tuple[str, str]]:
        asked = self.shape(name).volumes
        return [] if asked is None else [(each.code, each.where) for each in asked.troubles]

    def where(self, name: str) -> set[str]:
        """The nodes that the filters leave to a pod."""
        mask, _ = self.verdict(name)
        return mask

    def refusals(self, name: str) -> dict[str, int]:
        """How many nodes each filter refuses first."""
        return self.verdict(name)[1]

    def verdict(self, name: str) -> tuple[set[str], dict[str, int]]:
        shape, policy = self.shape(name), Policy()
        gang = _gang(self._pod(name), shape)
        snapshot = self.store.snapshot(Pending((gang,)))
        plain = msgspec.structs.replace(shape, volumes=None, unmodelled=())
        allowed = eligible(plain, snapshot.nodes, snapshot.capacity, snapshot.resources, policy)
        mask, counts = within_storage(shape, allowed, snapshot.nodes, snapshot.volumes, policy)
        return {each.name for each, fine in zip(snapshot.nodes.nodes, mask, strict=True) if fine}, dict(counts)

    def _pod(self, name: str) -> Pod:
        return self.store.pods[f"uid-{name}"]


def _gang(pod: Pod, shape: Shape) -> Gang:
    return Gang(single_key(pod.uid), pod.name, "", 0, 0.0, (Member("pod", shape, 1, 1),), (Branch("", -1, 1),))
