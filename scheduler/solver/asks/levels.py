"""Topology asks as level columns: which (topology, level) pairs pending work names, and each node's domain in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from scheduler.model.cluster import NodeTable
from scheduler.model.plan import Refusal
from scheduler.model.topology import TORUS, Topology, TopologyAsk, Torus
from scheduler.model.work import Gang
from scheduler.solver.problem import BranchAsk, Counts, SliceAsk

TERM = "required-topology"


class UnknownAskError(Exception):
    """A topology ask that names nothing we know, or contradicts itself; carries the reason as a fact."""

    def __init__(self, code: str, where: str = "", needed: int = 0, offered: int = 0) -> None:
        super().__init__(code)
        self.refusal = Refusal(TERM, code, needed, offered, where=where)


class Levels:
    """Collects the asked levels of one problem; a level gets its column when it is first asked for."""

    def __init__(self, nodes: NodeTable, topologies: Mapping[str, Topology]) -> None:
        self._nodes = nodes
        self._topologies = topologies
        self._columns: dict[tuple[str, int], int] = {}

    def column(self, topology: Topology, depth: int) -> int:
        """The column of a level."""
        return self._columns.setdefault((topology.name, depth), len(self._columns))

    def topology(self, name: str) -> Topology:
        """A Topology by its name; an empty name means the only one there is."""
        if name in self._topologies:
            return self._topologies[name]
        if name:
            raise UnknownAskError("UnknownTopology", name)
        if not self._topologies:
            raise UnknownAskError("NoTopology")
        if len(self._topologies) > 1:
            raise UnknownAskError("AmbiguousTopology", ", ".join(sorted(self._topologies)))
        return next(iter(self._topologies.values()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._topologies[name].level_names[depth] for name, depth in self._columns)

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

    def held(self, gang: Gang, branch: int, topology: Topology, depth: int) -> Counter[int]:
        """Pods that the gang holds below a branch, by domain code; its leader is not counted. Nodes without a domain,
        and those that are gone, count nowhere."""
        codes, _ = self._nodes.domain_column(topology, depth)
        pods: Counter[int] = Counter()
        for place in gang.held_below(branch):
            for spot in place.nodes if place.member != gang.leader else ():
                row = self._nodes.rows.get(spot.node, -1)
                if row >= 0 and codes[row] >= 0:
                    pods[int(codes[row])] += spot.count
        return pods


def level_asks(gang: Gang, levels: Levels) -> tuple[tuple[BranchAsk, ...], tuple[Refusal, ...]]:
    """The gang's tree over level columns, or why its topology asks cannot be understood."""
    asks: list[BranchAsk] = []
    refusals: list[Refusal] = []
    required: dict[int, tuple[str, int]] = {}
    for index, branch in enumerate(gang.branches):
        ask = BranchAsk(parent=branch.parent, minimum=branch.minimum, min_branches=branch.min_branches)
        if branch.topology is not None:
            try:
                reading = _Reading(gang, index, branch.topology, levels, required)
                ask = reading.ask(ask)
            except UnknownAskError as unknown:
                refusals.append(unknown.refusal)
        asks.append(ask)
    return tuple(asks), tuple(refusals)


