"""What is at hand while room is made for one waiting gang: who asks, under which rights, from whom, at what cost."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.ground import Prepared
from scheduler.core.taking.outcome import Outcome
from scheduler.core.taking.rights import Rights
from scheduler.core.taking.waiting import Waiting, pods_of
from scheduler.model.cluster import Mask
from scheduler.model.plan import Refusal
from scheduler.model.resources import Matrix
from scheduler.model.work import Gang, Member
from scheduler.solver.clearing.clearing import Clearing
from scheduler.solver.giving import Tier


@dataclass(eq=False)
class Kit:
    """What is the same for all gangs of one queue and priority, as long as only their room is made."""

    key: tuple[object, ...]
    rights: Rights
    may_move: Mask
    tiers: tuple[Tier, ...]
    weights: Matrix
    in_play: Mask
    sound: Mask
    ready: Prepared
    clearing: Clearing
    classes: list[Mask]
    budgets: tuple[Refusal, ...] | None = None
    """Those that let too few pods go, once somebody asks."""
    stale: bool = False
    """Pods have moved since it was made: whom they make room for is known, and not that they might leave for others."""


@dataclass(eq=False)
class View:
    """One waiting gang in one flavor, by ``number`` in the order of preference. ``among`` [G] are those among whom
    costs are counted where they are compared with those of other flavors; ``facts`` say why there is no way."""

    waiting: Waiting
    book: Ledger
    number: int
    rights: Rights | None = None
    among: Mask | None = None
    facts: tuple[Refusal, ...] = ()


@dataclass(frozen=True, eq=False)
class Way:
    """Room made for one waiting gang in one flavor."""

    view: View
    kit: Kit
    outcome: Outcome

    @property
    def pods(self) -> int:
        return pods_of(self.outcome.places)


def least_of(gang: Gang) -> list[tuple[Member, int]]:
    """Pods per member that must be placed at least; of a bundle one."""
    if len(gang.members) == 1:
        least = max(gang.members[0].minimum, gang.branches[0].minimum, 1)
        return [(gang.members[0], min(least, gang.members[0].count))]
    return [(member, member.minimum) for member in gang.members]
