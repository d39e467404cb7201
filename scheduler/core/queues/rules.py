"""What queues ask of a plan besides their limits, in the terms of a problem: order, lending, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.entitled import Entitled
from scheduler.core.queues.ledger import Ledger
from scheduler.model.cluster import Snapshot
from scheduler.model.queue import Counts, Queue
from scheduler.model.resources import PODS, Matrix
from scheduler.model.work import Gang, GangKey
from scheduler.solver.build import QueueRules
from scheduler.solver.quota import CountRoom, Lending

STRICT = "StrictFIFO"


def queue_rules(
    snapshot: Snapshot,
    gangs: Sequence[Gang],
    names: Sequence[str],
    resources: tuple[str, ...],
    entitled: Callable[[], Entitled],
) -> QueueRules:
    """``names`` and ``resources`` are the queues and columns of the problem in their order. The ledger is asked for
    only where somebody lends less than its guarantee."""
    queues = snapshot.queues
    known = [queues[name] for name in names if name in queues]
    users = _users(gangs, known)
    return QueueRules(
        fronts=_fronts(gangs, queues) if any(queue.order == STRICT for queue in known) else {},
        lending=tuple(_lending(snapshot, names, entitled().book)) if keeps_to_itself(queues.values()) else (),
        counts=tuple(_counts(snapshot, gangs, names, users, resources)),
        users={gang.key: users[gang.user] for gang in gangs if gang.user in users} if users else {},
    )


def serves_strictly(queues: Mapping[str, Queue]) -> frozenset[str]:
    """The leaves in which nobody passes whoever waits in front."""
    return frozenset(name for name, queue in queues.items() if queue.order == STRICT)


def counts_users(queues: Mapping[str, Queue]) -> bool:
    return any(counts_of_users(queue) for queue in queues.values())


# --- order ------------------------------------------------------------------------------------------------------------


def _fronts(gangs: Sequence[Gang], queues: Mapping[str, Queue]) -> dict[GangKey, GangKey]:
    """Each gang of a strict queue with the one right before it. What needs no pods (it has its minima) waits for
    nobody, and nobody waits for it."""
    last: dict[str, GangKey] = {}
    found: dict[GangKey, GangKey] = {}
    ordered = sorted(gangs, key=lambda gang: (-gang.priority, gang.arrived_seconds, gang.key))
    for gang in ordered:
        if queues[gang.queue].order != STRICT or _needs_nothing(gang):
            continue
        if gang.queue in last:
            found[gang.key] = last[gang.queue]
        last[gang.queue] = gang.key
    return found


def _needs_nothing(gang: Gang) -> bool:
    return not gang.branches[0].minimum and not any(member.minimum for member in gang.members)


# --- lending ----------------------------------------------------------------------------------------------------------


def _lending(snapshot: Snapshot, names: Sequence[str], book: Ledger) -> Iterator[Lending]:
    """Per column in which somebody keeps a part of its guarantee to itself. What it keeps counts above it as if it were
    used, whether it is or not."""
    kept = kept_of(book)
    for column in np.flatnonzero(kept.any(axis=0)).tolist():
        resource, flavor = book.columns[column]
        if resource not in snapshot.resources or (flavor and flavor not in snapshot.nodes.flavors):
            continue
        counted = counted_above(book, kept[:, column], book.use[:, column])
        at = [book.tree.rows.get(name, -1) for name in names]
        above = np.maximum(counted, kept[:, column])
        top = sum(int(above[row]) for row in book.children(-1))
        limit = book.limit[:, column]
        yield Lending(
            resource=snapshot.resources.index(resource),
            flavor=snapshot.nodes.flavors.index(flavor) if flavor else -1,
            kept=tuple(0 if row < 0 else max(0, int(kept[row, column] - counted[row])) for row in at),
            room=tuple(
                -1 if row < 0 or limit[row] >= BOUNDLESS else max(0, int(limit[row] - counted[row])) for row in at
            ),
            total=max(0, book.total[column] - top),
        )


def keeps_to_itself(queues: Iterable[Queue]) -> bool:
    """Whether somebody lends less than it is guaranteed."""
    return any(
        quota.lendable is not None and quota.lendable < (quota.guaranteed or 0)
        for queue in queues
        for quota in queue.quotas
    )


def kept_of(book: Ledger) -> Matrix:
    """[queues x columns] what each keeps of its guarantee to itself."""
    return np.asarray(np.maximum(book.guaranteed - np.minimum(book.lendable, book.guaranteed), 0))


def counted_above(book: Ledger, kept: Matrix, use: Matrix) -> Matrix:
    """[queues] what counts at each queue of one column: its own use, and of its children what they use or keep."""
    below: Matrix = np.zeros(len(book.names), dtype=np.int64)
    own = use.copy()
    for row, parent in enumerate(book.parents):
        if parent >= 0:
            own[parent] -= use[row]
    for row in reversed(range(len(book.names))):  # children stand behind their parents
        below[row] += own[row]
        if book.parents[row] >= 0:
            below[book.parents[row]] += max(below[row], kept[row])
    return below


# --- counts -----------------------------------------------------------------------------------------------------------


def _users(gangs: Sequence[Gang], known: Sequence[Queue]) -> dict[str, int]:
    if not any(counts_of_users(queue) for queue in known):
        return {}
    return {user: number for number, user in enumerate(sorted({gang.user for gang in gangs}))}


def has_counts(queue: Queue) -> bool:
    return queue.counts != Counts()


def counts_of_users(queue: Queue) -> bool:
    counts = queue.counts
    return counts.user_gangs is not None or counts.user_pods is not None or bool(counts.user_resources)


def _counts(
    snapshot: Snapshot,
    gangs: Sequence[Gang],
    names: Sequence[str],
    users: Mapping[str, int],
    resources: tuple[str, ...],
) -> Iterator[CountRoom]:
    leaves = {gang.queue for gang in gangs}
    for number, name in enumerate(names):
        queue = snapshot.queues.get(name)
        if queue is None or queue.counts == Counts():
            continue
        below = {leaf for leaf in leaves if name in line_of(snapshot.queues, leaf)}
        counts = queue.counts
        if below and (counts.gangs is not None or counts.pods is not None):
            yield _room(snapshot, resources, name, number, Counts(counts.gangs, counts.pods))
        if below and counts_of_users(queue):
            of_user = Counts(counts.user_gangs, counts.user_pods, user_resources=counts.user_resources)
            for user in sorted({gang.user for gang in gangs if gang.queue in below}):
                yield _room(snapshot, resources, name, number, of_user, user, users[user])


def _room(
    snapshot: Snapshot,
    resources: tuple[str, ...],
    queue: str,
    number: int,
    most: Counts,
    user: str = "",
    user_number: int = -1,
) -> CountRoom:
    """What is left of ``most`` (its gangs, pods and resources) for one user, or where none is named for everybody."""
    gangs = pods = 0
    held: dict[str, int] = {}
    for (leaf, owner), holding in snapshot.held_by.items():
        if user in ("", owner) and queue in line_of(snapshot.queues, leaf):
            gangs += holding.gangs
            pods += holding.pods
            for resource, amount in holding.amounts:
                held[resource] = held.get(resource, 0) + amount
    bounds = dict(most.user_resources)
    if most.pods is not None:
        bounds[PODS], held[PODS] = most.pods, pods
    return CountRoom(
        queue=number,
        user=user_number,
        gangs=-1 if most.gangs is None else max(0, most.gangs - gangs),
        room=tuple(max(0, bounds[each] - held.get(each, 0)) if each in bounds else -1 for each in resources),
    )


def line_of(queues: Mapping[str, Queue], name: str) -> list[str]:
    """A queue and its ancestors; those who are admitted have no cycle above them."""
    line = []
    while name in queues and name not in line:
        line.append(name)
        name = queues[name].parent
    return line
