"""Room for one more pod by cutting a few devices anew: their shares, and the pod, in patterns that waste less.

Emptying one device (`Repacking.fit_in`) needs holes for all that stood on it. Late, when the fleet is full, no hole
matches: four devices of 470 + 230 leave 300 each, and only together they are three devices. So the devices that waste
most at the prices of what stands on them (their patterns pay less than a device) are taken together, few at first, and
their shares are cut into patterns again. Shares that may stay where they are stay: only what changes its device counts
as moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI
from scheduler.solver.devices.cutting_stock import share_prices
from scheduler.solver.packing.patterns import Pattern, fewest_devices, patterns_of
from scheduler.solver.packing.relieving import Movable, Relief
from scheduler.solver.packing.repacking import Repacking, Spot

_POOL_MAX = 96
"""Devices that are cut anew together at most."""
_RECUTS = 8
"""Pools whose devices are cut anew for one pod before it counts as not to be placed."""
_SWAPS = 4
"""Shares that are tried as the one who makes way for another of their size."""
_SCARCE = 10_000.0
"""Thousandths: where CPU or memory would run short a pattern goes last, whatever stands there already."""
_HOMES = 3
"""Devices that are tried for a pod that takes a whole one."""
_TOLERANCE = 1e-6
_UNBOUNDED = 2**62

Counts = NDArray[np.int64]
Place = tuple[int, int]
"""(node, position of the device)."""


def rejoin(
    packing: Repacking,
    pod: int,
    shape: int,
    movable: Collection[int],
    stuck: set[Place],
    most_milli: int = _UNBOUNDED,
) -> int | None:
    """Places a pod that asks for one device or a share of it and fits nowhere. Answers with the thousandths moved, at
    most ``most_milli``; None when nothing was found, and then everything is where it was.

    Devices of shares that turn out to have nowhere else to go join ``stuck``, and nobody looks at those.
    """
    size = packing.size_of(shape)
    pools = _Pools.of(packing, movable) if size else None
    if pools is None:
        return None
    may_move = Movable(packing, movable)
    length = 1
    for _ in range(_RECUTS):
        found = pools.enough_for(packing, size, length, stuck)
        if found is None:
            return None
        pool, patterns = found
        recut = _Recut(packing, pools, pool, may_move)
        moved = recut.apply(pod, shape, size, patterns, most_milli)
        if moved is not None:
            return moved
        if recut.stuck is None:
            length = len(pool) + max(1, len(pool) // 4)
        else:
            stuck.add(recut.stuck)
            length = len(pool)
    return None


@dataclass(frozen=True, eq=False)
class _Pools:
    """Devices on which everything that is taken may move: ``places`` (node, position), the pods on each, ``counts``
    [D x S] of shares by ``sizes`` [S], ``needs`` [S x R] of a mean share of each size, and ``order``, the most wasteful
    first."""

    places: list[Place]
    pods: list[list[int]]
    by_size: dict[int, list[int]]
    needs: NDArray[np.float64]
    sizes: Counts
    counts: Counts
    prices: dict[int, float]
    waste: NDArray[np.float64]
    order: Counts

    @classmethod
    def of(cls, packing: Repacking, movable: Iterable[int]) -> _Pools | None:
        on: dict[tuple[int, int], list[int]] = {}
        for pod in movable:
            spot = packing.spots.get(pod)
            if spot is not None and packing.is_share(spot.shape) and len(spot.held) == 1:
                on.setdefault((spot.node, spot.held[0]), []).append(pod)
        places = [place for place, pods in sorted(on.items()) if packing.holds_only(place, pods)]
        if not places:
            return None
        pods = [on[place] for place in places]
        milli = [[packing.milli(pod) for pod in here] for here in pods]
        by_size: dict[int, list[int]] = {}
        for here, each in zip(pods, milli, strict=True):
            for pod, size in zip(here, each, strict=True):
                by_size.setdefault(size, []).append(pod)
        sizes = sorted(by_size)
        column = {size: index for index, size in enumerate(sizes)}
        counts = np.zeros((len(places), len(sizes)), dtype=np.int64)
        for row, here in enumerate(milli):
            for size in here:
                counts[row, column[size]] += 1
        demand = {size: float(count) for size, count in zip(sizes, counts.sum(axis=0).tolist(), strict=True)}
        prices = share_prices({**demand, DEVICE_MILLI: 1.0})
        waste = 1 - counts @ np.array([prices[size] for size in sizes])
        needs = np.array(
            [packing.requests[[packing.spots[pod].shape for pod in by_size[size]]].mean(axis=0) for size in sizes]
        )
        room = packing.room(np.array([node for node, _ in places]))
        order = _most_wasteful_first(waste, counts, room)
        return cls(places, pods, by_size, needs, np.array(sizes), counts, prices, waste, order)

    def enough_for(
        self, packing: Repacking, size: int, length: int, stuck: AbstractSet[Place]
    ) -> tuple[list[int], list[Pattern]] | None:
        """The first so many devices or a few more, and patterns for their shares and one of this size that need no
        more devices; None where there are none. Nobody looks at ``stuck`` devices."""
        order = [each for each in self.order.tolist() if self.places[each] not in stuck][:_POOL_MAX]
        while length <= len(order):
            pool = order[:length]
            packing.looks += length * len(self.sizes)
            wanted = Counter(self.shares(pool))
            wanted[size] += 1
            if size not in self.prices or fewest_devices(wanted, self.prices) <= length:
                patterns = patterns_of(wanted)
                if len(patterns) <= length:
                    return pool, patterns
            length += max(1, length // 4)
        return None

    def of_size(self, packing: Repacking, size: int) -> tuple[Counts, Counts, Counts]:
        """The shares of a size that are in place now: pods, shapes and nodes."""
        here = self.by_size.get(size, [])
        found = [(pod, packing.spots[pod].shape, packing.spots[pod].node) for pod in here if pod in packing.spots]
        pods, shapes, nodes = np.array(found, dtype=np.int64).reshape(-1, 3).T
        return pods, shapes, nodes

    def shares(self, pool: Sequence[int]) -> dict[int, int]:
        total = self.counts[pool].sum(axis=0)
        return {int(size): int(count) for size, count in zip(self.sizes, total, strict=True) if count}


def _most_wasteful_first(waste: NDArray[np.float64], counts: Counts, room: NDArray[np.float64]) -> Counts:
    """Devices that waste something by how much; then, as partners of many sizes, one of each pattern in turn, that on
    the node with most room."""
    pattern = np.unique(counts, axis=0, return_inverse=True)[1].ravel()
    turn = np.zeros(len(pattern), dtype=np.int64)
    by_pattern = np.lexsort((-room, pattern))
    first = np.r_[True, pattern[by_pattern][1:] != pattern[by_pattern][:-1]]
    begins = np.maximum.accumulate(np.where(first, np.arange(len(pattern)), 0))
    turn[by_pattern] = np.arange(len(pattern)) - begins
    wasteful = waste > _TOLERANCE
    several = counts.sum(axis=1) > 1  # one large share alone has nothing to give
    return np.lexsort((-room, np.where(wasteful, 0, turn), ~several, np.where(wasteful, -np.round(waste, 6), 0)))


class _Recut:
    """A pool of devices, and what happens to the pods on them. ``movable`` pods may make way where CPU is short."""

    def __init__(self, packing: Repacking, pools: _Pools, pool: list[int], movable: Movable) -> None:
        self._packing = packing
        self._pools = pools
        self._movable = movable
        self._most_milli = 0
        self._swapped: list[tuple[int, Spot]] = []
        self._others: dict[int, tuple[Counts, Counts, Counts]] = {}
        self.stuck: Place | None = None
        """The device of a share that can go nowhere else: that was the hitch."""
        self._places = [pools.places[each] for each in pool]
        self._pods = [sorted(pools.pods[each]) for each in pool]
        self._sizes: list[int] = pools.sizes.tolist()
        self._counts = pools.counts[pool]

    def apply(self, pod: int, shape: int, size: int, patterns: Sequence[Pattern], most_milli: int) -> int | None:
        self.stuck = None
        if size < DEVICE_MILLI:
            return self._try(pod, shape, None, patterns, most_milli)
        rest = [pattern for pattern in patterns if pattern != (DEVICE_MILLI,)]
        for home in self._homes(shape):
            moved = self._try(pod, shape, home, rest, most_milli)
            if moved is not None:
                return moved
        return None

    def _homes(self, shape: int) -> list[int]:
        """Devices that a pod may take whole, once they are empty: where CPU suffices first, then the least to move."""
        packing = self._packing
        found = []
        for index, ((node, _), pods) in enumerate(zip(self._places, self._pods, strict=True)):
            room = packing.free[:, node] + sum(packing.requests[packing.spots[pod].shape] for pod in pods)
            if packing.eligible(shape)[node]:
                lacks = not packing.accepts(shape, node, room)
                found.append((lacks, sum(packing.milli(pod) for pod in pods), index))
        return [index for _, _, index in sorted(found)[:_HOMES]]

    def _try(self, pod: int, shape: int, home: int | None, patterns: Sequence[Pattern], most_milli: int) -> int | None:
        """Everything in its new place, or everything where it was."""
        packing = self._packing
        loose, slots = self._changes(home, patterns)
        self._most_milli = most_milli - sum(packing.milli(other) for other in loose)
        if self._most_milli < 0:
            return None
        self._swapped.clear()
        self._others.clear()
        before = [(other, packing.lift(other)) for other in loose]
        self._movable.follow(packing, loose)
        stood = [(spot.node, spot.held[0]) for _, spot in before]
        placed: list[int] = []
        waiting = [(other, spot.shape) for other, spot in before]
        at_home = False
        if home is None:
            waiting.append((pod, shape))
        else:
            node, position = self._places[home]
            spot = Spot(shape, node, (position,))
            at_home = packing.put_at(pod, spot) or self._relieved(pod, spot)
            placed += [pod] * at_home
        for other, kind in sorted(waiting, key=self._hardest) if home is None or at_home else ():
            if not self._place(other, kind, slots):
                self.stuck = dict(zip(loose, stood, strict=True)).get(other)
                break
            placed.append(other)
        was = {**dict(self._swapped[::-1]), **dict(before)}
        moved = sum(packing.milli(other) for other, spot in was.items() if packing.spots.get(other) not in (None, spot))
        if len(placed) == len(before) + 1 and moved <= most_milli:
            self._movable.follow(packing, was)
            return moved
        for other in {*placed, *was} & packing.spots.keys():
            packing.lift(other)
        for other, spot in was.items():
            packing.restore(other, spot)
        self._movable.follow(packing, was)
        return None

    def _hardest(self, each: tuple[int, int]) -> tuple[int, tuple[int, ...], int]:
        """Large shares first, of these the ones with the largest requests."""
        pod, shape = each
        return (-self._packing.size_of(shape), tuple((-self._packing.requests[shape]).tolist()), pod)

    def _changes(self, home: int | None, patterns: Sequence[Pattern]) -> tuple[list[int], dict[int, list[Place]]]:
        """The pods that leave their devices, and by size the places that are then meant for them. Each pattern goes
        where most of it stands already."""
        wanted = np.array([[pattern.count(size) for size in self._sizes] for pattern in patterns]).reshape(
            -1, len(self._sizes)
        )
        overlap = (np.minimum(wanted[:, None, :], self._counts) @ np.array(self._sizes)).astype(np.float64)
        growth = (wanted[:, None, :] - self._counts) @ self._pools.needs  # [patterns x devices x R]
        overlap -= _SCARCE * (growth > self._packing.free[:, [node for node, _ in self._places]].T).any(axis=2)
        overlap += 10 * _SCARCE
        if home is not None:
            overlap[:, home] = -1
        new = np.zeros_like(self._counts)
        for _ in patterns:
            pattern, device = divmod(int(overlap.argmax()), overlap.shape[1])
            assert overlap[pattern, device] >= 0, "there are no more patterns than devices"
            new[device] = wanted[pattern]
            overlap[pattern, :] = -1
            overlap[:, device] = -1
        loose: list[int] = []
        slots: dict[int, list[Place]] = {}
        for device, place in enumerate(self._places):
            stays = np.minimum(new[device], self._counts[device])
            for size, count, total in zip(self._sizes, stays.tolist(), new[device].tolist(), strict=True):
                here = [pod for pod in self._pods[device] if self._packing.milli(pod) == size]
                loose += here[count:]
                slots.setdefault(size, []).extend([place] * (total - count))
        return loose, slots

    def _place(self, pod: int, shape: int, slots: dict[int, list[Place]]) -> bool:
        """Into a place meant for its size, the node with least to spare first; into the place of another share of its
        size, who needs less and goes there instead; or anywhere."""
        packing = self._packing
        meant = slots.get(packing.size_of(shape), [])
        places = sorted(set(meant), key=lambda place: (*packing.free[:, place[0]].tolist(), place))
        for place in places:
            if packing.put_at(pod, Spot(shape, place[0], (place[1],))):
                meant.remove(place)
                return True
        for place in places[::-1][:_SWAPS]:
            if self._swap_in(pod, shape, place):
                meant.remove(place)
                return True
        for place in places[::-1][:_SWAPS]:
            if self._relieved(pod, Spot(shape, place[0], (place[1],))):
                meant.remove(place)
                return True
        return packing.put(pod, shape)

    def _relieved(self, pod: int, spot: Spot) -> bool:
        """Exactly there, where others on the node make way."""
        packing = self._packing
        if not packing.eligible(spot.shape)[spot.node]:
            return False
        relief = Relief(packing, self._movable, spot.node, self._most_milli)
        if not relief.make(packing.requests[spot.shape]):
            return False
        if not packing.put_at(pod, spot):
            relief.undo()
            return False
        self._most_milli -= relief.milli
        self._swapped += relief.was
        return True

    def _swap_in(self, pod: int, shape: int, place: Place) -> bool:
        """Another share of the same size to the place, the pod to where that one was."""
        packing, size = self._packing, self._packing.size_of(shape)
        if size not in self._others:
            self._others[size] = self._pools.of_size(packing, size)
        others, shapes, nodes = self._others[size]
        asked = packing.requests[shapes]
        room = packing.free[:, nodes].T + asked - packing.requests[shape]
        packing.looks += len(others)
        suits = packing.eligible(shape)[nodes] & (asked <= packing.free[:, place[0]]).all(axis=1)
        suits &= (room >= 0).all(axis=1) & (nodes != place[0])
        for index in np.flatnonzero(suits)[:_SWAPS].tolist():
            other = int(others[index])
            if packing.spots[other].node != nodes[index]:
                continue  # it has moved itself meanwhile
            spot = packing.lift(other)
            if packing.put_at(other, Spot(spot.shape, place[0], (place[1],))):
                self._swapped.append((other, spot))
                self._movable.follow(packing, [other])
                packing.restore(pod, Spot(shape, spot.node, spot.held))
                return True
            packing.restore(other, spot)
        return False
