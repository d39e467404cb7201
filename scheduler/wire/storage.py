"""The storage kinds read: claims, volumes, classes, drivers, what nodes may attach and what is attached."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from scheduler.model.resources import parse_quantity
from scheduler.model.selector import LabelSelector, Requirement
from scheduler.model.shape import NodeTerm
from scheduler.model.volumes import (
    SELECTED_NODE,
    Attachment,
    Claim,
    CsiDriver,
    CsiNode,
    StorageCapacity,
    StorageClass,
    StorageObject,
    Volume,
)
from scheduler.wire import raw, raw_storage

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
MIGRATED_PLUGINS = "storage.alpha.kubernetes.io/migrated-plugins"

IN_TREE_PLUGINS = {
    "awsElasticBlockStore": "kubernetes.io/aws-ebs",
    "gcePersistentDisk": "kubernetes.io/gce-pd",
    "azureDisk": "kubernetes.io/azure-disk",
    "azureFile": "kubernetes.io/azure-file",
    "cinder": "kubernetes.io/cinder",
    "vsphereVolume": "kubernetes.io/vsphere-volume",
    "portworxVolume": "kubernetes.io/portworx-volume",
}
"""Volume sources that a CSI driver may have taken over, by their field, with the name of their plugin."""

Body = bytes | msgspec.Raw
Read = tuple[StorageObject, str]
"""(the object, its resourceVersion)."""


def read_claim(body: Body) -> Read:
    found = msgspec.json.decode(body, type=raw_storage.ClaimObject)
    meta, spec = found.metadata, found.spec
    annotations = meta.annotations or {}
    owners = [each.uid for each in meta.ownerReferences or () if each.controller]
    claim = Claim(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        version=meta.resourceVersion,
        owner_uid=owners[0] if owners else "",
        storage_class=annotations.get(BETA_CLASS, spec.storageClassName),
        volume=spec.volumeName,
        completed=BIND_COMPLETED in annotations,
        lost=found.status.phase == "Lost",
        leaving=meta.deletionTimestamp is not None,
        request=_bytes(spec.resources.requests if spec.resources is not None else None),
        modes=tuple(spec.accessModes or ()),
        volume_mode=spec.volumeMode,
        attributes_class=spec.volumeAttributesClassName,
        selector=_selector(spec.selector),
        selected_node=annotations.get(SELECTED_NODE, ""),
    )
    return claim, meta.resourceVersion


def read_volume(body: Body) -> Read:
    found = msgspec.json.decode(body, type=raw_storage.VolumeObject)
    meta, spec = found.metadata, found.spec
    owner = spec.claimRef or raw_storage.ClaimReference()
    volume = Volume(
        name=meta.name,
        version=meta.resourceVersion,
        capacity=_bytes(spec.capacity),
        storage_class=(meta.annotations or {}).get(BETA_CLASS, spec.storageClassName),
        modes=tuple(spec.accessModes or ()),
        volume_mode=spec.volumeMode,
        attributes_class=spec.volumeAttributesClassName,
        labels=meta.labels or {},
        node_terms=_volume_terms(spec.nodeAffinity),
        claim=f"{owner.namespace}/{owner.name}" if owner.name else "",
        claim_uid=owner.uid,
        available=found.status.phase == "Available",
        leaving=meta.deletionTimestamp is not None,
        driver=spec.csi.driver if spec.csi is not None else "",
        handle=spec.csi.volumeHandle if spec.csi is not None else "",
        in_tree=in_tree_plugin(spec),
    )
    return volume, meta.resourceVersion


def read_class(body: Body) -> Read:
    found = msgspec.json.decode(body, type=raw_storage.ClassObject)
    topologies = tuple(
        NodeTerm(tuple(Requirement(each.key, "In", tuple(each.values or ())) for each in term.matchLabelExpressions))
        for term in found.allowedTopologies or ()
        if term.matchLabelExpressions
    )
    if found.allowedTopologies and not topologies:
        topologies = (NodeTerm(),)  # empty terms match nothing, unlike no terms
    waits = found.volumeBindingMode == "WaitForFirstConsumer"
    return StorageClass(found.metadata.name, found.provisioner, waits, topologies), found.metadata.resourceVersion


def read_csi_node(body: Body) -> Read:
    found = msgspec.json.decode(body, type=raw_storage.CsiNodeObject)
    migrated = (found.metadata.annotations or {}).get(MIGRATED_PLUGINS, "")
    drivers = tuple(
        (each.name, None if each.allocatable is None else each.allocatable.count) for each in found.spec.drivers or ()
    )
    node = CsiNode(found.metadata.name, drivers, tuple(sorted(migrated.split(","))) if migrated else ())
    return node, found.metadata.resourceVersion


def read_csi_driver(body: Body) -> Read:
    found = msgspec.json.decode(body, type=raw_storage.CsiDriverObject)
    driver = CsiDriver(found.metadata.name, found.spec.storageCapacity, found.spec.preventPodSchedulingIfMissing)
    return driver, found.metadata.resourceVersion


def read_capacity(body: Body) -> Read:
    found = msgspec.json.decode(body, type=raw_storage.CapacityObject)
    limit = found.maximumVolumeSize if found.maximumVolumeSize is not None else found.capacity
    capacity = StorageCapacity(
        namespace=found.metadata.namespace,
        name=found.metadata.name,
        storage_class=found.storageClassName,
        largest=None if limit is None else _whole(limit),
        nodes=_selector(found.nodeTopology),
    )
    return capacity, found.metadata.resourceVersion


def read_attachment(body: Body) -> Read:
    found = msgspec.json.decode(body, type=raw_storage.AttachmentObject)
    spec = found.spec
    attachment = Attachment(found.metadata.name, spec.attacher, spec.nodeName, spec.source.persistentVolumeName)
    return attachment, found.metadata.resourceVersion


READERS: Mapping[str, Callable[[Body], Read]] = {
    "persistentvolumeclaims": read_claim,
    "persistentvolumes": read_volume,
    "storageclasses": read_class,
    "csinodes": read_csi_node,
    "csidrivers": read_csi_driver,
    "csistoragecapacities": read_capacity,
    "volumeattachments": read_attachment,
}
"""The reader of each storage kind, by its plural."""

NAMESPACED = ("persistentvolumeclaims", "csistoragecapacities")


def in_tree_plugin(source: object) -> str:
    """The plugin of a volume source that a CSI driver may have taken over; empty for all others."""
    return next((plugin for field, plugin in IN_TREE_PLUGINS.items() if getattr(source, field, None) is not None), "")


def _bytes(quantities: Mapping[str, raw.Quantity] | None) -> int:
    return _whole((quantities or {}).get("storage", 0))


def _whole(quantity: raw.Quantity) -> int:
    """Bytes, rounded up; unlike amounts of a node's resources these may be of any size."""
    exact = parse_quantity(quantity)
    return -(-exact.numerator // exact.denominator)


def _selector(selector: raw_storage.LabelSelector | None) -> LabelSelector:
    if selector is None:
        return None
    labels = tuple(Requirement(key, "In", (value,)) for key, value in sorted((selector.matchLabels or {}).items()))
    expressions = selector.matchExpressions or ()
    return (*labels, *(Requirement(each.key, each.operator, tuple(each.values or ())) for each in expressions))


def _volume_terms(affinity: raw_storage.VolumeAffinity | None) -> tuple[NodeTerm, ...] | None:
    """None where every node will do. kube-scheduler looks at a node's labels only: it leaves the fields of a term out,
    so that a term of fields alone matches every node. A term without anything matches none."""
    if affinity is None or affinity.required is None:
        return None
    if any(term.matchFields and not term.matchExpressions for term in affinity.required.nodeSelectorTerms or ()):
        return None
    return tuple(
        NodeTerm(
            tuple(Requirement(each.key, each.operator, tuple(each.values or ())) for each in term.matchExpressions)
        )
        for term in affinity.required.nodeSelectorTerms or ()
        if term.matchExpressions
    )
