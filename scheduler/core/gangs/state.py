"""What is known of one gang beyond what the store holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduler.core.facts.books import Spot
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.resolve import Resolved
from scheduler.model.effects import Commit, DropGroup, GroupStatus, Hold, MakeGroup, Release, WriteStatus
from scheduler.model.plan import Refusal
from scheduler.model.shape import Shape
from scheduler.model.work import Assignment, Gang

GroupWrite = Commit | Release | Hold | WriteStatus | MakeGroup | DropGroup


@dataclass(slots=True)
class Giving:
    """Places that others' records make a gang give up, by pod (UID), and what its own record becomes by that: None when
    it gives up all."""

    gives: dict[str, Spot]
    rest: Assignment | None


@dataclass(slots=True)
class GangState:
    """One gang: its phase, its record, and what is on its way."""

    phase: Phase = Phase.INCOMPLETE
    resolved: Resolved | None = None
    shapes: dict[str, Shape] = field(default_factory=dict)
    """The shapes of its members as they were seen under its record, also of those whose pods are away just now."""
    loose: dict[str, None] = field(default_factory=dict)
    record: Assignment | None = None
    committing: Assignment | None = None
    withdrawn: Assignment | None = None
    flight: GroupWrite | None = None
    retry_at_seconds: float = 0.0
    blocked_version: str = ""
    """The version that a write of ours was refused on: no further write before a newer one is seen, or time goes by."""
    refused_version: str = ""
    """The version that our commit was refused on: the record that stands is known once a newer one is seen."""
    resend: bool = False
    version: str = ""
    bumps: dict[str, None] | None = None
    written: GroupStatus | None = None
    said_seconds: float = 0.0
    """When its status was last sent."""
    gang: Gang | None = None
    warned: bool = False
    short_since_seconds: float = 0.0
    hurt_since_seconds: float | None = None
    """Since when it runs with fewer pods than its minimum, because some were lost."""
    hurt: bool = False
    """Whether pods of it were lost while it ran, rather than finished."""
    made: bool = False
    """We have asked for its PodGroup, for a single pod, and the watch has not shown it yet."""
    stale: dict[str, Refusal] = field(default_factory=dict)
    """The pods (by UID) that are to be cleaned up because it was hurt for too long, with why."""
    giving: Giving | None = None
    departing: frozenset[str] = frozenset()
    """Pods (by UID) that still stand somewhere and are no part of it any more."""
    leaving: int = 0
    """How many pods have to leave before its places are free."""
    left_seconds: float = 0.0
    """When one of them was last seen there."""
    awaits_claims: bool = False
    """Its places are recorded, and volume claims of its pods are not bound yet."""
    unprepared: Refusal | None = None
    """Why its record can not be prepared (claims, evictions): it is to be given back."""
    rests_until_seconds: float = 0.0
    """After its record could not be prepared it is not decided on before this moment."""
    unproven: bool = False
    """Its templates promised pods that did not come, or came and finished: only pods that exist count from now on."""


def needs_time(state: GangState) -> bool:
    """Whether time alone may bring something for a gang: a retry, a place that nobody takes, a warning, a
    pod that was to leave for somebody and went by itself."""
    waits = state.record is not None and state.phase is not Phase.RUNNING
    return (
        bool(state.retry_at_seconds or state.rests_until_seconds)
        or waits
        or state.giving is not None
        or (state.phase is Phase.INCOMPLETE and not state.warned)
    )
