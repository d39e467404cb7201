"""The API server's audit log: successful bindings, evictions and deletes of pods.

Levels needed (audit.k8s.io/v1 Policy): Request for ``pods/binding`` (the target node stands in the request), Metadata
for ``pods/eviction`` and for deletes of ``pods``.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from auditor.events import Requested


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""


class _Target(msgspec.Struct):
    name: str = ""


class _Binding(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    target: _Target | None = None


class _User(msgspec.Struct):
    username: str = ""


class _ObjectRef(msgspec.Struct):
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class _Status(msgspec.Struct):
    code: int = 0


class _Entry(msgspec.Struct, rename="camel"):
    stage: str
    verb: str
    request_received_timestamp: str
    request_uri: str = msgspec.field(name="requestURI", default="")
    user: _User = msgspec.field(default_factory=_User)
    object_ref: _ObjectRef = msgspec.field(default_factory=_ObjectRef)
    response_status: _Status = msgspec.field(default_factory=_Status)
    request_object: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


def read_audit_log(path: Path) -> Iterator[Requested]:
    """The requests in a log that the promises speak of. A last line still being written is left out."""
    decoder = msgspec.json.Decoder(_Entry)
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            requested = _requested(decoder.decode(raw))
            if requested is not None:
                yield requested


def _requested(entry: _Entry) -> Requested | None:
    verb = _verb(entry)
    done = entry.stage == "ResponseComplete" and 200 <= entry.response_status.code < 300
    if verb is None or not done or "dryRun=" in entry.request_uri:
        return None
    ref = entry.object_ref
    at = datetime.fromisoformat(entry.request_received_timestamp).timestamp()
    if verb != "bind":
        return Requested(at, verb, entry.user.username, ref.namespace, ref.name, ref.uid)
    binding = msgspec.json.decode(entry.request_object, type=_Binding) if entry.request_object else _Binding()
    node = binding.target.name if binding.target else ""
    name, uid = ref.name or binding.metadata.name, binding.metadata.uid or ref.uid
    return Requested(at, verb, entry.user.username, ref.namespace, name, uid, node)


def _verb(entry: _Entry) -> Literal["bind", "evict", "delete"] | None:
    match entry.verb, entry.object_ref.resource, entry.object_ref.subresource:
        case ("create", "pods", "binding") | ("create", "bindings", _):
            return "bind"
        case ("create", "pods", "eviction"):
            return "evict"
        case ("delete" | "deletecollection", "pods", ""):
            return "delete"
    return None
