"""One world judged by both sides."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.parity.cluster import Cluster, Judgement
from tests.parity.compare import Difference, differences
from tests.parity.ours import Muster, Opinion
from tests.parity.world import World, name_of

ASKED_AGAIN_MAX = 3
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Round:
    """What both sides say of every pod of a world, and where they differ."""

    world: World
    theirs: Mapping[str, Judgement]
    ours: Mapping[str, Opinion]
    differences: tuple[Difference, ...]


def play(cluster: Cluster, world: World) -> Round:
    """Load a world, let both sides judge, and clear it away.

    kube-scheduler watches each kind on a connection of its own, and nothing says when it has seen everything: where it
    differs it is asked again after a pause. Nothing changes meanwhile, so a real difference stays.
    """
    cluster.load(world)
    try:
        theirs = cluster.judge(world.judged)
        ours = Muster(cluster.items).judge()
        found = tuple(differences(world.seed, theirs, ours))
        for attempt in range(ASKED_AGAIN_MAX):
            doubtful = {each.pod for each in found}
            if not doubtful:
                break
            time.sleep(PAUSE_SECONDS * (attempt + 1))
            cluster.forget()
            theirs |= cluster.judge([pod for pod in world.judged if name_of(pod) in doubtful])
            found = tuple(differences(world.seed, theirs, ours))
    finally:
        cluster.clear()
    return Round(world, theirs, ours, found)
