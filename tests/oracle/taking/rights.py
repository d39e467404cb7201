"""Which sets of victims the gang that waits may take: by priority in its own queue, by entitlement from others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from tests.oracle.taking.entitled import Entitled, kept
from tests.oracle.taking.world import Running, World

Evicted = tuple[tuple[int, ...], ...]
"""[running gangs][nodes] pods that go."""


def evictable(world: World, gang: Running) -> bool:
    """Whether a gang may be a victim at all, entitlement aside."""
    taker = world.waiting
    rules = world.queue(taker.queue)
    lower = gang.priority < taker.priority
    if not gang.preemptible:
        return False
    if gang.queue == taker.queue:  # what runs is older than what comes now
        return rules.within_queue != "Never" and lower
    return rules.reclaim == "Any" or (rules.reclaim == "LowerPriority" and lower)


def branches(world: World, victim: str) -> tuple[str, str, list[str]]:
    """The taker's and the victim's ancestors one level below their lowest common one, and the taker's line up to its
    own."""
    ours, theirs = world.line(world.waiting.queue), world.line(victim)
    below = [name for name in ours if name not in theirs]
    return below[-1], [name for name in theirs if name not in ours][-1], below


def permitted(world: World, book: Entitled, evicted: Evicted) -> bool:
    """Whether the victims have an order in which each is above what protects it when it is taken: one surplus pod at a
    time, then all that is left of a gang; and whether the taker stays within its rights and its queues' limits."""
    taker = world.waiting
    after = dict(book.use)
    for gang, gone in zip(world.running, evicted, strict=True):
        for name in world.line(gang.queue):
            after[name] -= gang.gpus * sum(gone)
    for name in world.line(taker.queue):
        after[name] += taker.gpus * taker.pods
        limit = world.queue(name).limit
        if limit is not None and after[name] > max(limit, book.use[name]):
            return False  # whoever is above a limit already gets no further above it
        if not taker.preemptible and _firm(world, name) > book.guaranteed[name]:
            return False
        if _too_many_gangs(world, name, evicted):
            return False
    if _lends_too_much(world, book, after):
        return False
    sides = {
        branches(world, gang.queue)[0]
        for gang, gone in zip(world.running, evicted, strict=True)
        if _other(world, gang, gone)
    }
    options = [_floors(world, book, after, side) for side in sorted(sides)]
    return any(
        _has_order(world, book, evicted, dict(zip(sorted(sides), chosen, strict=True))) for chosen in product(*options)
    )


def _other(world: World, gang: Running, gone: Sequence[int]) -> bool:
    return gang.queue != world.waiting.queue and any(gone)


def _firm(world: World, name: str) -> int:
    """What a queue would hold that may not be taken back, the taker included."""
    taker = world.waiting
    own = [gang for gang in world.running if not gang.preemptible and name in world.line(gang.queue)]
    return sum(gang.gpus * gang.pods for gang in own) + taker.gpus * taker.pods


def _too_many_gangs(world: World, name: str, evicted: Evicted) -> bool:
    """Whether more gangs run below a queue than it counts, and more than before."""
    most = world.queue(name).gangs_max
    below = [(gang, gone) for gang, gone in zip(world.running, evicted, strict=True) if name in world.line(gang.queue)]
    left = sum(sum(gone) < gang.pods for gang, gone in below)
    return most is not None and left + 1 > max(most, len(below))


def _lends_too_much(world: World, book: Entitled, after: dict[str, int]) -> bool:
    """Whether at some queue, or at the top, more counts than may, and more than before: what a queue keeps to itself
    counts above it as if it were used."""
    was, now = _counted(world, "", book.use), _counted(world, "", after)
    if now > max(was, sum(node.gpus for node in world.nodes)):
        return True
    for queue in world.queues:
        was, now = _counted(world, queue.name, book.use), _counted(world, queue.name, after)
        if queue.limit is not None and now > max(was, queue.limit):
            return True
    return False


def _counted(world: World, name: str, use: dict[str, int]) -> int:
    children = [queue for queue in world.queues if queue.parent == name]
    below = sum(max(_counted(world, child.name, use), kept(world, child)) for child in children)
    return below if children else use[name]


def _floors(world: World, book: Entitled, after: dict[str, int], side: str) -> list[dict[str, int]]:
    """What protects the others, by each right that the taker has on its side up to a branch. The right of fair shares
    reaches no further down than guarantees, where a share is less than that (guarantees that do not fit together)."""
    line = world.line(world.waiting.queue)
    below = line[: line.index(side) + 1]
    protected = {name: max(share, book.guaranteed[name]) for name, share in book.fair.items()}
    rights = ((book.guaranteed, book.guaranteed), (book.fair, protected))
    return [floors for bounds, floors in rights if all(after[name] <= bounds[name] for name in below)]


def _has_order(world: World, book: Entitled, evicted: Evicted, floors: dict[str, dict[str, int]]) -> bool:
    units: list[tuple[Running, int]] = []
    for gang, gone in zip(world.running, evicted, strict=True):
        number, surplus = sum(gone), gang.pods - min(gang.minimum, gang.pods)
        if number == gang.pods and world.literal:
            units.append((gang, gang.gpus * number))
        else:
            units += [(gang, gang.gpus)] * min(number, surplus)
            units += [(gang, gang.gpus * (number - surplus))] if number > surplus else []
    dead_ends: set[tuple[int, ...]] = set()

    def taken(left: tuple[int, ...]) -> bool:
        if not left or left in dead_ends:
            return not left
        gone = [units[each] for each in range(len(units)) if each not in left]
        for each in left:
            if _is_above(world, book, units[each][0], gone, floors) and taken(
                tuple(other for other in left if other != each)
            ):
                return True
        dead_ends.add(left)
        return False

    return taken(tuple(range(len(units))))


def _is_above(
    world: World, book: Entitled, gang: Running, gone: list[tuple[Running, int]], floors: dict[str, dict[str, int]]
) -> bool:
    """Whether a victim's queues are above what protects them when these are gone already: all from its own up to its
    branch; to the letter, the branch alone."""
    if gang.queue == world.waiting.queue:
        return True
    ours, theirs, _ = branches(world, gang.queue)
    line = world.line(gang.queue)
    return all(
        book.use[name] - sum(gpus for other, gpus in gone if name in world.line(other.queue)) > floors[ours][name]
        for name in ([theirs] if world.literal else line[: line.index(theirs) + 1])
    )
