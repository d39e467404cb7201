"""Tiny fleets, nearly full, with a tree of queues, gangs that run and one that waits. Amounts are whole GPUs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

GPUS_MAX = 16
FLAVORED, RULED = 0.2, 0.2
"""How many worlds have flavors, and how many queues that keep to themselves or count."""
NOW_SECONDS = 1000


@dataclass(frozen=True)
class Node:
    name: str
    rack: str
    gpus: int
    flavor: str = ""


@dataclass(frozen=True)
class Queue:
    """``guaranteed`` None: the sum of the children's; ``limit`` None: none. Older queues come first.

    ``by_flavor`` holds both for each flavor, in a world that has flavors. ``lendable`` None: all that is guaranteed;
    ``gangs_max`` None: any number of gangs may run below it.
    """

    name: str
    parent: str
    guaranteed: int | None
    limit: int | None
    weight: int = 1
    priority: int = 0
    within_queue: str = "LowerPriority"
    reclaim: str = "Any"
    by_flavor: tuple[tuple[str, int | None, int | None], ...] = ()
    lendable: int | None = None
    gangs_max: int | None = None


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
    """All of its pods or none; inside one rack where ``one_rack``. ``accepts`` are flavors, the preferred first: it is
    in one of them as a whole."""

    name: str
    queue: str
    priority: int
    gpus: int
    pods: int
    one_rack: bool = False
    preemptible: bool = True
    arrived_seconds: int = NOW_SECONDS
    accepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class World:
    """``guards`` say how many pods of each disruption budget may still be evicted. ``literal`` reads the right to take
    by its letter: a victim's branch alone has to be above what protects it, not the queues between, and an elastic
    gang may go at once instead of its surplus first. ``whole`` is the world that this one is one flavor of."""

    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    running: tuple[Running, ...]
    waiting: Waiting
    guards: tuple[tuple[str, int], ...] = ()
    moves: bool = True
    literal: bool = False
    whole: World | None = None

    @property
    def flavors(self) -> list[str]:
        return sorted({node.flavor for node in self.nodes if node.flavor})

    def rows(self, flavor: str) -> list[int]:
        """The nodes of a flavor."""
        return [row for row, node in enumerate(self.nodes) if node.flavor == flavor]

    def within(self, flavor: str) -> World:
        """All that there is of one flavor: its nodes, its quotas, and who runs there."""
        rows = self.rows(flavor)
        quotas = {queue.name: {name: both for name, *both in queue.by_flavor} for queue in self.queues}
        running = [replace(gang, on=tuple(gang.on[row] for row in rows)) for gang in self.running]
        return replace(
            self,
            nodes=tuple(self.nodes[row] for row in rows),
            queues=tuple(
                replace(queue, guaranteed=quotas[queue.name][flavor][0], limit=quotas[queue.name][flavor][1])
                for queue in self.queues
            ),
            running=tuple(gang for gang in running if gang.pods),
            whole=self,
        )

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
    world = World(nodes, queues, running, waiting, guards, moves=chance.random() < 0.7)
    more = Random(f"rules of world {seed}")
    kind = more.random()
    if kind < FLAVORED:
        return _flavored(world, more)
    return _with_rules(world, more) if kind < FLAVORED + RULED else world


def _flavored(world: World, chance: Random) -> World:
    """Two flavors with quotas of their own; each gang runs in one of them."""
    nodes = tuple(replace(node, flavor=f"f{number % 2}") for number, node in enumerate(world.nodes))
    inner = {queue.parent for queue in world.queues}
    queues = []
    for queue in world.queues:
        lines = []
        for flavor in ("f0", "f1"):
            guaranteed = chance.choice([None, None, 2]) if queue.name in inner else chance.choice([0, 0, 1, 2, 3])
            limit = chance.choice([None] * 7 + [max(guaranteed or 0, chance.randint(1, 4))])
            lines.append((flavor, guaranteed, limit))
        queues.append(replace(queue, guaranteed=None, limit=None, by_flavor=tuple(lines)))
    running = []
    for gang in world.running:
        halves = [sum(gang.on[flavor::2]) for flavor in (0, 1)]
        stays = halves.index(max(halves))
        on = tuple(count if number % 2 == stays else 0 for number, count in enumerate(gang.on))
        running.append(replace(gang, on=on, minimum=min(gang.minimum, sum(on)), preemptible=True))
    leaves = [queue.name for queue in queues if queue.name not in inner]
    for row, free in enumerate(replace(world, running=tuple(running)).free()):
        if free and chance.random() < 0.85:
            on = tuple(free if number == row else 0 for number in range(len(nodes)))
            priority, least, started = (
                chance.choice([0, 0, 1, 2]),
                chance.choice([free, 1]),
                chance.choice([0, 500, 900]),
            )
            running.append(Running(f"h{row}", chance.choice(leaves), priority, 1, on, least, started))
    accepts = chance.choice([("f0", "f1"), ("f1", "f0"), ("f0", "f1"), ("f1", "f0"), ("f0",), ("f1",)])
    waiting = replace(world.waiting, accepts=accepts, preemptible=True)
    return replace(world, nodes=nodes, queues=tuple(queues), running=tuple(running), waiting=waiting)


def _with_rules(world: World, chance: Random) -> World:
    """Some queues keep a part of what they are guaranteed, some count their gangs."""
    queues = tuple(
        replace(
            queue,
            lendable=chance.choice([None, chance.randint(0, queue.guaranteed)]) if queue.guaranteed else None,
            gangs_max=chance.choice([None, None, 1, 2, 3]),
        )
        for queue in world.queues
    )
    return replace(world, queues=queues)


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
