"""A difference in the smallest world that still shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from tests.parity.cluster import Cluster
from tests.parity.compare import Difference
from tests.parity.rounds import play
from tests.parity.world import Document, World, name_of


def shrunk(cluster: Cluster, world: World, difference: Difference) -> str:
    """The documents of a world of which nothing can be left out, one per line, the judged pod last.

    Objects are left out in halves, then quarters, and so on; each attempt is judged by both sides.
    """

    def shows(attempt: World) -> bool:
        found = play(cluster, attempt).differences
        return any((each.pod, each.node) == (difference.pod, difference.node) for each in found)

    pod = next(each for each in world.judged if name_of(each) == difference.pod)
    world = replace(world, judged=(pod,))
    if not shows(world):
        return f"{difference.pod} alone, without the other judged pods, does not show it"
    running = _fewest(world.running, lambda kept: shows(replace(world, running=kept)))
    world = replace(world, running=running)
    cluster_objects = _fewest(world.cluster, lambda kept: shows(replace(world, cluster=kept)))
    world = replace(world, cluster=cluster_objects)
    return "\n".join(json.dumps(each) for each in (*world.cluster, *world.running, pod))


def _fewest(documents: tuple[Document, ...], shows: Callable[[tuple[Document, ...]], bool]) -> tuple[Document, ...]:
    """What is left when no part of a given size, down to one, can be left out any more."""
    part = max(1, len(documents) // 2)
    while True:
        start = 0
        while start < len(documents):
            without = documents[:start] + documents[start + part :]
            if shows(without):
                documents = without
            else:
                start += part
        if part == 1:
            return documents
        part = max(1, part // 2)
