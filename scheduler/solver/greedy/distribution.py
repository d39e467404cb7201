"""How many pods of one kind go to which domain of nested levels: few domains, whole slices, evenly where asked.

Room is added up from the finest level and rounded down to whole slices wherever a level has some. Then pods are handed
down from the coarsest: a level that only asks for few domains chooses which of them are used, a level with slices (or
balance) fixes how many pods each of its domains gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.greedy.choose import fewest_domains

Ints = NDArray[np.int64]
Loads = list[tuple[int, int]]
"""(cell, pods)."""

_EVEN_TRIES = 8


@dataclass(frozen=True)
class Layer:
    """One level: ``column`` of the problem, ``size`` of its slices (1: none), and whether loads are to be even."""

    column: int
    size: int = 1
    even: bool = False


class DomainTree:
    """The domains of some layers, coarse to fine, over places with room.

    ``codes`` is [layers x places], ``room`` [places] in pods. A *cell* is a domain of the finest layer. Where a layer
    has slices, places without a domain (code -1) have no room; else they count as one domain more.
    """

    def __init__(self, layers: Sequence[Layer], codes: Ints, room: Ints) -> None:
        self.layers = tuple(layers)
        homeless = np.zeros(len(room), dtype=np.bool_)
        for layer, row in zip(self.layers, codes, strict=True):
            homeless |= (row < 0) if layer.size > 1 else False
        room = np.where(homeless, 0, room)
        self._domain: list[Ints] = []
        self._parent: list[Ints] = []
        path = np.zeros(len(room), dtype=np.int64)
        for row in codes:
            joint = path * (int(row.max(initial=-1)) + 2) + row + 1
            _, first, domain = np.unique(joint, return_index=True, return_inverse=True)
            self._parent.append(path[first])
            path = domain.astype(np.int64)
            self._domain.append(path)
        self._room = self._rooms(room)

    def _rooms(self, room: Ints) -> list[Ints]:
        """[domains] per layer: what each holds in whole slices of its own and all finer layers."""
        rooms: list[Ints] = []
        below, groups = room, self._domain[-1]
        for number in reversed(range(len(self.layers))):
            total = np.bincount(groups, weights=below, minlength=len(self._parent[number])).astype(np.int64)
            size = self.layers[number].size
            rooms.insert(0, total - total % size)
            below, groups = rooms[0], self._parent[number]
        return rooms

    @property
    def size(self) -> int:
        """The coarsest slices, 1 without any: only multiples of it can be handed out."""
        return max(layer.size for layer in self.layers)

    def most(self) -> int:
        """The most pods that fit in whole slices."""
        total = int(self._room[0].sum())
        return total - total % self.size

    def best(self) -> tuple[int, int]:
        """(domain of the coarsest layer, by its rank among the codes, the pods that it holds in whole slices)."""
        at = int(self._room[0].argmax())
        return at, int(self._room[0][at])

    def room_of(self, cell: int) -> int:
        """The pods that a cell holds in whole slices."""
        return int(self._room[-1][cell])

    def place_of(self, cell: int) -> NDArray[np.bool_]:
        """[places] inside a cell."""
        return np.asarray(self._domain[-1] == cell)

    def hand_out(self, count: int, touched: NDArray[np.bool_]) -> Loads:
        """(cell, pods) of ``count`` pods, at most `most` and a multiple of the slices. Domains with places that are
        ``touched`` already are used first."""
        if count == 0:
            return []
        used = [set(np.unique(domain[touched]).tolist()) for domain in self._domain]
        loads, _ = self._descend(0, np.arange(len(self._parent[0])), count, used)
        return loads

    def _descend(self, number: int, domains: Ints, count: int, used: list[set[int]]) -> tuple[Loads, tuple[int, ...]]:
        """The loads of the cells below some domains of a layer, and the fullest domain of each even layer."""
        layer = self.layers[number]
        room = self._room[number][domains]
        if layer.even:
            return self._evenly(number, domains, count, used)
        picked = _fewest(room, [at for at, each in enumerate(domains.tolist()) if each in used[number]], count)
        chosen = [(int(domains[at]), load) for at, load in picked]
        if number == len(self.layers) - 1:
            return chosen, ()
        if layer.size == 1:
            return self._descend(number + 1, self._below(number, [each for each, _ in chosen]), count, used)
        return self._each(number, chosen, used)

    def _evenly(self, number: int, domains: Ints, count: int, used: list[set[int]]) -> tuple[Loads, tuple[int, ...]]:
        room = self._room[number][domains]
        holds_all = np.flatnonzero(room >= count)[:_EVEN_TRIES].tolist()
        options = [[(int(domains[at]), count)] for at in sorted(holds_all, key=lambda at: (room[at], at))]
        if not options:
            options = [[(int(domains[at]), load) for at, load in _even(room, count, self._unit(number))]]
        best: tuple[Loads, tuple[int, ...]] | None = None
        for chosen in options:
            last = number == len(self.layers) - 1
            loads, fullest = (chosen, ()) if last else self._each(number, chosen, used)
            found = loads, (max(load for _, load in chosen), *fullest)
            if best is None or found[1] < best[1]:
                best = found
        assert best is not None
        return best

    def _unit(self, number: int) -> int:
        """What every load at a layer is a multiple of: its own slices, or those of a finer layer."""
        return max(layer.size for layer in self.layers[number:])

    def _each(self, number: int, chosen: Loads, used: list[set[int]]) -> tuple[Loads, tuple[int, ...]]:
        """The loads below domains whose own loads are fixed."""
        loads: Loads = []
        fullest: tuple[int, ...] = ()
        for domain, load in chosen:
            inner, worst = self._descend(number + 1, self._below(number, [domain]), load, used)
            loads += inner
            fullest = tuple(map(max, fullest, worst)) if fullest else worst
        return loads, fullest

    def _below(self, number: int, domains: list[int]) -> Ints:
        return np.flatnonzero(np.isin(self._parent[number + 1], domains))


def _fewest(room: Ints, touched: list[int], count: int) -> Loads:
    """As few domains as possible, the largest first, for the rest the tightest."""
    loads: Loads = []
    for at in fewest_domains(np.concatenate([[0], room]), touched, count):
        load = min(int(room[at]), count)
        count -= load
        if load:
            loads.append((at, load))
    return loads


def _even(room: Ints, count: int, unit: int) -> Loads:
    """As few domains as possible, the fullest as empty as possible, each load where it fits most tightly."""
    units = room // unit
    order = np.argsort(-units, kind="stable")
    needed = int(np.searchsorted(np.cumsum(units[order]), count // unit)) + 1
    largest = units[order[:needed]]
    level = 1
    while np.minimum(largest, level).sum() < count // unit:
        level += 1
    loads = np.minimum(largest, level)
    full = np.flatnonzero(loads == level)
    loads[full[len(full) - (int(loads.sum()) - count // unit) :]] -= 1  # the level before was less than one too low
    free = dict(enumerate(units.tolist()))
    placed: Loads = []
    for load in sorted(loads.tolist(), reverse=True):
        at = min((each for each in free if free[each] >= load), key=lambda each: (free[each], each))
        del free[at]
        placed.append((at, load * unit))
    return placed