@dataclass(frozen=True)
class _Reading:
    """One branch's ask being read. ``bounds`` are the (topology, depth) that branches read so far require."""

    gang: Gang
    branch: int
    wish: TopologyAsk
    levels: Levels
    bounds: dict[int, tuple[str, int]]

    def ask(self, plain: BranchAsk) -> BranchAsk:
        wish = self.wish
        if not (wish.required or wish.preferred or wish.slices or wish.exclusive or wish.balance):
            return plain
        topology = self.levels.topology(wish.topology)
        required = self._required(topology)
        slices = self._slices(topology, required)
        near = self._near(topology, required, [depth for _, depth in slices])
        columns = tuple(self.levels.column(topology, depth) for depth in near)
        exclusive = self._depth(topology, wish.exclusive) if wish.exclusive else -1
        return BranchAsk(
            parent=plain.parent,
            minimum=plain.minimum,
            min_branches=plain.min_branches,
            required=self.levels.column(topology, required) if required >= 0 else -1,
            preferred=columns[-1] if columns else -1,
            pinned=next(iter(self.levels.held(self.gang, self.branch, topology, required)), -1)
            if required >= 0
            else -1,
            wider=columns[:-1],
            slices=tuple(
                SliceAsk(
                    size,
                    self.levels.column(topology, depth),
                    tuple(sorted(self.levels.held(self.gang, self.branch, topology, depth).items())),
                )
                for size, depth in slices
            ),
            exclusive=self.levels.column(topology, exclusive) if exclusive >= 0 else -1,
            balance=columns[-2:] if wish.balance else (),
        )

    def _depth(self, topology: Topology, level: str, pods: int = 0) -> int:
        """The depth of a level; of the torus that of the shape for so many pods (0: all of the branch)."""
        depth = topology.depth_of(level)
        if depth is None and level == TORUS and topology.torus is not None:
            return self._box(topology, topology.torus, pods or self._pods())
        if depth is None:
            known = ", ".join(topology.level_names)
            raise UnknownAskError("UnknownLevel", f"{topology.name} {level} (there are: {known})")
        return depth

    def _box(self, topology: Topology, torus: Torus, pods: int) -> int:
        depth = topology.box_of(pods)
        if depth is None:
            volumes = sorted({prod(shape) for shape in torus.boxes})
            raise UnknownAskError("NoShape", f"{topology.name} {', '.join(map(str, volumes))}", pods)
        return depth

    def _pods(self) -> int:
        """All pods of the branch, those that it holds included."""
        below = [member for member in self.gang.members if self.branch in self.gang.line(member.branch)]
        held = sum(spot.count for place in self.gang.held_below(self.branch) for spot in place.nodes)
        return sum(member.count for member in below) + held

    def _required(self, topology: Topology) -> int:
        """The depth that is required, -1 for none. What is above requires must not be finer."""
        if not self.wish.required:
            return -1
        depth = self._depth(topology, self.wish.required)
        for above in self.gang.line(self.branch)[1:]:
            name, bound = self.bounds.get(above, ("", -1))
            if name == topology.name and _is_above(topology, depth, bound):
                raise UnknownAskError("WiderThanParent", f"{topology.level_names[depth]} {topology.level_names[bound]}")
        self.bounds[self.branch] = (topology.name, depth)
        return depth

    def _slices(self, topology: Topology, required: int) -> list[tuple[int, int]]:
        """(size, depth) of each layer, coarse to fine; each fits into the one before and into what is required."""
        layers: list[tuple[int, int]] = []
        for each in self.wish.slices:
            depth = self._depth(topology, each.required, each.size)
            name = topology.level_names[depth]
            if _is_above(topology, depth, required):
                raise UnknownAskError("WiderThanRequired", f"{name} {topology.level_names[required]}")
            if layers and (layers[-1][0] % each.size or not _is_above(topology, layers[-1][1], depth)):
                raise UnknownAskError("SlicesNotNested", name, layers[-1][0], each.size)
            layers.append((each.size, depth))
        if layers:
            self._check_whole(topology, *layers[0])
        return layers

    def _check_whole(self, topology: Topology, size: int, depth: int) -> None:
        """Whether the pods that wait make as many whole slices as are needed at least."""
        below = [member for member in self.gang.members if self.branch in self.gang.line(member.branch)]
        sliced = [member for member in below if member.name != self.gang.leader]
        pods = sum(member.count for member in sliced)
        held = self.levels.held(self.gang, self.branch, topology, depth)
        own = sum(member.minimum for member in sliced if member.branch == self.branch)
        leads = sum(member.count for member in below) - pods
        least = max(self.gang.branches[self.branch].minimum - leads, own, int(self.branch == 0 and not held))
        owed = sum(-count % size for count in held.values())
        if least + (owed - least) % size > pods:
            raise UnknownAskError("NoWholeSlices", topology.level_names[depth], size, pods)

    def _near(self, topology: Topology, required: int, slices: list[int]) -> list[int]:
        """The depths at which few domains are sought, coarse to fine: from the top, or just below what is required,
        down to the finest that is preferred or holds slices; with balance one more."""
        preferred = self._depth(topology, self.wish.preferred) if self.wish.preferred else -1
        finest = max([preferred, *slices])
        bounds = [self.bounds.get(each, ("", -1)) for each in self.gang.line(self.branch)]
        first = 1 + max((depth for name, depth in bounds if name == topology.name), default=-1)
        if any(topology.is_shape(depth) for depth in (first - 1, finest)):
            return [finest] if finest >= 0 and finest != required and not self.wish.balance else []
        if self.wish.balance:
            finest = max(finest, required) + 1
        return list(range(first, min(finest, len(topology.levels) - 1) + 1))


def _is_above(topology: Topology, depth: int, other: int) -> bool:
    """Whether a level is coarser than another of the same topology. Shapes compare by their sides."""
    if other < 0 or depth == other:
        return False
    if topology.torus is not None and topology.is_shape(depth) and topology.is_shape(other):
        one, two = (topology.torus.boxes[each - len(topology.levels)] for each in (depth, other))
        return all(mine % its == 0 for mine, its in zip(one, two, strict=True))
    if topology.is_shape(depth) or topology.is_shape(other):
        return not topology.is_shape(depth)
    return depth < other
