"""What a decision says: places, verdicts with their reasons as facts, and how good the whole is known to be."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from scheduler.model.work import GangKey, Move, Place, Victim


class Cause(StrEnum):
    """Why a gang waits."""

    PLACED = "Placed"
    INCOMPLETE = "Incomplete"
    INVALID = "Invalid"
    HELD = "QueueHeld"
    BACKOFF = "Backoff"
    OUTSIDE_WINDOW = "OutsideWindow"
    OUTRANKED = "Outranked"
    BLOCKED = "Blocked"
    PLANNED = "Planned"
    STALE = "Stale"


class Refusal(msgspec.Struct, frozen=True):
    """One reason as facts; sentences are made in one module when somebody reads.

    ``term`` is the rule's name, ``code`` its case. ``needed`` and ``offered`` are amounts of ``resource`` (smallest
    unit; empty: pods), ``where`` the domain, nodes or queue that was looked at. ``counts`` are (reason, nodes) pairs.
    """

    term: str
    code: str
    needed: int = 0
    offered: int = 0
    resource: str = ""
    where: str = ""
    counts: tuple[tuple[str, int], ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    cause: Cause
    refusals: tuple[Refusal, ...] = ()
    by: tuple[GangKey, ...] = ()
    """The gangs that outrank it, when that is the cause."""
    proven: bool = False
    """Blocked for sure: no placement exists on what is free. Else none was found by the time there was."""


class TierScore(msgspec.Struct, frozen=True):
    """What one tier reached and the proven bound on it (larger is better for both; a cost is negative)."""

    tier: str
    value: int
    bound: int | None = None


MOVE = "Move"


class Loss(msgspec.Struct, frozen=True):
    """What one running gang gives for a decision.

    ``right`` is under which permission: ``OwnQueue`` (by priority, inside the queue), ``Guarantee``, ``FairShare``,
    ``Borrowing``, or ``Move`` (it only moves). ``whole`` says that all of it goes.
    """

    gang: GangKey
    queue: str
    right: str
    pods: int
    whole: bool = False
    priority: int = 0


class Taken(msgspec.Struct, frozen=True):
    """Why running work gives way: who gives what, what it costs tier by tier (negative values, larger is better, with
    the proven bound), and whether no cheaper set exists for sure."""

    losses: tuple[Loss, ...]
    costs: tuple[TierScore, ...] = ()
    proven: bool = False


class Decision(msgspec.Struct, frozen=True):
    """The whole decision about one gang, atomic: places (all new ones), victims and moves it needs. ``taken`` says why,
    where anybody gives way."""

    gang: GangKey
    places: tuple[Place, ...]
    victims: tuple[Victim, ...] = ()
    moves: tuple[Move, ...] = ()
    taken: Taken | None = None


class SolveEnd(msgspec.Struct, frozen=True):
    """How one solve ended: ``optimal``, ``feasible``, ``deadline``, ``failed`` or ``skipped``."""

    band: str
    end: str
    scores: tuple[TierScore, ...] = ()
    variables: int = 0
    used: str = "greedy"
    """Which plan won: ``greedy`` or ``solver``."""


class Plan(msgspec.Struct, frozen=True):
    """A decision about everything in the window, made from one snapshot version. Decisions stand in rank order.

    A part that may be acted on early is not ``final``: more decisions from the same snapshot follow, about other gangs.
    """

    made_from: int
    decisions: tuple[Decision, ...] = ()
    verdicts: dict[GangKey, Verdict] = {}
    solves: tuple[SolveEnd, ...] = ()
    final: bool = True
    again_at_seconds: float | None = None
    """When another decision may come out differently though nothing happened: who was protected or had to wait no
    longer is, or a solver is there again."""
