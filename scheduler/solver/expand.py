"""From counts per class back to pods per node, by the true free amounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from scheduler.model.devices import DeviceUse
from scheduler.model.work import NodeCount, Place
from scheduler.solver.build import Built
from scheduler.solver.devices.devices import Held
from scheduler.solver.greedy.assign import ClassNodes, assign_puts, by_class
from scheduler.solver.problem import MemberAsk, Put

Pods = dict[tuple[int, tuple[DeviceUse, ...]], int]
"""(row, devices of each pod) -> pods."""

Places = tuple[tuple[Place, ...], ...]
"""Per gang of the problem, in its order; an empty tuple for a gang that has no place."""


class Unexpandable(msgspec.Struct, frozen=True):
    """The class whose counts do not fit onto its nodes."""

    node_class: int


def expand(built: Built, puts: Sequence[Put]) -> Places | Unexpandable:
    """Every pod on a node. Puts that know their spots are taken at their word; the others are assigned class by
    class."""
    pods: dict[tuple[int, int], Pods] = {}
    for node_class, here in by_class(puts):
        assigned = _assign(built, node_class, here)
        if assigned is None:
            return Unexpandable(node_class)
        for put, index, count, held in assigned:
            row = int(built.class_rows[node_class][index])
            uses = _uses(built, built.problem.gangs[put.gang].members[put.member], row, held)
            own = pods.setdefault((put.gang, put.member), {})
            own[row, uses] = own.get((row, uses), 0) + count
    return tuple(_places(built, gang, pods) for gang in range(len(built.gangs)))


def contract(built: Built, places: Sequence[tuple[Place, ...]]) -> tuple[Put, ...] | None:
    """The way back: puts, with their nodes, for places per gang of the problem. None where a node is in no class: then
    nothing that is asked for would fit there."""
    spot_of = {
        built.nodes.nodes[row].name: (node_class, index)
        for node_class, rows in enumerate(built.class_rows)
        for index, row in enumerate(rows.tolist())
    }
    spots: dict[tuple[int, int, int], dict[int, int]] = {}
    for number, (gang, own) in enumerate(zip(built.gangs, places, strict=True)):
        member_of = {member.name: index for index, member in enumerate(gang.members)}
        for place in own:
            for each in place.nodes:
                if each.node not in spot_of:
                    return None
                node_class, index = spot_of[each.node]
                here = spots.setdefault((number, member_of[place.member], node_class), {})
                here[index] = here.get(index, 0) + each.count
    return tuple(
        Put(gang, member, node_class, sum(here.values()), tuple(sorted(here.items())))
        for (gang, member, node_class), here in sorted(spots.items())
    )


def _assign(built: Built, node_class: int, puts: list[Put]) -> list[tuple[Put, int, int, Held]] | None:
    """(put, node index inside the class, pods, what each holds of its devices) for one class; None when some pod finds
    no node."""
    problem = built.problem
    if problem.devices is None and all(put.spots for put in puts):
        return _at_their_word(built, node_class, puts)
    nodes = ClassNodes(problem, node_class, built.free[built.class_rows[node_class]].copy())
    found = assign_puts(problem, node_class, nodes, puts)
    if found is None:
        return None
    assigned: list[tuple[Put, int, int, Held]] = []
    for each in found:
        put = puts[each.ask]
        assigned += [(put, each.node, 1, held) for held in each.held] or [(put, each.node, each.pods, ())]
    return assigned


def _at_their_word(built: Built, node_class: int, puts: list[Put]) -> list[tuple[Put, int, int, Held]] | None:
    """Puts that all know their nodes: nothing is to be found, only to be added up."""
    free = built.free[built.class_rows[node_class]].copy()
    for put in puts:
        request = np.array(built.problem.gangs[put.gang].members[put.member].request, dtype=np.int64)
        for index, count in put.spots:
            free[index] -= request * count
    if free.min(initial=0) < 0:
        return None
    return [(put, index, count, ()) for put in puts for index, count in put.spots]


def _uses(built: Built, member: MemberAsk, row: int, held: Held) -> tuple[DeviceUse, ...]:
    """What a pod holds of the devices of one node, by their numbers there."""
    if not held or member.devices is None or built.devices is None:
        return ()
    kind = built.devices.kind(row)
    milli, profile = kind.milli(member.devices), member.devices.profile
    return tuple(
        DeviceUse(index, milli, profile, start if profile else 0)
        for index, start in sorted((int(built.devices.order[row, position]), start) for position, start in held)
    )


def _places(built: Built, gang: int, pods: Mapping[tuple[int, int], Pods]) -> tuple[Place, ...]:
    return tuple(
        Place(
            member=member.name,
            nodes=tuple(
                NodeCount(node=built.nodes.nodes[row].name, count=count, devices=uses)
                for (row, uses), count in sorted(pods[gang, index].items())
            ),
        )
        for index, member in enumerate(built.gangs[gang].members)
        if (gang, index) in pods
    )
