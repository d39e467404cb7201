"""Decisions of one plan, looked at together: who goes for one of them may turn out not to be needed by what goes for
others after it. Such a decision is put off: the next one finds that room, and waits for it without taking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.rights import OWN_QUEUE
from scheduler.core.taking.roster import Indices, Roster
from scheduler.model.cluster import Mask
from scheduler.model.plan import Decision
from scheduler.model.resources import Matrix
from scheduler.model.work import GangKey


def put_off(
    decisions: Sequence[Decision],
    roster: Roster,
    book: Ledger,
    queue_of: Mapping[GangKey, str],
    fronts: Mapping[GangKey, GangKey | None],
) -> set[GangKey]:
    """The gangs (by key) whose decisions take somebody who could stay once all of the plan is carried out, and who
    cannot go on without them. ``roster`` and ``book`` are as the plan leaves them; ``fronts`` say who stands in front
    of a gang in a queue that serves strictly in order."""
    taking = [each for each in decisions if each.taken is not None]
    if len(taking) < 2:
        return set()
    spare = roster.free + roster.room_on(roster.leaving)
    fits: Mask = roster.claimed & (spare[roster.node] >= roster.room).all(axis=1)
    if not fits.any():
        return set()
    row_of = {pod.uid: row for row, pod in enumerate(roster.pods)}
    found = set()
    for decision in taking[:-1]:  # whoever goes for the last one is needed for it
        units = _units(decision, roster, row_of)
        limited = book.line(book.row(queue_of[decision.gang])) if queue_of[decision.gang] in book.names else []
        if any(
            fits[unit].all()
            and _fit(unit, roster, spare)
            and _is_whole_with(unit, roster)
            and not _over_limit(unit, roster, book, limited)
            for unit in units
        ):
            found.add(decision.gang)
    late = found | _who_waits_for(found, decisions, roster, row_of, fronts)
    return set() if all(each.gang in late for each in taking) else late


def _who_waits_for(
    late: set[GangKey],
    decisions: Sequence[Decision],
    roster: Roster,
    row_of: Mapping[str, int],
    fronts: Mapping[GangKey, GangKey | None],
) -> set[GangKey]:
    """Who would pass somebody who is put off, or whose decision names pods that were to go for him: nobody
    asks those to go now."""
    taker: dict[str, GangKey] = {}
    found = set(late)
    for decision in decisions:
        if fronts.get(decision.gang) in found:
            found.add(decision.gang)
        taker.update(dict.fromkeys((pod.uid for move in decision.moves for pod in move.pods), decision.gang))
        for victim in decision.victims:
            if roster.claimed[row_of[victim.uid]] and taker.setdefault(victim.uid, decision.gang) in found:
                found.add(decision.gang)
    return found


def _is_whole_with(unit: Indices, roster: Roster) -> bool:
    """Whether the gang of a unit is there in whole with it: others of its pods may go for others."""
    mine = roster.gang == roster.gang[unit[0]]
    gone = int((mine & roster.claimed).sum()) - len(unit)
    least = int(roster.traits.least[roster.gang[unit[0]]])
    return gone == 0 or (least >= 0 and int((mine & ~roster.leaving).sum()) + len(unit) >= least)


def _units(decision: Decision, roster: Roster, row_of: Mapping[str, int]) -> Iterator[Indices]:
    """Whom a decision takes itself: whole gangs, and surplus pods one by one; nobody where some of the own queue go so
    that it is entitled to take others."""
    assert decision.taken is not None
    losses = {loss.gang: loss for loss in decision.taken.losses}
    rights = {loss.right == OWN_QUEUE for loss in decision.taken.losses}
    if len(rights) > 1:
        return
    rows = [row_of[victim.uid] for victim in decision.victims]
    for key, loss in losses.items():
        own = [row for row in rows if roster.gangs[roster.gang[row]].key == key]
        parts = [own] if loss.whole else [[row] for row in own]
        yield from (np.array(part, dtype=np.int64) for part in parts if part)


def _fit(unit: Indices, roster: Roster, spare: Matrix) -> bool:
    need = np.zeros_like(spare)
    np.add.at(need, roster.node[unit], roster.room[unit])
    return bool((need <= spare).all())


def _over_limit(unit: Indices, roster: Roster, book: Ledger, line: Sequence[int]) -> bool:
    """Whether a queue of the taker would be above its limit if they stayed."""
    row = int(roster.queue[roster.gang[unit[0]]])
    theirs = set(book.line(row)) if row >= 0 else set()
    more = roster.charge[unit].sum(axis=0)
    return any(bool((book.use[each] + more > book.limit[each]).any()) for each in line if each in theirs)
