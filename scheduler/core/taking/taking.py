"""Taking back: what waits and does not fit on what is free may ask running work to give way.

Gang after gang in the order of service, each with one problem of its places, its victims and the moves; what one leaves
over is there for the next. Nothing is evicted unless its plan places the gang it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from scheduler.core.drive import Part
from scheduler.core.queues.entitled import Entitled
from scheduler.core.taking.making import RoomMaker, SharesIf
from scheduler.core.taking.roster import Rosters
from scheduler.core.taking.turns import Turns
from scheduler.core.taking.waiting import Waiting
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.plan import Decision, Refusal
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.shape import Shape
from scheduler.model.work import GangKey


@dataclass(frozen=True)
class Took:
    """``refusals`` say why no room was made; ``changes_seconds`` is how long it takes until time alone may change the
    answer."""

    decisions: Sequence[Decision] = ()
    refusals: Mapping[GangKey, tuple[Refusal, ...]] = field(default_factory=dict)
    changes_seconds: float = inf


def taking(
    snapshot: Snapshot,
    entitled: Entitled,
    waiting: Sequence[Waiting],
    policy: Policy,
    now_seconds: float,
    budget: SolverBudget,
    mask_of: Callable[[Shape], Mask],
    shares_if: SharesIf,
    rosters: Rosters,
) -> Part[Took]:
    """Decisions with victims and moves for some of what waits, in order; ``snapshot`` has what was placed before."""
    maker = RoomMaker(snapshot, entitled, policy, now_seconds, budget, mask_of, shares_if, rosters)
    yield from Turns(waiting, maker, of_surplus=policy.taking.growth == "Surplus").taken()
    return Took(maker.settled(), maker.refusals, maker.changes_seconds)
