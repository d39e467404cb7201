"""Who is looked at in one cycle: the first in the order of service, and equal single pods as one ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from scheduler.core.ranking import Tier, Turn
from scheduler.model.policy import Limits
from scheduler.model.work import Branch, Gang, GangKey, Member

Alike = tuple[str, int, int, Tier, bool, str]
"""What single pods have in common that are one ask."""


class Ask(msgspec.Struct, frozen=True):
    """One entry of the window: a gang, or single pods of equal shape, queue and tier as one elastic gang."""

    gang: Gang
    singles: tuple[Gang, ...] = ()
    tier: int = 0


def window(
    turns: Iterable[Turn], limits: Limits, *, strict: bool = False, in_line: Collection[str] = (), by_user: bool = False
) -> tuple[list[Ask], list[GangKey]]:
    """(asks, keys left out). Asks stand tier by tier in the order of service, or with ``strict`` in that order alone; a
    bundle stands at the turn of its first pod.

    In the queues ``in_line`` only pods that follow one another are bundled, and with ``by_user`` only those of one
    user.
    """
    order: list[tuple[Turn, list[Gang]]] = []
    bundles: dict[Alike, list[Gang]] = {}
    last: dict[str, Alike] = {}
    left_out: list[GangKey] = []
    groups = singles = 0
    for turn in turns:
        gang = turn.gang
        if not gang.single:
            groups += 1
            if groups > limits.window_gangs:
                left_out.append(gang.key)
            else:
                order.append((turn, []))
                last.pop(gang.queue, None)
            continue
        singles += 1
        if singles > limits.window_singles:
            left_out.append(gang.key)
            continue
        shape, topology = gang.members[0].shape, gang.branches[0].topology
        user = gang.user if by_user else ""
        alike = (gang.queue, id(shape), 0 if topology is None else hash(topology), turn.tier, turn.expected, user)
        bundle = bundles.get(alike)
        if gang.queue in in_line:
            if last.get(gang.queue) != alike:
                bundle = None
            last[gang.queue] = alike
        if bundle is None:
            bundle = bundles[alike] = []
            order.append((turn, bundle))
        bundle.append(gang)
    number = {tier: at for at, tier in enumerate(sorted({turn.tier for turn, _ in order}))}
    if not strict:
        order.sort(key=lambda each: number[each[0].tier])
    return [
        Ask(_bundle(pods), tuple(pods), number[turn.tier]) if pods else Ask(turn.gang, (), number[turn.tier])
        for turn, pods in order
    ], left_out


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
        user=first.user,
    )
