"""What an event means for the promises. The world makes facts from events; each promise picks the ones it needs."""

from dataclasses import dataclass

from auditor.events import Requested
from auditor.records import GangName, Record
from auditor.tracked import TrackedPod


@dataclass(frozen=True, slots=True)
class Started:
    """Every kind has been listed: what is there now was found, not seen to happen."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A pod has a node. ``seen`` is false when it was found so in a listing or created so: nobody saw a bind."""

    pod: TrackedPod
    seen: bool


@dataclass(frozen=True, slots=True)
class Rebound:
    """A bound pod shows another node."""

    pod: TrackedPod
    before: str


@dataclass(frozen=True, slots=True)
class Grew:
    """A bound pod takes more than before (in-place resize)."""

    pod: TrackedPod


@dataclass(frozen=True, slots=True)
class Leaving:
    """A pod has begun to terminate, or is gone without having been seen to."""

    pod: TrackedPod


@dataclass(frozen=True, slots=True)
class GangTouched:
    """A gang's pods or its PodGroup changed. ``pod`` is the pod that did, if it was one."""

    gang: GangName
    pod: TrackedPod | None = None
    bound_now: bool = False


@dataclass(frozen=True, slots=True)
class NodeChanged:
    name: str


@dataclass(frozen=True, slots=True)
class QueueChanged:
    name: str


@dataclass(frozen=True, slots=True)
class RecordWritten:
    """A commit record: the gang's own places and those it moves other gangs to."""

    gang: GangName
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class HistoryLost:
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Time has come to ``now``; nothing else has changed."""

    now: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The audit ends at ``now``."""

    now: float


Fact = (
    Started
    | Bound
    | Rebound
    | Grew
    | Leaving
    | GangTouched
    | NodeChanged
    | QueueChanged
    | RecordWritten
    | HistoryLost
    | Requested
    | Elapsed
    | Finished
)
