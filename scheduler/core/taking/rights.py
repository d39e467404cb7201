"""What one waiting gang may take, and under which right: the filters of candidates, and what an entitlement asks of
the whole set of victims.

A *lane* is one relation between the gang's queue and a victim's: the own queue, or a pair of branches one level below
their lowest common ancestor. Its rights are alternatives; each bounds what the gang's own side may use afterwards
(``rooms``), and says from which use on queues on the victims' side are protected (``floors``): a victim is taken while
its queue, and every queue above it up to its branch, is above its floor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.dominant import dominant_share
from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.permission import Permission, branches
from scheduler.core.taking.rights_between import classic_rights, fair_rights
from scheduler.core.taking.roster import Indices, Roster, surplus_of
from scheduler.core.taking.waiting import lacks
from scheduler.model.cluster import Mask
from scheduler.model.policy import Policy
from scheduler.model.queue import Borrowing, Preemption
from scheduler.model.resources import Matrix
from scheduler.model.running import Guards, Running
from scheduler.model.work import Gang
from scheduler.solver.giving import Lane, Right, Room

OWN_QUEUE = "OwnQueue"

_TIMES = {
    "preempt": "min_runtime_preempt_seconds",
    "reclaim": "min_runtime_reclaim_seconds",
    "delay": "delay_seconds",
}


@dataclass(eq=False)
class Rights:
    """``lane`` [G] indexes ``lanes`` (-1: the gang may not be evicted for this one), ``whole`` [G] whether it may go as
    a whole, ``rank`` [G] how far down its branch stands among those above their share (0: furthest above)."""

    lanes: tuple[Lane, ...]
    lane: Indices
    whole: Mask
    rank: Indices
    waits_seconds: float = 0.0
    """How much longer it waits before it may cause an eviction."""
    changes_seconds: float = inf
    """Until time alone may change any of this."""
    spent: Mapping[str, int] = field(default_factory=dict)
    """Budgets that let nobody go -> how many pods of them might be evicted but for that."""
    needed: int = 0
    """Gangs with too little surplus, of which a gang that only grows takes nothing."""
    leaves: int = 0
    """Surplus pods that stay of whoever gives any."""


def rights_of(
    gang: Gang,
    ask: Matrix,
    book: Ledger,
    roster: Roster,
    guards: Guards,
    policy: Policy,
    now_seconds: float,
    taken: Sequence[Matrix] = (),
    leaves: int | None = None,
) -> Rights:
    """``ask`` [K] is what one pod of each member takes in the columns of the ledger; zero where it asks nothing.
    ``taken`` [K] is what the gang may take in all, where shares afterwards are compared. ``leaves``: it takes surplus
    pods alone, and leaves so many to whoever gives any."""
    count = len(roster.gangs)
    lane = np.full(count, -1, dtype=np.int64)
    whole = ~roster.moved
    rank = np.zeros(count, dtype=np.int64)
    if gang.queue not in book.names:
        return Rights((), lane, whole, rank)
    by = book.row(gang.queue)
    own = book.queues[by].preemption
    delay = gang.delay_seconds if gang.delay_seconds is not None else _inherited(book, by, "delay")
    waits = max(0.0, gang.arrived_seconds + delay - now_seconds) if delay > 0 else 0.0
    if not gang.preempts or gang.gives_way or waits > 0:
        return Rights((), lane, whole, rank, waits, waits or inf)
    lanes: dict[tuple[int, bool], int] = {}
    made: list[Lane] = []
    firm_over = not gang.preemptible and _over(book.firm, book.guaranteed, book.line(by), ask)
    lower = _own_victims(gang, by, book, roster, policy)
    changes = inf
    traits = roster.traits
    open_to = (roster.queue >= 0) & traits.preemptible & (not firm_over)
    itself = [number for number, each in enumerate(roster.gangs) if each.key == gang.key] if gang.held else []
    for number in itself:  # what it lacks of its minima goes before its own surplus
        if open_to[number] and lacks(gang):
            lane[number], whole[number] = _own_lane(lanes, made), False
        open_to[number] = False
    for number, alike in _alike(roster.queue, traits.priority, open_to):
        running = roster.gangs[number]
        row = int(roster.queue[number])
        relation, runtime, newer = _relation(gang, by, row, running, own, ask, book, policy, lanes, made, lower, taken)
        if relation == _NEWER:
            lane[alike] = np.where(traits.arrived_seconds[alike] > gang.arrived_seconds, newer or 0, -1)
        elif relation >= 0:
            lane[alike] = relation
            protected = traits.started_seconds[alike] + runtime - now_seconds if runtime > 0 else np.zeros(len(alike))
            whole[alike[protected > 0]] = False
            changes = min(changes, float(protected[protected > 0].min(initial=inf)))
    needed = 0
    if leaves is not None:
        short = (lane >= 0) & (surplus_of(roster) <= leaves)
        lane[short], whole[:], needed = -1, False, int(short.sum())
    spent = _guarded(roster, guards, policy, lane)
    rank = rank_of_branches(book, by, roster, lane >= 0)
    return Rights(tuple(made), lane, whole, rank, 0.0, changes, spent, needed, leaves or 0)


def age_matters(gang: Gang, book: Ledger) -> bool:
    """Whether two gangs that differ in age alone may have other rights."""
    if gang.queue not in book.names:
        return False
    row = book.row(gang.queue)
    newer = book.queues[row].preemption.within_queue == "LowerOrNewerEqualPriority"
    return newer or bool(gang.delay_seconds) or _inherited(book, row, "delay") > 0


def shares_matter(policy: Policy) -> bool:
    """Whether rights follow from what a gang takes in all, and from what its queue uses at the moment."""
    return policy.taking.rule == "kueue-fair"


def _alike(queue: Indices, priority: Indices, open_to: Mask) -> list[tuple[int, Indices]]:
    """(the first, all) of the gangs of each queue and priority, in the order of the first ones."""
    among = np.flatnonzero(open_to)
    if not len(among):
        return []
    pairs = np.stack([queue[among], priority[among]], axis=1)
    _, first, group = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    return [(int(among[first[at]]), among[group == at]) for at in np.argsort(first, kind="stable").tolist()]


_NEVER, _NEWER = -1, -2


def _relation(
    gang: Gang,
    by: int,
    row: int,
    running: Running,
    own: Preemption,
    ask: Matrix,
    book: Ledger,
    policy: Policy,
    lanes: dict[tuple[int, bool], int],
    made: list[Lane],
    own_victims: Sequence[Matrix],
    taken: Sequence[Matrix],
) -> tuple[int, float, int | None]:
    """(lane or why not, minimum run time that protects the victim, the lane of newer work of equal priority)."""
    lower = running.priority < gang.priority
    if row == by:
        if not policy.taking.preempt or own.within_queue == "Never":
            return _NEVER, 0.0, None
        equal = running.priority == gang.priority and own.within_queue == "LowerOrNewerEqualPriority"
        if not lower and not equal:
            return _NEVER, 0.0, None
        index = _own_lane(lanes, made)
        return (index if lower else _NEWER), _inherited(book, row, "preempt"), index
    if not policy.taking.reclaim or own.reclaim == "Never" or (own.reclaim == "LowerPriority" and not lower):
        return _NEVER, 0.0, None
    ours, theirs = branches(book, by, row)
    if ours is None or theirs is None:
        return _NEVER, 0.0, None
    borrows = _may_borrow(book, by, running, policy, lower=lower)
    key = (ours, borrows)
    if key not in lanes:
        if policy.taking.rule == "kueue-fair":
            rights = fair_rights(book, ours, taken or (ask,), policy.taking.fair_rules, own_victims)
        elif policy.taking.rule == "kueue-classic":
            rights = classic_rights(book, by, ours, ask, borrows=borrows)
        else:
            rights = _reclaim_rights(book, by, ours, ask, policy, borrows=borrows)
        lanes[key] = len(made) if rights else -1
        if rights:
            made.append(Lane(rights))
    if lanes[key] < 0 or not _above_floors(book, row, theirs, made[lanes[key]]):
        return _NEVER, 0.0, None
    runtime = _inherited(book, theirs if policy.taking.min_runtime_at == "common-ancestor" else row, "reclaim")
    return lanes[key], runtime, None


def _above_floors(book: Ledger, row: int, branch: int, lane: Lane) -> bool:
    """Whether anything of a queue could be taken at all: it and everything above it up to its branch is above its floor
    as things stand, and nothing that is taken puts more there."""
    line = book.line(row)
    line = line[: line.index(branch) + 1]
    return any(
        all(bool((np.array(right.asked) & (book.use[each] > np.array(right.floors[each]))).any()) for each in line)
        for right in lane.rights
    )


def _own_victims(gang: Gang, by: int, book: Ledger, roster: Roster, policy: Policy) -> list[Matrix]:
    """What each lower gang of its own queue holds, the least first; asked for by ``kueue-fair`` alone."""
    if policy.taking.rule != "kueue-fair" or book.queues[by].preemption.within_queue == "Never":
        return []
    found = [
        roster.charge[(roster.gang == number) & ~roster.leaving].sum(axis=0)
        for number, running in enumerate(roster.gangs)
        if int(roster.queue[number]) == by and running.preemptible and running.priority < gang.priority
    ]
    return sorted(found, key=lambda each: tuple(each.tolist()))


def _own_lane(lanes: dict[tuple[int, bool], int], made: list[Lane]) -> int:
    index = lanes.setdefault((-1, True), len(made))
    if index == len(made):
        made.append(Lane((Right(OWN_QUEUE),)))
    return index


def _reclaim_rights(
    book: Ledger, by: int, ours: int, ask: Matrix, policy: Policy, *, borrows: bool
) -> tuple[Right, ...]:
    """The alternatives, the stronger right first. A right that own victims could not bring about is left out."""
    line = book.line(by)
    below = line[: line.index(ours) + 1]
    guaranteed_at = below[:1] if policy.entitlement.guarantee_at == "leaf" else below
    asked = tuple(bool(each) for each in ask > 0)
    keep = policy.taking.after_loss == "mayNot"
    within_share = [Room(row, _bound(book.fair[row], ask)) for row in below]
    if not borrows:
        within_share.append(Room(ours, _bound(book.guaranteed[ours], ask)))
    return (
        Right(
            Permission.GUARANTEE.value,
            tuple(Room(row, _bound(book.guaranteed[row], ask)) for row in guaranteed_at),
            tuple(map(tuple, book.guaranteed.tolist())),
            asked,
            keep,
        ),
        Right(
            Permission.FAIR_SHARE.value,
            tuple(within_share),
            tuple(map(tuple, np.maximum(book.fair, book.guaranteed).tolist())),
            asked,
            keep,
        ),
    )


def _bound(most: Matrix, ask: Matrix) -> tuple[int, ...]:
    """What a queue may use in the columns that are asked for; elsewhere nothing binds."""
    return tuple(np.where(ask > 0, most, BOUNDLESS).tolist())


def _may_borrow(book: Ledger, by: int, running: Running, policy: Policy, *, lower: bool) -> bool:
    """Whether the gang may take this one while it takes its branch above its guarantee."""
    stated: Borrowing | None = None
    for row in book.line(by):
        stated = stated or book.queues[row].preemption.while_borrowing
    rule = policy.taking.borrowing if stated is None else stated.policy
    if rule == "Never" or (rule == "LowerPriority" and not lower):
        return False
    return stated is None or stated.max_priority is None or running.priority <= stated.max_priority


def _over(firm: Matrix, guaranteed: Matrix, line: Sequence[int], ask: Matrix) -> bool:
    """Whether work that cannot be taken back would stand above a guarantee."""
    return any(bool((firm[row] + ask > guaranteed[row])[ask > 0].any()) for row in line)


def _inherited(book: Ledger, row: int, which: str) -> float:
    for each in book.line(row):
        value = getattr(book.queues[each].preemption, _TIMES[which])
        if value is not None:
            return float(value)
    return 0.0


def _guarded(roster: Roster, guards: Guards, policy: Policy, lane: Indices) -> Mapping[str, int]:
    """A gang with a pod under two budgets, or under one that allows nothing, gives nothing: the eviction would be
    refused. The spent budgets that keep somebody, with the pods of them."""
    kept: Counter[str] = Counter()
    might = lane >= 0
    for number in np.flatnonzero(roster.traits.guarded[roster.gang] & ~roster.leaving).tolist():
        pod = roster.pods[number]
        if pod.guards:
            spent = guards.get(pod.guards[0], 0) <= 0 and not policy.taking.break_guards
            if len(pod.guards) > 1 or spent:
                lane[roster.gang[number]] = -1
            if spent and might[roster.gang[number]]:
                kept[pod.guards[0]] += 1
    return kept


def rank_of_branches(book: Ledger, by: int, roster: Roster, among: Mask) -> Indices:
    """[G] how far down the branch of each of these gangs stands among theirs by how far they are above their share."""
    rank = np.zeros(len(roster.gangs), dtype=np.int64)
    found = np.unique(roster.queue[among]).tolist()
    branch_of = {row: None if row == by else branches(book, by, row)[1] for row in found}
    shares = {row: dominant_share(book, row) for row in set(branch_of.values()) if row is not None}
    place = {share: index for index, share in enumerate(sorted(set(shares.values()), reverse=True))}
    for row, branch in branch_of.items():
        if branch is not None:
            rank[(roster.queue == row) & among] = place[shares[branch]]
    return rank
