"""Few devices for some shares: the linear program's patterns as often as they go in whole, then one after another.

The program's solution (`solver.devices.cutting_stock`) is a pattern per size at most, so rounding it down leaves few
shares; each next device then takes the pattern that pays most of these. It is a heuristic: `fewest_devices` is the
bound that says how close it comes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from scheduler.model.devices import DEVICE_MILLI
from scheduler.solver.devices.cutting_stock import Cut

Pattern = tuple[int, ...]
"""The sizes of the shares on one device in thousandths, largest first."""

_FULLER = 1e-5
"""Of patterns that pay the same the one that fills the device more, per thousandth: it also finds room for shares that
cost nothing."""
_TOLERANCE = 1e-6


def fewest_devices(shares: Mapping[int, int], prices: Mapping[int, float]) -> int:
    """No packing of so many shares of each size needs fewer, if no pattern pays more than one device."""
    return math.ceil(sum(prices[size] * count for size, count in shares.items()) - _TOLERANCE)


def patterns_of(shares: Mapping[int, int]) -> list[Pattern]:
    """Patterns that together hold exactly so many shares of each size (all positive)."""
    left = dict(sorted(shares.items(), reverse=True))
    step = math.gcd(DEVICE_MILLI, *left)
    cut = Cut.of(left)
    found = []
    for counts, devices in zip(cut.patterns.T.astype(np.int64).tolist(), cut.devices.tolist(), strict=True):
        pattern = tuple(size for size, count in zip(cut.sizes, counts, strict=True) for _ in range(count))[::-1]
        times = math.floor(devices + _TOLERANCE)
        found += [pattern] * times
        for size in pattern:
            left[size] -= times
    left = {size: count for size, count in left.items() if count}
    while left:
        pattern = _best(left, cut.prices, step)
        times = min(left[size] // pattern.count(size) for size in set(pattern))
        found += [pattern] * times
        for size in pattern:
            left[size] -= times
        left = {size: count for size, count in left.items() if count}
    return found


def _best(left: Mapping[int, int], prices: Mapping[int, float], step: int) -> Pattern:
    """The pattern of shares that are left which pays most: a knapsack in which every size comes so often at most."""
    pieces = [size for size, count in left.items() for _ in range(min(count, DEVICE_MILLI // size))]
    best = np.zeros(DEVICE_MILLI // step + 1)
    takes = np.zeros((len(pieces), len(best)), dtype=np.bool_)
    for index, size in enumerate(pieces):
        cells = size // step
        with_it = best[:-cells] + prices[size] + _FULLER * size
        takes[index, cells:] = with_it > best[cells:] + _TOLERANCE
        best[cells:] = np.where(takes[index, cells:], with_it, best[cells:])
    room, pattern = len(best) - 1, []
    for index in range(len(pieces) - 1, -1, -1):
        if takes[index, room]:
            pattern.append(pieces[index])
            room -= pieces[index] // step
    return tuple(sorted(pattern, reverse=True))
