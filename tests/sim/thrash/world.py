"""What a world holds and what comes when, as values drawn from a seed: small enough to be cut down by hand."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

PRIORITIES = {"low": 1, "middle": 10, "high": 100, "polite": 50}
"""Values of the priority classes; work of the class ``polite`` makes nobody leave."""


class Node(msgspec.Struct, frozen=True):
    name: str
    rack: str
    gpus: int


class Queue(msgspec.Struct, frozen=True):
    """``preemption`` as in a Queue's specification."""

    name: str
    parent: str = ""
    guaranteed: int | None = None
    limit: int | None = None
    weight: int = 1
    priority: int = 0
    preemption: dict[str, Any] = {}


class Work(msgspec.Struct, frozen=True):
    """A gang, or (``pods`` 0) a single pod. ``kept`` of its pods stay by a PodDisruptionBudget, until its owner takes
    that back at ``freed_seconds``; without ``run_seconds`` it runs until it is deleted."""

    name: str
    queue: str
    at_seconds: float
    pods: int = 0
    minimum: int = 0
    gpus: int = 1
    priority: str = ""
    one_rack: bool = False
    preemptible: bool = True
    run_seconds: float | None = None
    grace_seconds: int = 5
    kept: int = 0
    freed_seconds: float | None = None


class World(msgspec.Struct, frozen=True):
    """``moves`` and ``solver`` say what the scheduler may do and with what; ``leave_seconds`` how long pods take to go,
    within their grace."""

    seed: int
    nodes: tuple[Node, ...]
    queues: tuple[Queue, ...]
    works: tuple[Work, ...]
    moves: bool = True
    solver: bool = False
    leave_seconds: tuple[float, float] = (0.1, 20.0)
    replace_seconds: tuple[float, float] = (0.1, 8.0)

    @property
    def last_seconds(self) -> float:
        """When nothing comes or is changed any more."""
        return max(max(each.at_seconds, each.freed_seconds or 0.0) for each in self.works)


def draw(seed: int) -> World:
    """The same world for the same seed, on any machine."""
    chance = Random(seed)
    nodes = tuple(
        Node(f"r{rack}n{index}", f"r{rack}", chance.choice([4, 8]))
        for rack in range(chance.choice([1, 2]))
        for index in range(chance.choice([1, 2, 2]))
    )
    queues = _tree(chance, sum(node.gpus for node in nodes))
    parents = {queue.parent for queue in queues}
    leaves = [queue.name for queue in queues if queue.name not in parents]
    works = [_gang(chance, f"gang{number}", leaves) for number in range(chance.randint(5, 11))]
    works += [_single(chance, f"single{number}", leaves) for number in range(chance.randint(0, 5))]
    return World(
        seed,
        nodes,
        queues,
        tuple(sorted(works, key=lambda each: each.at_seconds)),
        moves=chance.random() < 0.7,
        solver=chance.random() < 0.2,
        leave_seconds=chance.choice([(0.1, 20.0), (0.1, 2.0), (5.0, 30.0)]),
        replace_seconds=chance.choice([(0.1, 8.0), (0.05, 0.3)]),
    )


def _tree(chance: Random, gpus: int) -> tuple[Queue, ...]:
    """One to three levels. What leaves are guaranteed may be more or less than there is."""
    levels = chance.randint(1, 3)
    found: list[Queue] = []
    above = [""]
    for level in range(levels):
        last = level == levels - 1
        here = []
        for parent in above:
            for _ in range(chance.randint(2, 3) if level == 0 else chance.randint(1, 2)):
                name = f"q{len(found)}"
                guaranteed = chance.choice([0, 0, 2, 4, gpus // 3]) if last else chance.choice([None, None, gpus // 2])
                limit = chance.choice([None] * 6 + [max(guaranteed or 0, gpus // 2)])
                found.append(
                    Queue(
                        name,
                        parent,
                        guaranteed,
                        limit,
                        chance.choice([0, 1, 1, 1, 2, 3]),
                        chance.choice([0, 0, 0, 1]),
                        _preemption(chance),
                    )
                )
                here.append(name)
        above = here
    return tuple(found)


def _preemption(chance: Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "withinQueue": chance.choice(["LowerPriority"] * 3 + ["LowerOrNewerEqualPriority", "Never"]),
        "reclaim": chance.choice(["Any"] * 5 + ["LowerPriority", "Never"]),
    }
    if chance.random() < 0.2:
        found["minRuntime"] = {"preempt": "15s", "reclaim": chance.choice(["10s", "25s"])}
    if chance.random() < 0.1:
        found["delay"] = "5s"
    return found


def _gang(chance: Random, name: str, leaves: list[str]) -> Work:
    pods = chance.randint(1, 6)
    budget = chance.random() < 0.25
    return Work(
        name,
        chance.choice(leaves),
        round(chance.uniform(0.5, 60.0), 3),
        pods,
        chance.randint(1, pods) if chance.random() < 0.4 else pods,
        chance.choice([1, 1, 2, 4]),
        _priority(chance),
        one_rack=chance.random() < 0.2,
        preemptible=chance.random() < 0.9,
        run_seconds=_run_seconds(chance),
        grace_seconds=chance.choice([1, 5, 30]),
        kept=chance.randint(1, pods) if budget else 0,
        freed_seconds=round(chance.uniform(60.0, 100.0), 3) if budget and chance.random() < 0.5 else None,
    )


def _single(chance: Random, name: str, leaves: list[str]) -> Work:
    return Work(
        name,
        chance.choice(leaves),
        round(chance.uniform(0.5, 60.0), 3),
        gpus=chance.choice([1, 2, 4]),
        priority=_priority(chance),
        preemptible=chance.random() < 0.8,
        run_seconds=_run_seconds(chance),
        grace_seconds=chance.choice([1, 5, 30]),
    )


def _priority(chance: Random) -> str:
    return chance.choice(["low", "low", "middle", "middle", "high", "polite"])


def _run_seconds(chance: Random) -> float | None:
    """Most of it stays, so that the fleet is full."""
    return None if chance.random() < 0.7 else float(chance.randint(10, 60))
