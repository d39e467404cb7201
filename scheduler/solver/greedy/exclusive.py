"""Exclusive domains: which nodes standing gangs close to pending ones, and which classes greedy leaves to whom.

A domain that a gang asks for exclusively, and in which it has a pod, holds no pod of another gang: not of one that
runs, not of one that is placed beside it. Pods without a PodGroup are no gang here: they neither hold a domain nor keep
anybody out, and neither do the pods of other schedulers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scheduler.model.cluster import Codes, Mask, NodeTable, Standing
from scheduler.model.work import Gang, GangKey
from scheduler.solver.asks.levels import Levels, UnknownAskError
from scheduler.solver.problem import BranchAsk, GangAsk, Problem
from scheduler.solver.tree import asks_exclusive

Closed = Mapping[tuple[GangKey, int], Mask]
"""(gang, index of a member) -> [nodes] closed to it by standing gangs; absent: none."""


def closed_nodes(
    gangs: Sequence[Gang],
    branches: Sequence[tuple[BranchAsk, ...]],
    standing: Sequence[Standing],
    nodes: NodeTable,
    levels: Levels,
) -> Closed:
    """What standing gangs close: domains that they hold, to every gang; domains that they use, to whoever asks for them
    exclusively, and so are nodes in no domain. Every level that somebody holds becomes a column, so that no node class
    is closed in part."""
    held: list[tuple[Standing, Codes, Mask]] = []
    for each in standing:
        for exclusive in each.exclusive:
            try:
                topology = levels.topology(exclusive.topology)
            except UnknownAskError:
                continue  # a Topology that is gone closes nothing
            depth = topology.depth_of(exclusive.level)
            if depth is not None:
                levels.column(topology, depth)
                codes, _ = nodes.domain_column(topology, depth)
                held.append((each, codes, _inside(codes, nodes, exclusive.nodes)))
    if not held and all(ask.exclusive < 0 for asks in branches for ask in asks):
        return {}
    domains = levels.domains
    closed: dict[tuple[GangKey, int], Mask] = {}
    for gang, asks in zip(gangs, branches, strict=True):
        if gang.single:
            continue
        others = [mask for each, _, mask in held if each.gang != gang.key]
        for member, own in enumerate(gang.members):
            masks = list(others)
            for branch in gang.line(own.branch):
                if asks[branch].exclusive >= 0:
                    codes = domains[:, asks[branch].exclusive]
                    used = [_inside(codes, nodes, each.nodes) for each in standing if each.gang != gang.key]
                    masks += [*used, codes < 0]
            shut = np.any(masks, axis=0) if masks else np.zeros(len(nodes), dtype=np.bool_)
            if shut.any():
                closed[gang.key, member] = shut
    return closed


def _inside(codes: Codes, nodes: NodeTable, names: Sequence[str]) -> Mask:
    """[nodes] in a domain with one of these nodes."""
    domains = {int(codes[nodes.rows[name]]) for name in names if name in nodes.rows} - {-1}
    return np.isin(codes, sorted(domains))


class ExclusiveDomains:
    """Who holds and who uses which domain while greedy places the gangs of one problem."""

    def __init__(self, problem: Problem) -> None:
        asked = {branch.exclusive for gang in problem.gangs for branch in gang.branches if branch.exclusive >= 0}
        self._levels = sorted(asked) if "exclusive-domains" in problem.rules else []
        self._problem = problem
        self._uses: dict[int, dict[int, set[int]]] = {level: {} for level in self._levels}
        self._holds: dict[int, dict[int, set[int]]] = {level: {} for level in self._levels}

    @property
    def asked(self) -> bool:
        return bool(self._levels)

    def open(self, index: int) -> tuple[Mask, ...] | None:
        """The classes that the others leave to each member of a gang; None: all of them."""
        gang = self._problem.gangs[index]
        if not self._levels or gang.bundle:
            return None
        return tuple(self._open(index, gang, member.branch) for member in gang.members)

    def note(self, index: int, member: int, node_class: int) -> None:
        """A pod of a member was placed on a node of a class."""
        gang = self._problem.gangs[index]
        for level in self._levels if not gang.bundle else ():
            domain = int(self._problem.class_domain[node_class, level])
            self._uses[level].setdefault(domain, set()).add(index)
            if asks_exclusive(gang, gang.members[member].branch, level):
                self._holds[level].setdefault(domain, set()).add(index)

    def _open(self, index: int, gang: GangAsk, branch: int) -> Mask:
        mask = np.ones(self._problem.class_count, dtype=np.bool_)
        for level in self._levels:
            exclusive = asks_exclusive(gang, branch, level)
            taken = self._uses[level] if exclusive else self._holds[level]
            others = [domain for domain, gangs in taken.items() if gangs - {index}]
            mask &= ~np.isin(self._problem.class_domain[:, level], others)
            if exclusive:
                mask &= self._problem.class_domain[:, level] >= 0
        return mask
