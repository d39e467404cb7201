"""Who places, in which tier."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.openb.fgd import BestFit, Fgd
from tests.bench.openb.fleet import Fleet, Online
from tests.bench.openb.lists import Nodes, Pods, typical
from tests.bench.openb.ours import Ours, OursInWindows
from tests.bench.openb.runs import Contender


@dataclass(frozen=True)
class Tier:
    """What a tier allows us, and its usual window; the baselines always place one pod at a time."""

    window: int
    retries: bool = False
    moves: bool = False


TIERS = {"T1": Tier(1), "T2": Tier(200), "T3": Tier(500, retries=True), "T4": Tier(50, moves=True)}


def contender(algorithm: str, tier: str, nodes: Nodes, pods: Pods, fgd_coverage: float) -> Contender:
    """``fgd_coverage``: which part of the pods the target workload of FGD covers."""
    if algorithm == "ours" and tier == "T1":
        return Ours(nodes, pods)
    if algorithm == "ours":
        return OursInWindows(nodes, pods, retries=TIERS[tier].retries, moves=TIERS[tier].moves)
    fleet = Fleet(nodes)
    if algorithm == "fgd":
        return Online(fleet, pods.shapes, Fgd(fleet, pods.shapes, *typical(pods, fgd_coverage)))
    return Online(fleet, pods.shapes, BestFit(fleet, pods.shapes))
