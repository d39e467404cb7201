"""Topology asks as level columns: which (topology, level) pairs pending work names, and each node's domain in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scheduler.model.cluster import NodeTable
from scheduler.model.plan import Refusal
from scheduler.model.topology import Topology, TopologyAsk
from scheduler.model.work import Gang
from scheduler.solver.problem import BranchAsk, Counts

TERM = "required-topology"


class UnknownAskError(Exception):
    """A topology ask that names nothing we know; carries the reason as a fact."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Levels:
    """Collects the asked levels of one problem; a level gets its column when it is first asked for."""

    def __init__(self, nodes: NodeTable, topologies: Mapping[str, Topology]) -> None:
        self._nodes = nodes
        self._topologies = topologies
        self._columns: dict[tuple[str, int], int] = {}

    def column(self, topology_name: str, level: str) -> int:
        """The column of a level, by its name or node label. An empty topology name means the only Topology there is."""
        topology = self._topology(topology_name)
        depth = topology.depth_of(level)
        if depth is None:
            raise UnknownAskError(Refusal(term=TERM, code="UnknownLevel", where=f"{topology.name} {level}"))
        return self._columns.setdefault((topology.name, depth), len(self._columns))

    def _topology(self, name: str) -> Topology:
        if name in self._topologies:
            return self._topologies[name]
        if name:
            raise UnknownAskError(Refusal(term=TERM, code="UnknownTopology", where=name))
        if not self._topologies:
            raise UnknownAskError(Refusal(term=TERM, code="NoTopology"))
        if len(self._topologies) > 1:
            names = ", ".join(sorted(self._topologies))
            raise UnknownAskError(Refusal(term=TERM, code="AmbiguousTopology", where=names))
        return next(iter(self._topologies.values()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._topologies[name].levels[depth].name for name, depth in self._columns)

    @property
    def domain_names(self) -> tuple[tuple[str, ...], ...]:
        return tuple(self._nodes.domain_column(self._topologies[name], depth)[1] for name, depth in self._columns)

    @property
    def domains(self) -> Counts:
        """[nodes x columns] domain codes, -1 where a node has none."""
        if not self._columns:
            return np.zeros((len(self._nodes), 0), dtype=np.int32)
        return np.stack(
            [self._nodes.domain_column(self._topologies[name], depth)[0] for name, depth in self._columns], axis=1
        )

    def domain_of(self, node: str, column: int) -> int:
        """The domain code of a node in a column; -1 where it has none, or is not there any more."""
        row = self._nodes.rows.get(node)
        if row is None:
            return -1
        name, depth = next(key for key, each in self._columns.items() if each == column)
        return int(self._nodes.domain_column(self._topologies[name], depth)[0][row])


def level_asks(gang: Gang, levels: Levels) -> tuple[tuple[BranchAsk, ...], tuple[Refusal, ...]]:
    """The gang's tree over level columns, or why its topology asks cannot be understood."""
    asks: list[BranchAsk] = []
    refusals: list[Refusal] = []
    for index, branch in enumerate(gang.branches):
        required = preferred = pinned = -1
        if branch.topology is not None:
            try:
                required, preferred = _columns(branch.topology, levels)
            except UnknownAskError as unknown:
                refusals.append(unknown.refusal)
            else:
                pinned = _pinned(gang, index, required, levels) if required >= 0 else -1
        asks.append(
            BranchAsk(
                parent=branch.parent,
                minimum=branch.minimum,
                min_branches=branch.min_branches,
                required=required,
                preferred=preferred,
                pinned=pinned,
            )
        )
    return tuple(asks), tuple(refusals)


def _columns(ask: TopologyAsk, levels: Levels) -> tuple[int, int]:
    for asked, name in ((ask.slices, "slices"), (ask.exclusive, "exclusive"), (ask.balance, "balance")):
        if asked:  # refused loudly: placing the gang without it would be wrong
            raise UnknownAskError(Refusal(term=TERM, code="NotModelled", where=name))
    required = levels.column(ask.topology, ask.required) if ask.required else -1
    preferred = levels.column(ask.topology, ask.preferred) if ask.preferred else -1
    return required, preferred


def _pinned(gang: Gang, branch: int, required: int, levels: Levels) -> int:
    """The domain where the branch already holds places: an elastic gang grows there and nowhere else."""
    branch_of_member = {member.name: member.branch for member in gang.members}
    for place in gang.held:
        if branch in _path(gang, branch_of_member.get(place.member, 0)):
            for spot in place.nodes:
                domain = levels.domain_of(spot.node, required)
                if domain >= 0:
                    return domain
    return -1


def _path(gang: Gang, branch: int) -> set[int]:
    """A branch and everything above it."""
    path = set()
    while branch >= 0:
        path.add(branch)
        branch = gang.branches[branch].parent
    return path
