"""Why nothing is taken back for a gang, as facts."""

from __future__ import annotations

from collections import Counter

import numpy as np

from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.rights import Rights
from scheduler.core.taking.roster import Roster
from scheduler.core.taking.waiting import grows
from scheduler.model.cluster import Mask
from scheduler.model.plan import Refusal
from scheduler.model.resources import Matrix
from scheduler.model.running import Guards
from scheduler.model.work import Gang

BUDGETS_NAMED_MAX = 3


def why_not(
    gang: Gang, ask: Matrix, rights: Rights, may_move: Mask, book: Ledger, roster: Roster, guards: Guards
) -> tuple[Refusal, ...]:
    """What stands in its own way first, then what protects the others; empty where nothing runs."""
    if not roster.gangs:
        return ()
    if own := may_not_yet(gang, rights):
        return own
    found = _not_entitled(ask, rights, book)
    protected = _protected(gang, rights, roster, guards)
    if protected:
        found += (Refusal("taking", "Protected", counts=protected),)
    if not found and ((rights.lane >= 0).any() or may_move.any()):
        found = (Refusal("taking", "NoRoom"),)
    return found


def may_not_yet(gang: Gang, rights: Rights) -> tuple[Refusal, ...]:
    """What keeps a gang from taking anything at all, whoever runs."""
    if not gang.preempts:
        return (Refusal("taking", "Never"),)
    if gang.gives_way:
        return (Refusal("taking", "GivesWay"),)
    if rights.waits_seconds > 0:
        return (Refusal("taking", "Delay", needed=int(np.ceil(rights.waits_seconds))),)
    if rights.needed and not (rights.lane >= 0).any():
        return (Refusal("taking", "Protected", counts=(("no-surplus", rights.needed),)),)
    return ()


def short_budgets(rights: Rights, roster: Roster, guards: Guards) -> tuple[Refusal, ...]:
    """The budgets that let fewer pods go than might be evicted but for them, those with the most such pods first."""
    if not guards:
        return ()
    might = Counter(rights.spent)
    gives = (rights.lane >= 0) & roster.traits.guarded
    for number in np.flatnonzero(gives[roster.gang] & ~roster.leaving).tolist():
        might.update(roster.pods[number].guards)
    short = [(pods, key) for key, pods in might.items() if pods > guards.get(key, 0)]
    return tuple(
        Refusal("taking", "Budget", pods, max(0, guards.get(key, 0)), where=key)
        for pods, key in sorted(short, key=lambda each: (-each[0], each[1]))[:BUDGETS_NAMED_MAX]
    )


def _not_entitled(ask: Matrix, rights: Rights, book: Ledger) -> tuple[Refusal, ...]:
    """The queue that would be above what it is entitled to, where no right of any lane holds: by its most generous
    right."""
    refusals: dict[tuple[str, str], Refusal] = {}
    for lane in rights.lanes:
        failing: list[Refusal] = []
        for right in lane.rights:
            over = [
                Refusal(
                    "taking",
                    "NotEntitled",
                    int(book.use[room.row, column] + ask[column]),
                    most,
                    book.columns[column][0],
                    book.names[room.row],
                )
                for room in right.rooms
                for column, most in enumerate(room.most)
                if right.asked[column] and most < BOUNDLESS and book.use[room.row, column] + ask[column] > most
            ]
            if not over:
                return ()
            failing.append(over[0])
        best = max(failing, key=lambda each: each.offered)
        refusals.setdefault((best.where, best.resource), best)
    return tuple(refusals.values())


def _protected(gang: Gang, rights: Rights, roster: Roster, guards: Guards) -> tuple[tuple[str, int], ...]:
    """Running gangs that may not be taken, by what protects them: (reason, gangs)."""
    counts: Counter[str] = Counter()
    for number in np.flatnonzero(rights.lane < 0).tolist():
        running = roster.gangs[number]
        budgets = [key for pod in running.pods for key in pod.guards]
        if running.key == gang.key or all(pod.leaving for pod in running.pods):
            continue
        if not running.preemptible:
            counts["not-preemptible"] += 1
        elif any(len(pod.guards) > 1 for pod in running.pods):
            counts["two-budgets"] += 1
        elif any(guards.get(key, 0) <= 0 for key in budgets):
            counts["budget-spent"] += 1
        elif running.queue == gang.queue and not grows(gang):
            counts["own-queue-priority"] += 1
    counts["no-surplus"] = rights.needed
    if not grows(gang):
        kept = ~rights.whole & (rights.lane >= 0)
        counts["moving"] += int((kept & roster.moved).sum())
        counts["minimum-run-time"] += int((kept & ~roster.moved).sum())
    return tuple(sorted((reason, count) for reason, count in counts.items() if count))
