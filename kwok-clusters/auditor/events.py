"""What the judge is told: changes of the watched kinds in the order of their resource versions, and audited requests.

All resource versions of one etcd are comparable integers, across kinds too (every write is one revision), so a
recording is put in order by sorting.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from auditor.objects import ApiObject, Kind

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Changed:
    """One watch event. ``at`` is when it was received, in seconds since 1970."""

    revision: int
    at: float
    kind: Kind
    type: ChangeType
    object: ApiObject


@dataclass(frozen=True, slots=True)
class Listed:
    """The complete content of a kind: at the start, and again after a watch lost its place.

    ``revision`` is where it takes its place among the events.
    """

    revision: int
    at: float
    kind: Kind
    objects: tuple[ApiObject, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Part of a kind's history was not received in its order; what happened in it may be misjudged."""

    revision: int
    at: float
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Requested:
    """One successful write from the audit log: a binding, an eviction or a delete of a pod.

    ``uid`` is empty where the log does not tell it, ``node`` is set for bindings, ``name`` is empty for a
    deletecollection. The log has no resource versions: requests are joined with what the watch saw, by pod.
    """

    at: float
    verb: Literal["bind", "evict", "delete"]
    user: str
    namespace: str
    name: str
    uid: str = ""
    node: str = ""


Event = Changed | Listed | Lost | Requested


def ordered(events: Iterable[Event]) -> list[Event]:
    """Events in the order in which they took effect. Audited requests, which have no place in it, stand last."""
    return sorted(events, key=lambda e: (e.revision, 0.0) if not isinstance(e, Requested) else (2**63, e.at))
