"""What the free part of a device is worth to shares of known sizes: cutting stock by columns (Gilmore and Gomory 1961).

The fewest devices that hold a mix of shares are a linear program over *patterns* (which sizes share one device). Its
dual prices say what part of a device each size really costs, its own waste included: with many shares of 810 and none
below 190 to go beside them, 810 costs the whole device. The best pattern within f free thousandths, at those prices,
is what f is worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI

_TOLERANCE = 1e-9
_ROUNDS = 500

Worth = NDArray[np.float64]
"""[DEVICE_MILLI + 1] by free thousandths, in devices: 0 for a taken device, 1 for an idle one."""


def share_prices(demand: Mapping[int, float]) -> dict[int, float]:
    """Share size in thousandths (1 to 1000) -> the part of a device that one share costs, where shares come in
    proportion to ``demand`` (positive)."""
    return Cut.of(demand).prices


@dataclass(frozen=True, eq=False)
class Cut:
    """The fewest devices, as fractions: ``patterns`` [S x K] count the shares of each of ``sizes`` [S] on one device,
    ``devices`` [K] how often each pattern is cut, and at ``prices`` no pattern pays more than one device."""

    sizes: tuple[int, ...]
    patterns: NDArray[np.float64]
    devices: NDArray[np.float64]
    prices: dict[int, float]

    @classmethod
    def of(cls, demand: Mapping[int, float]) -> Cut:
        """For so many shares of each size, in thousandths (1 to 1000; numbers positive).

        The simplex method on the covering program, one column at a time: the basis starts with devices cut for one size
        alone, and the knapsack at the current prices names the pattern to take in.
        """
        sizes = np.array(sorted(demand), dtype=np.int64)
        wanted = np.array([demand[size] for size in sizes.tolist()], dtype=np.float64)
        basis, prices = _simplex(sizes, wanted)
        devices = np.maximum(np.linalg.solve(basis, wanted), 0)
        listed = tuple(sizes.tolist())
        return cls(listed, basis, devices, dict(zip(listed, prices.tolist(), strict=True)))


def _simplex(sizes: NDArray[np.int64], wanted: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The basis of patterns [S x S] that covers what is wanted with fewest devices, and the price of each size [S]."""
    basis = np.diag(DEVICE_MILLI // sizes).astype(np.float64)
    prices = _dual(basis)
    for _ in range(_ROUNDS):
        pattern = _best_pattern(sizes, prices)
        if float(pattern @ prices) <= 1 + _TOLERANCE:
            break
        step = np.linalg.solve(basis, np.stack([pattern, wanted], axis=1))
        entering, level = step[:, 0], np.maximum(step[:, 1], 0)
        ratio = np.where(entering > _TOLERANCE, level / np.maximum(entering, _TOLERANCE), np.inf)
        basis[:, int(ratio.argmin())] = pattern
        prices = _dual(basis)
    return basis, prices


def worth_of_free(prices: Mapping[int, float]) -> Worth:
    """The best that fits into each amount of free thousandths of one device, at given prices per share size."""
    sizes = np.array(sorted(prices), dtype=np.int64)
    step, best = _knapsack(sizes, np.array([prices[size] for size in sizes.tolist()]))
    worth = np.repeat(best, step)[: DEVICE_MILLI + 1]
    return np.asarray(worth / max(float(worth[-1]), _TOLERANCE))


def _dual(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """The prices at which every pattern of the basis pays exactly one device."""
    return np.asarray(np.linalg.solve(basis.T, np.ones(len(basis))), dtype=np.float64)


def _knapsack(sizes: NDArray[np.int64], prices: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """The largest step that divides all sizes, and the best value within each multiple of it; a size may come again."""
    step = math.gcd(DEVICE_MILLI, *sizes.tolist())
    cells = sizes // step
    best = np.zeros(DEVICE_MILLI // step + 1)
    for room in range(1, len(best)):
        fitting = cells <= room
        best[room] = max(float((prices[fitting] + best[room - cells[fitting]]).max(initial=0.0)), best[room - 1])
    return step, best


def _best_pattern(sizes: NDArray[np.int64], prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many shares of each size make the most of one device."""
    step, best = _knapsack(sizes, prices)
    cells = (sizes // step).tolist()
    pattern = np.zeros(len(sizes))
    room = len(best) - 1
    while room > 0:
        taken = next(
            (
                size
                for size, cell in enumerate(cells)
                if cell <= room
                and prices[size] > 0
                and best[room] <= prices[size] + best[room - cell] + _TOLERANCE / 10
            ),
            None,
        )
        if taken is None:
            room -= 1
        else:
            pattern[taken] += 1
            room -= cells[taken]
    return pattern
