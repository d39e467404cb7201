"""The kinds that the simulated API server stores, and how a path names one of their objects."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import msgspec

from scheduler.sim.refusal import Refused

MUSTER = "muster.dev/v1alpha1"
STORAGE = "storage.k8s.io/v1"


class Kind(msgspec.Struct, frozen=True):
    """``custom`` objects are served from a CustomResourceDefinition: their rules differ from built-in kinds."""

    plural: str
    name: str
    api_version: str
    namespaced: bool = False
    custom: bool = False
    status: bool = False

    @property
    def resource(self) -> str:
        """As messages name it: ``pods``, ``podgroups.muster.dev``."""
        group, _, version = self.api_version.rpartition("/")
        return f"{self.plural}.{group}" if version and group else self.plural


KINDS = (
    Kind("nodes", "Node", "v1", status=True),
    Kind("namespaces", "Namespace", "v1", status=True),
    Kind("pods", "Pod", "v1", namespaced=True, status=True),
    Kind("priorityclasses", "PriorityClass", "scheduling.k8s.io/v1"),
    Kind("poddisruptionbudgets", "PodDisruptionBudget", "policy/v1", namespaced=True, status=True),
    Kind("persistentvolumeclaims", "PersistentVolumeClaim", "v1", namespaced=True, status=True),
    Kind("persistentvolumes", "PersistentVolume", "v1", status=True),
    Kind("storageclasses", "StorageClass", STORAGE),
    Kind("csinodes", "CSINode", STORAGE),
    Kind("csidrivers", "CSIDriver", STORAGE),
    Kind("csistoragecapacities", "CSIStorageCapacity", STORAGE, namespaced=True),
    Kind("volumeattachments", "VolumeAttachment", STORAGE, status=True),
    Kind("events", "Event", "events.k8s.io/v1", namespaced=True),
    Kind("podgroups", "PodGroup", MUSTER, namespaced=True, custom=True, status=True),
    Kind("queues", "Queue", MUSTER, custom=True, status=True),
    Kind("topologies", "Topology", MUSTER, custom=True, status=True),
    Kind("resourceflavors", "ResourceFlavor", MUSTER, custom=True, status=True),
)

KIND = {kind.plural: kind for kind in KINDS}
_BY_PATH = {(kind.api_version, kind.plural): kind for kind in KINDS}


class Route(msgspec.Struct, frozen=True):
    """What a path names: all objects of a kind, those of a namespace, one object, or a subresource of one."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]


def route(path: str) -> Route:
    """Read a path as Kubernetes lays it out; `Refused` with 404 when nothing is served there."""
    split = urlsplit(path)
    parts = split.path.strip("/").split("/")
    if parts[0] == "api":
        api_version, rest = parts[1], parts[2:]
    else:
        api_version, rest = "/".join(parts[1:3]), parts[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = _BY_PATH.get((api_version, rest[0]))
    if kind is None or (namespace and not kind.namespaced):
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    name, subresource = (*rest[1:], "", "")[:2]
    if subresource == "status" and not kind.status:
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    return Route(kind, namespace, name, subresource, dict(parse_qsl(split.query)))
