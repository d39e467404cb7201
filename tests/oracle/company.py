"""What pods of a tiny world ask of the pods around them, read off a whole plan."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.model.relations import LabelSet, PodSelector, Relations
from scheduler.model.work import Member
from tests.oracle.world import World

Role = tuple[LabelSet | None, Relations | None]
"""All that pods see of one another: labels, and what is asked for."""


def role(member: Member) -> Role:
    return (member.label_sets[0] if member.label_sets else None), member.shape.relations


def roles(world: World) -> list[Role]:
    """The distinct roles of pods that somebody may look at, or that look at others themselves."""
    found = dict.fromkeys(role(member) for gang in world.gangs for member in gang.members)
    return [each for each in found if each[0] is not None]


def agrees(world: World, pods: Mapping[Role, list[int]]) -> bool:
    """Whether every pod has the company that it asks for; ``pods`` per role are [nodes]."""
    return _together(world, pods) and all(
        _apart(world, pods, own) and _spread(world, pods, own) for _, own in pods if own is not None
    )


def _value(world: World, node: int, key: str) -> str | None:
    return world.nodes[node].labels.get(key)


def _matches(selector: PodSelector, labels: LabelSet | None) -> bool:
    """The selectors drawn here name the accepted values of one label."""
    if labels is None:
        return False
    own = dict(labels.labels)
    return all(own.get(each.key) in each.values for term in selector.terms for each in term.selector or ())


def _around(world: World, pods: Mapping[Role, list[int]], selector: PodSelector, key: str) -> dict[str, int]:
    """Matching pods by domain; domains without any are there too."""
    found = {value: 0 for node in range(len(world.nodes)) if (value := _value(world, node, key)) is not None}
    for (labels, _), counts in pods.items():
        if _matches(selector, labels):
            for node, count in enumerate(counts):
                value = _value(world, node, key)
                if value is not None:
                    found[value] += count
    return found


def _where(world: World, pods: Mapping[Role, list[int]], own: Relations, key: str) -> set[str | None]:
    """The domains where pods stand that ask so."""
    return {
        _value(world, node, key)
        for (_, asked), counts in pods.items()
        if asked == own
        for node, count in enumerate(counts)
        if count
    }


def _apart(world: World, pods: Mapping[Role, list[int]], own: Relations) -> bool:
    """Nobody whom a pod keeps away from is in its domain but itself."""
    for term in own.anti_affinity:
        around = _around(world, pods, term.selector, term.topology_key)
        itself = int(_matches(term.selector, own.own_labels))
        here = _where(world, pods, own, term.topology_key) - {None}
        if any(around[value] > itself for value in here if value is not None):
            return False
    return True


def _spread(world: World, pods: Mapping[Role, list[int]], own: Relations) -> bool:
    """Its domain has at most so many more than the one with the fewest; a node without the label is no place."""
    for each in own.spread:
        around = _around(world, pods, each.selector, each.topology_key)
        here = _where(world, pods, own, each.topology_key)
        if any(value is None or around[value] - min(around.values()) > each.max_skew for value in here):
            return False
    return True


def _together(world: World, pods: Mapping[Role, list[int]]) -> bool:
    """Whoever needs others near has somebody there who does not ask for the same, or they all begin in one domain with
    one of their own whom they look for."""
    for affinity in {own.affinity for _, own in pods if own is not None and own.affinity is not None}:
        carriers = {
            each: counts for each, counts in pods.items() if each[1] is not None and each[1].affinity == affinity
        }
        others = {each: counts for each, counts in pods.items() if each not in carriers}
        for key in affinity.topology_keys:
            here = {_value(world, node, key) for row in carriers.values() for node, count in enumerate(row) if count}
            if None in here:
                return False
            plain = _around(world, others, affinity.selector, key)
            lonely = {value for value in here if value is not None and not plain[value]}
            mutual = _around(world, carriers, affinity.selector, key)
            if len(lonely) > 1 or any(not mutual[value] for value in lonely):
                return False
    return True
