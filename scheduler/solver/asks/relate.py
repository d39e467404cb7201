"""What pending pods ask of one another, as relations between members over the domains of node labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from scheduler.model.cluster import Codes, Mask, NodeTable
from scheduler.model.neighbours import Neighbours, NodeCounts
from scheduler.model.relations import Affinity, AntiAffinity, PodPreference, PodSelector, Spread
from scheduler.model.shape import Shape
from scheduler.model.work import Gang
from scheduler.solver.asks.domain_counts import around_each_node
from scheduler.solver.asks.spread_domains import counted_nodes
from scheduler.solver.problem import APART, PREFERENCE, SPREAD, TOGETHER, Counts, Relation

_Ask = TypeVar("_Ask")

MemberKey = tuple[int, int]
"""(gang, member), indices in the problem."""


@dataclass(eq=False)
class Related:
    """Relations with the level columns they need: ``domains`` are [nodes] codes, one array per column."""

    relations: list[Relation] = field(default_factory=list)
    level_names: list[str] = field(default_factory=list)
    domain_names: list[tuple[str, ...]] = field(default_factory=list)
    domains: list[Codes] = field(default_factory=list)


def relate(
    gangs: Sequence[Gang], nodes: NodeTable, neighbours: Neighbours, solved: frozenset[AntiAffinity], levels: int
) -> Related:
    """The relations of the gangs of a problem, whose own level columns are numbered from ``levels`` on.

    ``solved`` are anti-affinity terms that need no relation (`solver.asks.one_per_node`). What only concerns pods
    that stand already is in the filters' masks.
    """
    return _Relating(gangs, nodes, neighbours, levels).related(solved)


class _Relating:
    def __init__(self, gangs: Sequence[Gang], nodes: NodeTable, neighbours: Neighbours, levels: int) -> None:
        self._nodes = nodes
        self._neighbours = neighbours
        self._levels = levels
        self._found = Related()
        self._columns: dict[tuple[str, bytes], int] = {}
        self._members: dict[Shape, list[MemberKey]] = {}
        for index, gang in enumerate(gangs):
            for number, member in enumerate(gang.members):
                if member.shape.relations is not None or member.shape.matched:
                    self._members.setdefault(member.shape, []).append((index, number))

    def related(self, solved: frozenset[AntiAffinity]) -> Related:
        apart = self._carriers(lambda shape: shape.relations.anti_affinity if shape.relations else ())
        for term, carriers in apart.items():
            if term not in solved and not self._all_alone(carriers, term.selector):
                self._add_apart(term, carriers)
        near = self._carriers(_affinity)
        for affinity, carriers in near.items():
            if not self._all_alone(carriers, affinity.selector):
                self._add_together(affinity, carriers)
        spread = self._carriers(lambda shape: shape.relations.spread if shape.relations else ())
        for constraint, carriers in spread.items():
            if constraint.counts and not self._all_alone(carriers, constraint.selector):
                self._add_spread(constraint, carriers)
        preferred = self._carriers(lambda shape: shape.relations.preferences if shape.relations else ())
        for preference, carriers in preferred.items():
            open_ones = [each for each in carriers if not self._all_alone([each], preference.selector)]
            if open_ones:
                self._add_preference(preference, open_ones)
        return self._found

    def _carriers(self, asks: Callable[[Shape], Sequence[_Ask]]) -> dict[_Ask, list[Shape]]:
        found: dict[_Ask, list[Shape]] = {}
        for shape in self._members:
            for ask in asks(shape):
                found.setdefault(ask, []).append(shape)
        return found

    def _all_alone(self, carriers: Sequence[Shape], selector: PodSelector) -> bool:
        return all(self._neighbours.is_alone(selector, shape.matched) for shape in carriers)

    def _keys(self, shapes: Sequence[Shape]) -> tuple[MemberKey, ...]:
        return tuple(sorted(key for shape in shapes for key in self._members[shape]))

    def _targets(self, selector: PodSelector) -> tuple[MemberKey, ...]:
        return self._keys([shape for shape in self._members if selector in shape.matched])

    def _add_apart(self, term: AntiAffinity, carriers: Sequence[Shape]) -> None:
        level = self._level(term.topology_key, None)
        self._found.relations.append(Relation(APART, level, self._keys(carriers), self._targets(term.selector)))

    def _add_together(self, affinity: Affinity, carriers: Sequence[Shape]) -> None:
        counts = self._neighbours.matching[affinity.selector]
        nobody = not any(around_each_node(self._nodes, key, counts).any() for key in affinity.topology_keys)
        for key in affinity.topology_keys:
            level = self._level(key, None)
            self._found.relations.append(
                Relation(
                    TOGETHER,
                    level,
                    self._keys(carriers),
                    self._targets(affinity.selector),
                    standing=self._standing(level, counts),
                    first=nobody,
                )
            )

    def _add_spread(self, constraint: Spread, carriers: Sequence[Shape]) -> None:
        """Carriers whose other asks let different nodes count are told apart."""
        by_nodes: dict[bytes, list[Shape]] = {}
        masks: dict[bytes, Mask] = {}
        for shape in carriers:
            counted = counted_nodes(shape, constraint, self._nodes)
            masks[counted.tobytes()] = counted
            by_nodes.setdefault(counted.tobytes(), []).append(shape)
        counts = self._neighbours.matching[constraint.selector]
        for key, shapes in by_nodes.items():
            level = self._level(constraint.topology_key, masks[key])
            standing = self._standing(level, counts)
            self._found.relations.append(
                Relation(
                    SPREAD,
                    level,
                    self._keys(shapes),
                    self._targets(constraint.selector),
                    standing=standing,
                    max_skew=constraint.max_skew,
                    bottomless=len(standing) < max(1, constraint.min_domains),
                )
            )

    def _add_preference(self, preference: PodPreference, carriers: Sequence[Shape]) -> None:
        level = self._level(preference.topology_key, None)
        self._found.relations.append(
            Relation(
                PREFERENCE,
                level,
                self._keys(carriers),
                self._targets(preference.selector),
                standing=self._standing(level, self._neighbours.matching[preference.selector]),
                weight=preference.weight,
                needs_key=preference.needs_key,
            )
        )

    def _level(self, key: str, counted: Mask | None) -> int:
        """The column of a node label, over all nodes or only over those that count."""
        codes, values = self._nodes.label_column(key)
        if counted is not None and not counted[codes >= 0].all():
            kept = np.unique(codes[counted])
            recoded = np.full(len(values) + 1, -1, dtype=np.int32)
            recoded[kept] = np.arange(len(kept), dtype=np.int32)
            codes = np.where(counted, recoded[codes], np.int32(-1)).astype(np.int32)
            values = tuple(values[code] for code in kept.tolist())
        known = self._columns.get((key, codes.tobytes()))
        if known is not None:
            return known
        level = self._columns[key, codes.tobytes()] = self._levels + len(self._found.level_names)
        self._found.level_names.append(key)
        self._found.domain_names.append(values)
        self._found.domains.append(codes)
        return level

    def _standing(self, level: int, counts: NodeCounts) -> tuple[int, ...]:
        """Matching pods that stand already, per domain of a column."""
        codes = self._found.domains[level - self._levels]
        width = len(self._found.domain_names[level - self._levels])
        return tuple(np.bincount(codes + 1, weights=counts, minlength=width + 1)[1:].astype(np.int64).tolist())


def _affinity(shape: Shape) -> tuple[Affinity, ...]:
    affinity = shape.relations.affinity if shape.relations is not None else None
    return () if affinity is None else (affinity,)


def restrict(relations: Sequence[Relation], kept: Mapping[int, int]) -> tuple[Relation, ...]:
    """The relations of some gangs alone: ``kept`` maps their indices to those in the smaller problem."""
    found = []
    for relation in relations:
        carriers = tuple((kept[gang], member) for gang, member in relation.carriers if gang in kept)
        targets = tuple((kept[gang], member) for gang, member in relation.targets if gang in kept)
        if carriers:
            found.append(relation.of(carriers, targets))
    return tuple(found)


def level_columns(levels: Counts, related: Related) -> Counts:
    """[nodes x columns] the columns of topologies, then those of relations."""
    return np.column_stack([levels, *related.domains]) if related.domains else levels
