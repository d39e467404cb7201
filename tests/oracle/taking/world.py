"""Tiny fleets, nearly full, with a tree of queues, gangs that run and one that waits. Amounts are whole GPUs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

GPUS_MAX = 16
NOW_SECONDS = 1000


@dataclass(frozen=True)
class Node:
    name: str
    rack: str
    gpus: int


@dataclass(frozen=True)
class Queue:
    """``guaranteed`` None: the sum of the children's; ``limit`` None: none. Older queues come first."""

    name: str
    parent: str
    guaranteed: int | None
    limit: int | None
    weight: int = 1
    priority: int = 0
    within_queue: str = "LowerPriority"
    reclaim: str = "Any"


@dataclass(frozen=True)
class Running:
    """``on`` are pods per node, each of ``gpus``; above ``minimum`` they are surplus."""

    name: str
    queue: str
    priority: int
    gpus: int
    on: tuple[int, ...]
    minimum: int
    started_seconds: int
    preemptible: bool = True
    movable: bool = True
    guard: str = ""

    @property
    def pods(self) -> int:
        return sum(self.on)


@dataclass(frozen=True)
class Waiting:
    """All of its pods or none; inside one rack where ``one_rack``."""

    name: str
    queue: str
    priority: int
    gpus: int
    pods: int
    one_rack: bool = False
    preemptible: bool = True
    arrived_seconds: int = NOW_SECONDS


@dataclass(frozen=True)
class World:
    """``guards`` say how many pods of each disruption budget may still be evicted. ``literal`` reads the right to take
    by its letter: a victim's branch alone has to be above what protects it, not the queues between, and an elastic
    gang may go at once instead of its surplus first."""

    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    running: tuple[Running, ...]
    waiting: Waiting
    guards: tuple[tuple[str, int], ...] = ()
    moves: bool = True
    literal: bool = False

    def queue(self, name: str) -> Queue:
        return next(queue for queue in self.queues if queue.name == name)

    def line(self, name: str) -> list[str]:
        """A queue and everything above it, the queue first."""
        found = []
        while name:
            found.append(name)
            name = self.queue(name).parent
        return found

    def free(self) -> list[int]:
        taken = [sum(gang.gpus * gang.on[node] for gang in self.running) for node in range(len(self.nodes))]
        return [node.gpus - used for node, used in zip(self.nodes, taken, strict=True)]


def draw(seed: int) -> World:
    """The same world for the same seed, on any machine."""
    chance = Random(seed)
    nodes = _nodes(chance)
    queues = _queues(chance)
    parents = {queue.parent for queue in queues}
    leaves = [queue.name for queue in queues if queue.name not in parents]
    running = _within_guarantees(queues, _running(chance, nodes, leaves))
    use = {name: sum(gang.gpus * gang.pods for gang in running if gang.queue == name) for name in leaves}
    poor = min(leaves, key=lambda name: use[name])
    waiting = Waiting(
        "taker",
        chance.choice([poor, poor, chance.choice(leaves)]),
        chance.choice([0, 1, 1, 2]),
        chance.choice([1, 1, 1, 2]),
        chance.choice([1, 1, 2, 2, 3]),
        one_rack=chance.random() < 0.3,
        preemptible=chance.random() < 0.85,
    )
    guards = tuple((name, chance.choice([0, 1, 2])) for name in ("pdb0", "pdb1"))
    return World(nodes, queues, running, waiting, guards, moves=chance.random() < 0.7)


def _within_guarantees(queues: tuple[Queue, ...], running: tuple[Running, ...]) -> tuple[Running, ...]:
    """The gangs, of which only those that may not be taken back that their queues are guaranteed the room for."""
    left = {queue.name: queue.guaranteed for queue in queues}
    parents = {queue.name: queue.parent for queue in queues}
    found = []
    for gang in running:
        line = [gang.queue, parents[gang.queue], parents[parents[gang.queue]]]
        room = [amount for name in line if (amount := left[name]) is not None]
        firm = not gang.preemptible and gang.gpus * gang.pods <= min(room)
        for name in line if firm else ():
            amount = left[name]
            left[name] = None if amount is None else amount - gang.gpus * gang.pods
        found.append(replace(gang, preemptible=not firm))
    return tuple(found)


def _nodes(chance: Random) -> tuple[Node, ...]:
    size = chance.choice([2, 2, 4])
    count = chance.randint(2, 4)
    return tuple(
        Node(f"n{number}", f"r{number % 2}", chance.choice([size, size, max(1, size - 1)])) for number in range(count)
    )


def _queues(chance: Random) -> tuple[Queue, ...]:
    """Three levels: organisations, departments, teams."""

    def queue(name: str, parent: str, *, leaf: bool) -> Queue:
        guaranteed = chance.choice([0, 0, 1, 2, 3]) if leaf else chance.choice([None, None, None, 2, 4])
        limit = chance.choice([None] * 7 + [max(guaranteed or 0, chance.randint(2, 8))])
        return Queue(
            name,
            parent,
            guaranteed,
            limit,
            chance.choice([1, 1, 1, 2, 3, 0]),
            chance.choice([0, 0, 0, 1]),
            chance.choice(["LowerPriority"] * 3 + ["LowerOrNewerEqualPriority", "Never"]),
            chance.choice(["Any"] * 5 + ["LowerPriority", "Never"]),
        )

    found = []
    for org in range(chance.choice([1, 2, 2])):
        found.append(queue(f"o{org}", "", leaf=False))
        for department in range(chance.randint(1, 2)):
            name = f"o{org}d{department}"
            found.append(queue(name, f"o{org}", leaf=False))
            found += [queue(f"{name}t{team}", name, leaf=True) for team in range(chance.randint(1, 2))]
    return tuple(found)


def _running(chance: Random, nodes: tuple[Node, ...], leaves: list[str]) -> tuple[Running, ...]:
    free = [node.gpus for node in nodes]
    found: list[Running] = []
    for number in range(chance.randint(3, 7)):
        gpus = chance.choice([1, 1, 1, 2])
        on = [0] * len(nodes)
        for _ in range(chance.randint(1, 3)):
            open_nodes = [node for node, left in enumerate(free) if left >= gpus]
            if open_nodes:
                node = chance.choice(open_nodes)
                on[node] += 1
                free[node] -= gpus
        if any(on):
            found.append(
                Running(
                    f"g{number}",
                    chance.choice(leaves),
                    chance.choice([0, 0, 1, 2]),
                    gpus,
                    tuple(on),
                    chance.choice([sum(on), sum(on), 1]),
                    chance.choice([0, 500, 500, 900]),
                    preemptible=chance.random() < 0.9,
                    movable=chance.random() < 0.7,
                    guard=chance.choice(["", "", "", "", "pdb0", "pdb1"]),
                )
            )
    return tuple(found)
