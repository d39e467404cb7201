"""What a plan changes, by the names of the scenario: pods placed, evicted and moved per gang, member and node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scheduler.core.facts.devices import Uses
from scheduler.model.plan import Plan
from scheduler.model.work import GangKey, Place
from scheduler.scenario.gangs import GangPlan
from scheduler.scenario.state import gang_of_pod

Spots = Counter[tuple[str, str, Uses]]
"""Pods by (member, node, parts of its devices)."""


@dataclass(frozen=True)
class Changes:
    placed: Mapping[str, Spots]
    evicted: Mapping[str, int]
    moved: Mapping[str, Spots] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, plans: Mapping[GangKey, GangPlan]) -> Changes:
        placed: dict[str, Spots] = {}
        victims: dict[str, None] = {}
        moved: dict[str, Spots] = {}
        for decision in plan.decisions:
            placed[plans[decision.gang].name] = _spots(decision.places)
            victims |= dict.fromkeys(victim.uid for victim in decision.victims)
            for move in decision.moves:
                moved.setdefault(plans[move.gang].name, Counter()).update(_spots(move.places))
        evicted = Counter(gang_of_pod(uid) for uid in victims)  # several may wait for one that goes once
        return cls(placed, dict(evicted), moved)

    def nodes(self, gang: str, members: Iterable[str] | None = None) -> Counter[str]:
        """Pods by node of what this plan gives a gang, or some of its members, whether placed or moved."""
        wanted = None if members is None else set(members)
        found: Counter[str] = Counter()
        for spots in (self.placed.get(gang), self.moved.get(gang)):
            for (member, node, _), count in (spots or Counter()).items():
                if wanted is None or member in wanted:
                    found[node] += count
        return found

    def devices(self, gang: str) -> Counter[str]:
        """Pods of a gang by device (``n0/g1``): a pod with parts of several counts on each."""
        found: Counter[str] = Counter()
        for (_, node, uses), count in (self.placed.get(gang) or Counter()).items():
            for use in uses:
                found[f"{node}/g{use.index}"] += count
        return found


def _spots(places: Iterable[Place]) -> Spots:
    found: Spots = Counter()
    for place in places:
        for each in place.nodes:
            found[(place.member, each.node, each.devices)] += each.count
    return found
