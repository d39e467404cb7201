"""The pooled model: how many gangs of each kind go to which domain, over pools instead of nodes.

A relaxation of the whole problem that is small whatever the fleet: a variable per kind and domain of its level, and one
per item and pool for the pods of gangs that spread over several pools. As a linear program it bounds what can be served
at all; in whole numbers, on a part of the fleet, it is nearly the truth.

Gangs are whole. One that brings more small pods into a pool than small pieces are there to spare takes larger pieces,
which a fraction of it would not; the rows say so (`_Building._lifted`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.solver.parts.kinds import Item, Kind
from scheduler.solver.parts.linear import Linear, Numbers, Reals, Rows
from scheduler.solver.parts.pools import Pools, pools, smallest_pieces
from scheduler.solver.problem import Problem

_NEARLY_NOTHING = 0.005
"""As a share of all there is."""


@dataclass(frozen=True, eq=False)
class Spread:
    """The variables of one kind that goes to domains: ``chosen`` [n] how many of its gangs go to ``domains`` [n]."""

    domains: Numbers
    chosen: Numbers


@dataclass(frozen=True, eq=False)
class Pooled:
    """``taken[k]`` are the 0/1 variables of kind k's gangs, most valuable first (of a bundle: one count);
    ``spread[k]`` where they go (None: anywhere); ``pods[item]`` [P] the pods of gangs that are not bound to one pool.
    ``levels`` [L + 1 x P] are the domain of each pool per level, the last one for "anywhere"."""

    problem: Problem
    kinds: Sequence[Kind]
    pools: Pools
    linear: Linear
    taken: Sequence[Numbers]
    spread: Sequence[Spread | None]
    pods: Mapping[Item, Numbers]
    levels: Numbers
    room_rows: Numbers
    """[P x K] the row that holds each pool to its room of each kind of piece, counted in smallest ones."""
    is_single_pool: Sequence[bool]
    """Per level, the last one for "anywhere": whether no domain of it is more than one pool."""

    def value(self, tier: int) -> Numbers:
        """The objective of one tier: what the gangs taken are worth."""
        objective = np.zeros(len(self.linear.uppers), dtype=np.int64)
        for kind, taken in zip(self.kinds, self.taken, strict=True):
            if kind.tier == tier:
                objective[taken] = kind.worths[0] if kind.bundle else kind.worths
        return objective

    def uses_all(self, values: Reals) -> bool:
        """Whether whoever is taken asks for nearly all that there is of some resource."""
        total = np.unique(smallest_pieces(self.pools))
        asked = np.zeros(len(self.pools.columns))
        for kind, taken in zip(self.kinds, self.taken, strict=True):
            for item, pods in kind.needs:
                asked += values[taken].sum() * pods * self.pools.pieces[item]
        room = self.pools.room.sum(axis=0)[total]
        return bool(((room > 0) & (asked[total] >= (1 - _NEARLY_NOTHING) * room)).any())

    def in_one_pool(self, kind: Kind) -> bool:
        """Whether a domain of the kind's level is never more than one pool."""
        return self.is_single_pool[kind.level]


def pooled(problem: Problem, kinds: Sequence[Kind]) -> Pooled:
    """The model of a problem whose gangs are of these kinds."""
    return _Building(problem, kinds).build()


