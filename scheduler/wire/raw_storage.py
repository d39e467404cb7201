"""The subset of the storage kinds that is read, as typed structures with Kubernetes' own field names."""

# ruff: noqa: N815 - the names are those of the API

from __future__ import annotations

from typing import Any

import msgspec

from scheduler.wire.raw import Meta, NodeSelector, OwnedMeta, Quantity, SelectorExpression


class LabelSelector(msgspec.Struct):
    matchLabels: dict[str, str] | None = None
    matchExpressions: list[SelectorExpression] | None = None


class Requests(msgspec.Struct):
    requests: dict[str, Quantity] | None = None


class ClaimSpec(msgspec.Struct):
    storageClassName: str = ""
    volumeName: str = ""
    volumeMode: str = "Filesystem"
    volumeAttributesClassName: str = ""
    accessModes: list[str] | None = None
    resources: Requests | None = None
    selector: LabelSelector | None = None


class Phase(msgspec.Struct):
    phase: str = ""


class ClaimObject(msgspec.Struct):
    metadata: OwnedMeta
    spec: ClaimSpec = msgspec.field(default_factory=ClaimSpec)
    status: Phase = msgspec.field(default_factory=Phase)


class CsiSource(msgspec.Struct):
    driver: str
    volumeHandle: str


class ClaimReference(msgspec.Struct):
    namespace: str = ""
    name: str = ""
    uid: str = ""


class VolumeAffinity(msgspec.Struct):
    required: NodeSelector | None = None


class VolumeSpec(msgspec.Struct):
    capacity: dict[str, Quantity] | None = None
    storageClassName: str = ""
    accessModes: list[str] | None = None
    volumeMode: str = "Filesystem"
    volumeAttributesClassName: str = ""
    claimRef: ClaimReference | None = None
    nodeAffinity: VolumeAffinity | None = None
    csi: CsiSource | None = None
    awsElasticBlockStore: dict[str, Any] | None = None
    gcePersistentDisk: dict[str, Any] | None = None
    azureDisk: dict[str, Any] | None = None
    azureFile: dict[str, Any] | None = None
    cinder: dict[str, Any] | None = None
    vsphereVolume: dict[str, Any] | None = None
    portworxVolume: dict[str, Any] | None = None


class VolumeObject(msgspec.Struct):
    metadata: Meta
    spec: VolumeSpec = msgspec.field(default_factory=VolumeSpec)
    status: Phase = msgspec.field(default_factory=Phase)


class TopologyExpression(msgspec.Struct):
    key: str
    values: list[str] | None = None


class TopologyTerm(msgspec.Struct):
    matchLabelExpressions: list[TopologyExpression] | None = None


class ClassObject(msgspec.Struct):
    metadata: Meta
    provisioner: str = ""
    volumeBindingMode: str = ""
    allowedTopologies: list[TopologyTerm] | None = None


class Allocatable(msgspec.Struct):
    count: int | None = None


class NodeDriver(msgspec.Struct):
    name: str
    allocatable: Allocatable | None = None


class CsiNodeSpec(msgspec.Struct):
    drivers: list[NodeDriver] | None = None


class CsiNodeObject(msgspec.Struct):
    metadata: Meta
    spec: CsiNodeSpec = msgspec.field(default_factory=CsiNodeSpec)


class CsiDriverSpec(msgspec.Struct):
    storageCapacity: bool = False
    preventPodSchedulingIfMissing: bool = False


class CsiDriverObject(msgspec.Struct):
    metadata: Meta
    spec: CsiDriverSpec = msgspec.field(default_factory=CsiDriverSpec)


class CapacityObject(msgspec.Struct):
    metadata: Meta
    storageClassName: str = ""
    capacity: Quantity | None = None
    maximumVolumeSize: Quantity | None = None
    nodeTopology: LabelSelector | None = None


class AttachmentSource(msgspec.Struct):
    persistentVolumeName: str = ""


class AttachmentSpec(msgspec.Struct):
    attacher: str = ""
    nodeName: str = ""
    source: AttachmentSource = msgspec.field(default_factory=AttachmentSource)


class AttachmentObject(msgspec.Struct):
    metadata: Meta
    spec: AttachmentSpec = msgspec.field(default_factory=AttachmentSpec)
