"""What queues ask besides limits, where victims are chosen: nobody borrows what is not lendable, and counts hold.

Twice: as rules of a problem in which whoever may give way asks to stay, and as a plain check of what was found without
one. Who leaves counts no more as soon as this very decision names him; whoever leaves for others counts until he is
gone. A queue that holds more than it may keeps what it has, and gets nothing on top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from scheduler.core.facts.books import taken_by
from scheduler.core.queues.entitled import Entitled
from scheduler.core.queues.ledger import Ledger
from scheduler.core.queues.rules import counted_above, has_counts, keeps_to_itself, kept_of, line_of, queue_rules
from scheduler.core.taking.roster import Roster, summed_by
from scheduler.core.window import Ask
from scheduler.model.cluster import Holding, Mask, Snapshot
from scheduler.model.resources import PODS, Matrix, Resources, resources
from scheduler.model.work import Gang, Place
from scheduler.solver.build import QueueRules
from scheduler.solver.quota import CountRoom, Lending

Owner = tuple[str, str]
"""(leaf, user)."""


@dataclass(eq=False)
class Holds:
    """Who holds how much as a decision goes on, where queues count; and whether anybody keeps some of its guarantee."""

    by: dict[Owner, Holding]
    counts: bool
    lends: bool

    @classmethod
    def of(cls, snapshot: Snapshot) -> Holds:
        queues = snapshot.queues.values()
        return cls(dict(snapshot.held_by), any(map(has_counts, queues)), keeps_to_itself(queues))

    @property
    def binds(self) -> bool:
        return self.counts or self.lends

    def add(self, gang: Gang, pods: int, amounts: Resources) -> None:
        """So many pods of a gang were placed; each single pod is a gang of its own."""
        more = pods if gang.single else int(not gang.held)
        owner = (gang.queue, gang.user)
        self.by[owner] = _plus(self.by.get(owner, Holding(0, 0)), Holding(more, pods, amounts))


def held_with(snapshot: Snapshot, placed: Iterable[tuple[Ask, Sequence[Place]]]) -> Mapping[Owner, Holding]:
    """What is held once these have their places, too."""
    holds = Holds.of(snapshot)
    for ask, places in placed if holds.counts else ():
        shapes = {member.name: member.shape for member in ask.gang.members}
        pods, amounts = 0, Counter[str]()
        for place in places:
            for each in place.nodes:
                pods += each.count
                for resource, amount in taken_by(shapes[place.member], each.devices):
                    amounts[resource] += amount * each.count
        if pods:
            holds.add(ask.gang, pods, resources(amounts))
    return holds.by


def rules_of(
    snapshot: Snapshot,
    holds: Holds,
    book: Ledger,
    roster: Roster,
    in_play: Mask,
    taker: Gang,
    asks: Sequence[Gang],
    names: Sequence[str],
) -> QueueRules:
    """The rules of a problem in which the taker stands first and those ``in_play`` [P] ask to stay. ``names`` are its
    queues in their order."""
    if not holds.binds:
        return QueueRules()
    theirs = _held(roster, in_play)
    left = {owner: _minus(held, theirs.get(owner)) for owner, held in holds.by.items()}
    there = book.tree.summed(_charge(roster, in_play, len(book.names)))
    rules = queue_rules(
        replace(snapshot, held_by=left),
        (taker, *asks),
        names,
        snapshot.resources,
        lambda: Entitled(replace(book, use=book.use - there), {}),
    )
    users = {rules.users[gang.key]: gang.user for gang in (taker, *asks) if gang.key in rules.users}
    return QueueRules(
        lending=tuple(_roomy(each, snapshot, roster, in_play, names) for each in rules.lending),
        counts=tuple(
            _with_standing(each, snapshot, theirs, names[each.queue], users.get(each.user, "")) for each in rules.counts
        ),
        users=rules.users,
    )


def too_much(
    snapshot: Snapshot,
    holds: Holds,
    book: Ledger,
    roster: Roster,
    taker: Gang,
    taken: tuple[int, Resources, Matrix],
    evicted: Mask,
) -> bool:
    """Whether a plan would break lending or counts. ``taken`` is what the taker gets: pods, what they hold, and what
    that is [columns] in the ledger."""
    pods, amounts, charge = taken
    if holds.lends and taker.queue in book.names:
        own = np.zeros((len(book.names), len(book.columns)), dtype=np.int64)
        own[book.row(taker.queue)] = charge
        after = book.use + book.tree.summed(own - _charge(roster, evicted, len(book.names)))
        kept = kept_of(book)
        for column in np.flatnonzero(kept.any(axis=0)).tolist():
            if _lends_more(book, kept[:, column], book.use[:, column], after[:, column], column):
                return True
    return holds.counts and _counts_more(snapshot, holds, roster, taker, (pods, amounts), evicted)


def _lends_more(book: Ledger, kept: Matrix, before: Matrix, after: Matrix, column: int) -> bool:
    """Whether what counts at some queue, or at the top, is above what may, and more than before."""
    was, now = counted_above(book, kept, before), counted_above(book, kept, after)
    limit = book.limit[:, column]
    top = book.children(-1)
    in_all = int(np.maximum(now, kept)[top].sum())
    over_top = in_all > book.total[column] and in_all > int(np.maximum(was, kept)[top].sum())
    return over_top or bool(((now > limit) & (now > was)).any())


def _counts_more(
    snapshot: Snapshot, holds: Holds, roster: Roster, taker: Gang, taken: tuple[int, Resources], evicted: Mask
) -> bool:
    pods, amounts = taken
    gangs = pods if taker.single else int(not taker.held)
    owner = (taker.queue, taker.user)
    gone = _held(roster, evicted, whole=True)
    after = {each: _minus(held, gone.get(each)) for each, held in holds.by.items()}
    after[owner] = _plus(after.get(owner, Holding(0, 0)), Holding(gangs, pods, amounts))
    for name in line_of(snapshot.queues, taker.queue):
        counts = snapshot.queues[name].counts
        everybody = [each for each in {*after, owner} if name in line_of(snapshot.queues, each[0])]
        for among, most_gangs, most_pods, most in (
            (everybody, counts.gangs, counts.pods, ()),
            (
                [each for each in everybody if each[1] == taker.user],
                counts.user_gangs,
                counts.user_pods,
                counts.user_resources,
            ),
        ):
            was, now = _sum(holds.by, among), _sum(after, among)
            have, had = dict(now.amounts), dict(was.amounts)
            bounds = [(most_gangs, was.gangs, now.gangs), (most_pods, was.pods, now.pods)]
            bounds += [(bound, had.get(resource, 0), have.get(resource, 0)) for resource, bound in most]
            if any(bound is not None and count > bound and count > before for bound, before, count in bounds):
                return True
    return False


# --- in a problem -----------------------------------------------------------------------------------------------------


def _roomy(lending: Lending, snapshot: Snapshot, roster: Roster, in_play: Mask, names: Sequence[str]) -> Lending:
    """With room at least for everybody in play to stay."""
    at = {name: number for number, name in enumerate(names)}
    codes = snapshot.nodes.flavor_codes
    own = [0] * len(names)
    for pod in np.flatnonzero(in_play).tolist():
        queue = at.get(roster.gangs[roster.gang[pod]].queue, -1)
        flavor = -1 if codes is None else int(codes[roster.node[pod]])
        if queue >= 0 and lending.flavor in (-1, flavor):
            own[queue] += int(roster.room[pod, lending.resource])
    parents = [at.get(snapshot.queues[name].parent, -1) if name in snapshot.queues else -1 for name in names]
    counted = list(own)
    top = 0
    for queue in sorted(range(len(names)), key=lambda each: -len(line_of(snapshot.queues, names[each]))):
        beyond = max(0, counted[queue] - lending.kept[queue])
        if parents[queue] >= 0:
            counted[parents[queue]] += beyond
        else:
            top += beyond
    room = tuple(each if each < 0 else max(each, there) for each, there in zip(lending.room, counted, strict=True))
    return msgspec.structs.replace(lending, room=room, total=max(lending.total, top))


def _with_standing(
    bound: CountRoom, snapshot: Snapshot, theirs: Mapping[Owner, Holding], name: str, user: str
) -> CountRoom:
    """With room at least for everybody in play to stay; of one user, or where none is named of all."""
    mine = [each for each in theirs if user in ("", each[1]) and name in line_of(snapshot.queues, each[0])]
    held = _sum(theirs, mine)
    amounts = {**dict(held.amounts), PODS: held.pods}
    room = tuple(
        most if most < 0 else max(most, amounts.get(resource, 0))
        for resource, most in zip(snapshot.resources, bound.room, strict=True)
    )
    return msgspec.structs.replace(
        bound, gangs=bound.gangs if bound.gangs < 0 else max(bound.gangs, held.gangs), room=room
    )


# --- sums -------------------------------------------------------------------------------------------------------------


def _charge(roster: Roster, pods: Mask, queues: int) -> Matrix:
    """[queues x columns] what some pods are charged, in their own queues."""
    known = pods & (roster.queue[roster.gang] >= 0)
    return summed_by(roster.queue[roster.gang[known]], roster.charge[known], queues)


def _held(roster: Roster, pods: Mask, *, whole: bool = False) -> dict[Owner, Holding]:
    """What some pods are of what their owners hold. Each of their gangs counts; with ``whole`` those of which nothing
    else stays."""
    found: dict[Owner, Holding] = {}
    for number in np.unique(roster.gang[pods]).tolist():
        running = roster.gangs[number]
        mine = (roster.gang == number) & pods
        amounts: dict[str, int] = {}
        for pod in np.flatnonzero(mine).tolist():
            shape = running.members[int(roster.member[pod])].shape
            for resource, amount in taken_by(shape, roster.pods[pod].devices):
                amounts[resource] = amounts.get(resource, 0) + amount
        stays = whole and bool(((roster.gang == number) & ~roster.leaving & ~pods).any())
        owner = (running.queue, running.user)
        own = Holding(int(not stays), int(mine.sum()), resources(amounts))
        found[owner] = _plus(found.get(owner, Holding(0, 0)), own)
    return found


def _plus(one: Holding, other: Holding) -> Holding:
    amounts = dict(one.amounts)
    for resource, amount in other.amounts:
        amounts[resource] = amounts.get(resource, 0) + amount
    return Holding(one.gangs + other.gangs, one.pods + other.pods, resources(amounts))


def _minus(one: Holding, other: Holding | None) -> Holding:
    if other is None:
        return one
    less = dict(other.amounts)
    amounts = {resource: amount - less.get(resource, 0) for resource, amount in one.amounts}
    return Holding(one.gangs - other.gangs, one.pods - other.pods, resources(amounts))


def _sum(held: Mapping[Owner, Holding], owners: Sequence[Owner]) -> Holding:
    total = Holding(0, 0)
    for owner in owners:
        total = _plus(total, held.get(owner, Holding(0, 0)))
    return total
