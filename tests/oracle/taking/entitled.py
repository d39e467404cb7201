"""Who is entitled to how many GPUs: guarantees, use and fair shares along the tree, by hand."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tests.oracle.taking.world import Queue, World


@dataclass(frozen=True)
class Entitled:
    """Per queue, whole subtrees; ``lendable`` is what the children of a queue's parent could lend one another."""

    guaranteed: dict[str, int]
    use: dict[str, int]
    fair: dict[str, int]
    above: dict[str, Fraction]
    """The dominant share: use above the guarantee, as a part of what could be lent, divided by weight."""


def entitled(world: World) -> Entitled:
    total = sum(node.gpus for node in world.nodes)
    guaranteed = {queue.name: _guaranteed(world, queue) for queue in world.queues}
    use = dict.fromkeys(guaranteed, 0)
    for gang in world.running:
        for name in world.line(gang.queue):
            use[name] += gang.gpus * gang.pods
    fair: dict[str, int] = {}
    _share(world, "", total, guaranteed, fair)
    return Entitled(guaranteed, use, fair, {name: _above(world, name) for name in use})


def _children(world: World, parent: str) -> list[Queue]:
    return [queue for queue in world.queues if queue.parent == parent]


def _guaranteed(world: World, queue: Queue) -> int:
    if queue.guaranteed is not None:
        return queue.guaranteed
    return sum(_guaranteed(world, child) for child in _children(world, queue.name))


def _wanted(world: World, queue: Queue) -> int:
    """What a queue and those below it ask for in all, what they use included, never above a limit on the way."""
    below = _children(world, queue.name)
    asked = sum(_wanted(world, child) for child in below)
    if not below:
        asked = sum(gang.gpus * gang.pods for gang in world.running if gang.queue == queue.name)
        asked += world.waiting.gpus * world.waiting.pods if world.waiting.queue == queue.name else 0
    return asked if queue.limit is None else min(asked, queue.limit)


def _share(world: World, parent: str, total: int, guaranteed: dict[str, int], fair: dict[str, int]) -> None:
    """Divides among the children of a queue: the guaranteed part first, then the surplus by priority and weight."""
    children = _children(world, parent)
    want = {queue.name: _wanted(world, queue) for queue in children}
    left = total
    for queue in children:
        fair[queue.name] = min(guaranteed[queue.name], want[queue.name], left)
        left -= fair[queue.name]
    for priority in sorted({queue.priority for queue in children}, reverse=True):
        for weighted in (True, False):
            bucket = [queue for queue in children if queue.priority == priority and (queue.weight > 0) == weighted]
            left = _pour(bucket, left, want, fair)
    for queue in children:
        _share(world, queue.name, fair[queue.name], guaranteed, fair)


def _pour(bucket: list[Queue], left: int, want: dict[str, int], fair: dict[str, int]) -> int:
    """In proportion to weight, nobody above what it wants; rests by the largest fraction, then to the older."""
    open_queues = [queue for queue in bucket if want[queue.name] > fair[queue.name]]
    while open_queues:
        weights = sum(queue.weight or 1 for queue in open_queues)
        exact = {queue.name: Fraction(left * (queue.weight or 1), weights) for queue in open_queues}
        full = [queue for queue in open_queues if want[queue.name] - fair[queue.name] <= exact[queue.name]]
        if not full:
            whole = {name: int(part) for name, part in exact.items()}
            rest = left - sum(whole.values())
            for name in sorted(exact, key=lambda each: whole[each] - exact[each])[:rest]:
                whole[name] += 1
            for name, part in whole.items():
                fair[name] += part
            return 0
        for queue in full:
            left -= want[queue.name] - fair[queue.name]
            fair[queue.name] = want[queue.name]
        open_queues = [queue for queue in open_queues if queue not in full]
    return left


def kept(world: World, queue: Queue) -> int:
    """What a queue does not lend of what it is guaranteed."""
    guaranteed = _guaranteed(world, queue)
    return 0 if queue.lendable is None else max(0, guaranteed - queue.lendable)


def _above(world: World, name: str) -> Fraction:
    """All flavors of the world together, where it is one of several."""
    whole = world.whole
    parts = [world] if whole is None else [whole.within(flavor) for flavor in whole.flavors]
    over = lendable = 0
    for part in parts:
        queue = part.queue(name)
        total = sum(node.gpus for node in part.nodes) - sum(kept(part, each) for each in part.queues)
        limit = part.queue(queue.parent).limit if queue.parent else None
        lendable += max(0, total if limit is None else min(total, limit))
        used = sum(gang.gpus * gang.pods for gang in part.running if name in part.line(gang.queue))
        over += max(0, used - _guaranteed(part, queue))
    if not over or not lendable:
        return Fraction(0)
    weight = world.queue(name).weight
    return Fraction(over, lendable * weight) if weight else Fraction(1 << 60)