class _Building:
    def __init__(self, problem: Problem, kinds: Sequence[Kind]) -> None:
        self._problem = problem
        self._kinds = kinds
        items = dict.fromkeys(item for kind in kinds for item, _ in kind.needs)
        self._pools = pools(problem, list(items))
        self._levels = np.vstack([self._pools.domain.T.astype(np.int64), np.zeros(len(self._pools), dtype=np.int64)])
        self._is_single_pool = [*(_is_single_pool(codes) for codes in self._levels[:-1]), False]
        self._base = smallest_pieces(self._pools)
        sizes = np.array([size for _, size in self._pools.columns], dtype=np.int64)
        self._ratio = sizes // sizes[self._base]
        self._rows = Rows()
        self._pods: dict[Item, Numbers] = {}
        self._demand: dict[tuple[Item, int], Numbers] = {}
        self._queue_rows: dict[tuple[int, int], int] = {}

    def build(self) -> Pooled:
        room = self._pools.room * self._ratio
        self._capacity = self._rows.at_most(room.ravel()).reshape(room.shape)
        for kind in self._kinds:
            if not self._is_single_pool[kind.level]:
                for item, _ in kind.needs:
                    self._post_pods(item)
        taken = [self._rows.variables([kind.count] if kind.bundle else [1] * kind.count) for kind in self._kinds]
        spread = [self._post_kind(kind, own) for kind, own in zip(self._kinds, taken, strict=True)]
        for kind, own in zip(self._kinds, taken, strict=True):
            self._post_queue(kind, own)
        return Pooled(
            problem=self._problem,
            kinds=self._kinds,
            pools=self._pools,
            linear=self._rows.linear(),
            taken=taken,
            spread=spread,
            pods=self._pods,
            levels=self._levels,
            room_rows=self._capacity,
            is_single_pool=self._is_single_pool,
        )

    def _post_pods(self, item: Item) -> None:
        """Pods of an item per pool, wherever their gangs are."""
        if item not in self._pods:
            own = self._pods[item] = self._rows.variables(self._pools.fits[item])
            for column, pieces in enumerate((self._pools.pieces[item] * self._ratio).tolist()):
                if pieces:
                    self._rows.add(self._capacity[:, column], own, pieces)

    def _post_kind(self, kind: Kind, taken: Numbers) -> Spread | None:
        if kind.level < 0:
            for item, pods in kind.needs:
                self._rows.add(self._demand_rows(item, -1), taken, pods)
            return None
        domains, most = self._room_for_whole_gangs(kind)
        chosen = self._rows.variables(np.minimum(most, kind.count))
        link = self._rows.at_most(0)
        self._rows.add(link, taken, 1)
        self._rows.add(link, chosen, -1)
        if self._is_single_pool[kind.level]:
            pool_of = {domain: pool for pool, domain in enumerate(self._levels[kind.level].tolist())}
            own = np.array([pool_of[domain] for domain in domains.tolist()], dtype=np.int64)
            taken_up = self._lifted(kind, own)
            for column in range(taken_up.shape[1]):
                counted = np.flatnonzero(taken_up[:, column])
                self._rows.add(self._capacity[own[counted], column], chosen[counted], taken_up[counted, column])
            return Spread(domains, chosen)
        for item, pods in kind.needs:
            for level in self._levels_around(kind.level):
                around = self._around(kind.level, level, domains)
                self._rows.add(self._demand_rows(item, level)[around], chosen, pods)
        return Spread(domains, chosen)

    def _lifted(self, kind: Kind, pools: Numbers) -> Numbers:
        """[n x K] what one whole gang of a kind takes of the room of each of these pools.

        Of its large pods a pool holds at most what its large pieces allow, and what small pods leave of everything:
        large <= min(L, A - small) = L - max(0, small - (A - L)). Being convex and 0 for nothing, what is taken off
        here for a sum of gangs is at least the sum of what is taken off for each.
        """
        room = self._pools.room[pools] * self._ratio
        own = np.zeros(room.shape[1], dtype=np.int64)
        for item, pods in kind.needs:
            own += self._pools.pieces[item] * self._ratio * pods
        small = own[self._base] - own
        spare = np.maximum(room[:, self._base] - room, 0)
        return np.asarray(own + np.where(np.arange(len(own)) == self._base, 0, np.maximum(small - spare, 0)))

    def _room_for_whole_gangs(self, kind: Kind) -> tuple[Numbers, Numbers]:
        """(domains where one of the kind fits alone, how many of it by itself)."""
        codes = self._levels[kind.level]
        inside = codes >= 0
        count = int(codes.max(initial=-1)) + 1
        room = np.zeros((count, self._pools.room.shape[1]), dtype=np.int64)
        np.add.at(room, codes[inside], self._pools.room[inside])
        most = np.zeros(count, dtype=np.int64)
        most[codes[inside]] = kind.count
        total = np.zeros(self._pools.room.shape[1], dtype=np.int64)
        for item, pods in kind.needs:
            total += self._pools.pieces[item] * pods
            fits = np.bincount(codes[inside], weights=self._pools.fits[item][inside], minlength=count)
            most = np.minimum(most, fits.astype(np.int64) // pods)
        for column, number in enumerate(total.tolist()):
            if number:
                most = np.minimum(most, room[:, column] // number)
        if kind.pinned >= 0:
            most[np.arange(count) != kind.pinned] = 0
        domains = np.flatnonzero(most > 0)
        return domains, most[domains]

    def _demand_rows(self, item: Item, level: int) -> Numbers:
        """Per domain of a level: what spreads inside it is no more than the pods that pools there have."""
        found = self._demand.get((item, level))
        if found is None:
            codes = self._levels[level]
            inside = np.flatnonzero(codes >= 0)
            found = self._rows.at_most(np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int64))
            self._rows.add(found[codes[inside]], self._pods[item][inside], -1)
            self._demand[item, level] = found
        return found

    def _levels_around(self, level: int) -> list[int]:
        """The level itself, those whose domains hold whole domains of it, and "anywhere"."""
        wider = [each for each in range(len(self._levels) - 1) if each != level and self._is_nested(level, each)]
        return [level, *wider, -1]

    def _is_nested(self, level: int, outer: int) -> bool:
        inside = self._levels[level] >= 0
        pairs = np.unique(self._levels[[level, outer]][:, inside], axis=1)
        return len(np.unique(pairs[0])) == pairs.shape[1] and bool((pairs[1] >= 0).all())

    def _around(self, level: int, outer: int, domains: Numbers) -> Numbers:
        """The domain of an outer level around each of these domains."""
        outer_of = dict(zip(self._levels[level].tolist(), self._levels[outer].tolist(), strict=True))
        return np.array([outer_of[domain] for domain in domains.tolist()], dtype=np.int64)

    def _post_queue(self, kind: Kind, taken: Numbers) -> None:
        """What the gangs taken ask for is within the room of their queue and of every queue above it."""
        queue = kind.queue if "queue-limit" in self._problem.rules else -1
        while queue >= 0:
            ask = self._problem.queues[queue]
            for resource, room in enumerate(ask.room):
                amount = sum(item.request[resource] * pods for item, pods in kind.needs)
                if room >= 0 and amount:
                    row = self._queue_rows.get((queue, resource))
                    if row is None:
                        row = self._queue_rows[queue, resource] = int(self._rows.at_most(room)[0])
                    self._rows.add(row, taken, amount)
            queue = ask.parent


def _is_single_pool(codes: Numbers) -> bool:
    own = codes[codes >= 0]
    return len(np.unique(own)) == len(own)
