"""Who is looked at in one cycle: the order of service, its limit, and equal single pods as one ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from scheduler.model.policy import Limits
from scheduler.model.work import Branch, Gang, GangKey, Member


class Ask(msgspec.Struct, frozen=True):
    """One entry of the window: a gang, or single pods of equal shape, queue and priority as one elastic gang."""

    gang: Gang
    singles: tuple[Gang, ...] = ()


def ranked(gangs: Iterable[Gang]) -> list[Gang]:
    """Priority, then age; ties by name, so that the order never depends on how the work was found."""
    return sorted(gangs, key=lambda gang: (-gang.priority, gang.arrived_seconds, gang.key))


def window(gangs: Sequence[Gang], limits: Limits) -> tuple[list[Ask], list[GangKey]]:
    """(asks in rank order, keys left out). A bundle stands at the rank of its oldest pod."""
    order: list[tuple[Gang, list[Gang]]] = []
    bundles: dict[tuple[str, int, int, int], list[Gang]] = {}
    left_out: list[GangKey] = []
    groups = singles = 0
    for gang in gangs:
        if not gang.single:
            groups += 1
            if groups > limits.window_gangs:
                left_out.append(gang.key)
            else:
                order.append((gang, []))
            continue
        singles += 1
        if singles > limits.window_singles:
            left_out.append(gang.key)
            continue
        shape, topology = gang.members[0].shape, gang.branches[0].topology
        alike = (gang.queue, gang.priority, id(shape), 0 if topology is None else hash(topology))
        bundle = bundles.get(alike)
        if bundle is None:
            bundle = bundles[alike] = []
            order.append((gang, bundle))
        bundle.append(gang)
    return [Ask(_bundle(pods), tuple(pods)) if pods else Ask(gang) for gang, pods in order], left_out


def _bundle(pods: Sequence[Gang]) -> Gang:
    first = pods[0]
    if len(pods) == 1:
        return first
    topology = first.branches[0].topology
    return Gang(
        key=first.key,
        name=first.name,
        queue=first.queue,
        priority=first.priority,
        arrived_seconds=first.arrived_seconds,
        members=(Member("pod", first.members[0].shape, len(pods), 0, label_sets=first.members[0].label_sets),),
        branches=(Branch("", -1, topology=topology),),
        preemptible=first.preemptible,
        single=True,
    )
