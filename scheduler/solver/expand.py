"""From counts per class back to pods per node, by the true free amounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from scheduler.model.resources import Matrix
from scheduler.model.work import NodeCount, Place
from scheduler.solver.assign import assign
from scheduler.solver.build import Built
from scheduler.solver.problem import MemberAsk, Put
from scheduler.solver.scarcity import by_scarcity

Places = tuple[tuple[Place, ...], ...]
"""Per gang of the problem, in its order; an empty tuple for a gang that has no place."""


class Unexpandable(msgspec.Struct, frozen=True):
    """The class whose counts do not fit onto its nodes."""

    node_class: int


def expand(built: Built, puts: Sequence[Put]) -> Places | Unexpandable:
    """Every pod on a node. Puts that know their spots are taken at their word; the others are assigned class by
    class."""
    pods: dict[tuple[int, int], dict[int, int]] = {}
    by_class: dict[int, list[Put]] = {}
    for put in puts:
        by_class.setdefault(put.node_class, []).append(put)
    for node_class, here in sorted(by_class.items()):
        assigned = _assign(built, node_class, here)
        if assigned is None:
            return Unexpandable(node_class)
        for put, index, count in assigned:
            row = int(built.class_rows[node_class][index])
            rows = pods.setdefault((put.gang, put.member), {})
            rows[row] = rows.get(row, 0) + count
    return tuple(_places(built, gang, pods) for gang in range(len(built.gangs)))


def split(built: Built, node_class: int) -> Built:
    """The same problem with each node of one class a class of its own, for which counts always expand."""
    problem = built.problem
    rows = built.class_rows[node_class]
    order = [*range(node_class), *([node_class] * len(rows)), *range(node_class + 1, problem.class_count)]
    class_nodes = problem.class_nodes[order].copy()
    class_nodes[node_class : node_class + len(rows)] = 1
    free = problem.class_free[order].copy()

    def spread_flags(member: MemberAsk) -> MemberAsk:
        return msgspec.structs.replace(member, eligible=np.packbits(problem.eligible(member)[order]).tobytes())

    gangs = tuple(
        msgspec.structs.replace(gang, members=tuple(spread_flags(member) for member in gang.members))
        for gang in problem.gangs
    )
    return replace(
        built,
        problem=replace(
            problem, class_nodes=class_nodes, class_free=free, class_domain=problem.class_domain[order], gangs=gangs
        ),
        class_rows=(
            *built.class_rows[:node_class],
            *(rows[index : index + 1] for index in range(len(rows))),
            *built.class_rows[node_class + 1 :],
        ),
    )


def _assign(built: Built, node_class: int, puts: list[Put]) -> list[tuple[Put, int, int]] | None:
    """(put, node index inside the class, pods) for one class; None when some pod finds no node."""
    free = built.free[built.class_rows[node_class]].copy()
    assigned = []
    for put in puts:
        for index, count in put.spots:
            free[index] -= _request(built, put) * count
            assigned.append((put, index, count))
    assert free.min(initial=0) >= 0, "a placement over-commits a node"
    open_puts = [put for put in puts if not put.spots]
    asks = [(built.problem.gangs[put.gang].members[put.member].request, put.count) for put in open_puts]
    found = assign(free, asks, by_scarcity(built.problem.resources))
    if found is None:
        return None
    for put, nodes in zip(open_puts, found, strict=True):
        assigned += [(put, index, count) for index, count in nodes]
    return assigned


def _request(built: Built, put: Put) -> Matrix:
    return np.array(built.problem.gangs[put.gang].members[put.member].request, dtype=np.int64)


def _places(built: Built, gang: int, pods: dict[tuple[int, int], dict[int, int]]) -> tuple[Place, ...]:
    return tuple(
        Place(
            member=member.name,
            nodes=tuple(
                NodeCount(node=built.nodes.nodes[row].name, count=count)
                for row, count in sorted(pods[gang, index].items())
            ),
        )
        for index, member in enumerate(built.gangs[gang].members)
        if (gang, index) in pods
    )
