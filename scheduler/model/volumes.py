"""Storage as observed: claims, volumes, classes, drivers, and what a node may attach. Names follow Kubernetes'."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import msgspec

from scheduler.model.selector import LabelSelector
from scheduler.model.shape import Disk, NodeTerm

NO_PROVISIONER = "kubernetes.io/no-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"


class ClaimName(msgspec.Struct, frozen=True):
    """A claim that a pod names; that of an ephemeral volume must be owned by the pod."""

    name: str
    ephemeral: bool = False


class PodVolumes(msgspec.Struct, frozen=True):
    """The volumes in a pod's specification that bear on where it may run, in their order."""

    claims: tuple[ClaimName, ...] = ()
    disks: tuple[Disk, ...] = ()
    in_tree: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """A PersistentVolumeClaim. ``request`` is in bytes; ``completed`` says that binding has ended on both sides."""

    namespace: str
    name: str
    uid: str
    version: str
    owner_uid: str = ""
    storage_class: str = ""
    volume: str = ""
    completed: bool = False
    lost: bool = False
    leaving: bool = False
    request: int = 0
    modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"
    attributes_class: str = ""
    selector: LabelSelector = None
    selected_node: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def bound(self) -> bool:
        return bool(self.volume) and self.completed


class Volume(msgspec.Struct, frozen=True):
    """A PersistentVolume. ``claim`` is the ``namespace/name`` that it is bound to or reserved for (empty: nobody),
    ``claim_uid`` may be empty then. ``driver`` is empty for volumes without CSI; ``in_tree`` names the plugin of those
    that a CSI driver may have taken over."""

    name: str
    version: str
    capacity: int = 0
    storage_class: str = ""
    modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"
    attributes_class: str = ""
    labels: Mapping[str, str] = {}
    node_terms: tuple[NodeTerm, ...] | None = None
    claim: str = ""
    claim_uid: str = ""
    available: bool = False
    leaving: bool = False
    driver: str = ""
    handle: str = ""
    in_tree: str = ""

    @property
    def key(self) -> str:
        return self.name

    def is_for(self, claim: Claim) -> bool:
        """Whether it is bound to a claim or reserved for it."""
        return self.claim == claim.key and self.claim_uid in ("", claim.uid)


class StorageClass(msgspec.Struct, frozen=True):
    """``waits`` for a pod before its claims are bound. ``topologies`` are alternatives (empty: any node)."""

    name: str
    provisioner: str = ""
    waits: bool = False
    topologies: tuple[NodeTerm, ...] = ()

    @property
    def key(self) -> str:
        return self.name

    @property
    def provisions(self) -> bool:
        return self.provisioner not in ("", NO_PROVISIONER)


class CsiNode(msgspec.Struct, frozen=True):
    """The CSI drivers on a node with how many volumes each may attach there (None: any number)."""

    name: str
    drivers: tuple[tuple[str, int | None], ...] = ()
    migrated: tuple[str, ...] = ()
    """In-tree plugins that CSI drivers have taken over on this node."""

    @property
    def key(self) -> str:
        return self.name


class CsiDriver(msgspec.Struct, frozen=True):
    """``tracks_capacity``: a claim is provisioned only where a StorageCapacity says that there is room.
    ``must_be_there``: pods with its volumes go only where the driver runs."""

    name: str
    tracks_capacity: bool = False
    must_be_there: bool = False

    @property
    def key(self) -> str:
        return self.name


class StorageCapacity(msgspec.Struct, frozen=True):
    """Where a class has room for volumes of at most ``largest`` bytes (None: for none): the nodes that it selects."""

    namespace: str
    name: str
    storage_class: str
    largest: int | None = None
    nodes: LabelSelector = None

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Attachment(msgspec.Struct, frozen=True):
    """A VolumeAttachment of a PersistentVolume to a node."""

    name: str
    attacher: str
    node: str
    volume: str = ""

    @property
    def key(self) -> str:
        return self.name


StorageObject = Claim | Volume | StorageClass | CsiNode | CsiDriver | StorageCapacity | Attachment


@dataclass(frozen=True, eq=False)
class VolumeFacts:
    """The picture of storage that filters look at.

    ``volumes`` are those that could serve a waiting claim, per class, smallest first. Per node, ``by_pods`` are the
    (driver, handle) that its pods use, ``attached`` how many distinct volumes each driver has there in all, ``disks``
    the disks that its pods name. ``in_use`` are the claims that some pod on a node uses.
    """

    classes: Mapping[str, StorageClass] = field(default_factory=dict)
    drivers: Mapping[str, CsiDriver] = field(default_factory=dict)
    capacities: Mapping[str, tuple[StorageCapacity, ...]] = field(default_factory=dict)
    volumes: Mapping[str, tuple[Volume, ...]] = field(default_factory=dict)
    csi_nodes: Mapping[str, CsiNode] = field(default_factory=dict)
    by_pods: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    attached: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    disks: Mapping[str, tuple[Disk, ...]] = field(default_factory=dict)
    in_use: AbstractSet[str] = frozenset()
