"""Who places, in which tier."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.openb.fgd import BestFit, Fgd
from tests.bench.openb.fleet import Fleet, Online
from tests.bench.openb.lists import Nodes, Pods, typical
from tests.bench.openb.ours import Ours
from tests.bench.openb.runs import Contender


@dataclass(frozen=True)
class Tier:
    """What a tier allows us; the baselines always place one pod at a time."""

    window: int


TIERS = {"T1": Tier(1), "T2": Tier(200), "T3": Tier(200), "T4": Tier(50)}


def contender(algorithm: str, tier: str, nodes: Nodes, pods: Pods) -> Contender:
    if algorithm == "ours":
        return Ours(nodes, pods)
    fleet = Fleet(nodes)
    if algorithm == "fgd":
        return Online(fleet, pods.shapes, Fgd(fleet, pods.shapes, *typical(pods)))
    return Online(fleet, pods.shapes, BestFit(fleet, pods.shapes))
