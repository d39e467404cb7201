"""What of a proposed object is written: the main endpoint and the status subresource each own their part."""

from __future__ import annotations

from scheduler.sim import pods
from scheduler.sim.kinds import Kind
from scheduler.sim.objects import Object
from scheduler.sim.refusal import invalid

_SYSTEMS_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def prepared(kind: Kind, old: Object, proposed: Object, subresource: str) -> Object:
    """The object to write. Its generation is one more when what its owner asks for has changed."""
    status = proposed.get("status") or {}
    if subresource == "status" and kind.custom:
        return {**old, "status": status} if status or "status" in old else old
    uid = (proposed.get("metadata") or {}).get("uid")
    if uid and uid != old["metadata"]["uid"]:
        raise invalid(kind, old["metadata"]["name"], f'metadata.uid: Invalid value: "{uid}": field is immutable')
    metadata = _with_system_metadata(old, proposed)
    if subresource == "status":
        return {**old, "metadata": metadata, "status": status}
    new = {**proposed, "metadata": metadata}
    if kind.status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    if "deletionTimestamp" in metadata:
        added = set(metadata.get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
        if added:
            why = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
            raise invalid(kind, metadata["name"], f"{why}, found new finalizers {sorted(added)}")
    if kind.plural == "pods":
        pods.check_update(kind, old, new)
    if _asked(new) != _asked(old):
        new["metadata"] = {**metadata, "generation": metadata.get("generation", 0) + 1}
    return new


def _with_system_metadata(old: Object, proposed: Object) -> Object:
    given = {key: value for key, value in (proposed.get("metadata") or {}).items() if key not in _SYSTEMS_METADATA}
    kept = {key: old["metadata"][key] for key in _SYSTEMS_METADATA if key in old["metadata"]}
    if not given.get("finalizers"):
        given.pop("finalizers", None)
    return {**given, **kept}


def _asked(body: Object) -> Object:
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}
