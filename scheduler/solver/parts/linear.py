"""A linear program as arrays, and the one thing about it that needs no solver: what a vector of prices proves."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Linear:
    """Variables x [V] with 0 <= x <= ``uppers``, and rows sum(coefficients * x[columns]) <= ``bounds`` [M].

    The matrix is given entry by entry; everything is a whole number.
    """

    uppers: Numbers
    bounds: Numbers
    rows: Numbers
    columns: Numbers
    coefficients: Numbers


def proven_bound(linear: Linear, objective: Numbers, prices: Reals) -> int:
    """What no solution's ``objective`` exceeds, by weak duality: any prices >= 0 on the rows prove something.

    sum(c x) <= sum(prices * bounds) + sum(max(0, c - prices * A) * uppers), so a solver that stops early, or is wrong,
    makes the bound worse but never false. One unit is added for the rounding of this sum.
    """
    prices = np.maximum(prices, 0.0)
    charged = np.bincount(
        linear.columns, weights=prices[linear.rows] * linear.coefficients, minlength=len(linear.uppers)
    )
    reduced = np.maximum(objective - charged, 0.0)
    return floor(float(prices @ linear.bounds + reduced @ linear.uppers)) + 1


class Rows:
    """A linear program under construction, many variables and rows at a time."""

    def __init__(self) -> None:
        self._uppers: list[Numbers] = []
        self._bounds: list[Numbers] = []
        self._entries: list[tuple[Numbers, Numbers, Numbers]] = []
        self._variables = 0
        self._rows = 0

    def variables(self, uppers: Any) -> Numbers:
        """New variables; answers with their indices."""
        own = np.atleast_1d(np.asarray(uppers, dtype=np.int64))
        self._uppers.append(own)
        self._variables += len(own)
        return np.arange(self._variables - len(own), self._variables)

    def at_most(self, bounds: Any) -> Numbers:
        """New rows; answers with their indices."""
        own = np.atleast_1d(np.asarray(bounds, dtype=np.int64))
        self._bounds.append(own)
        self._rows += len(own)
        return np.arange(self._rows - len(own), self._rows)

    def add(self, rows: Any, columns: Any, coefficients: Any) -> None:
        """Entries of the matrix; scalars stand for as many as the others have."""
        row, column, coefficient = np.broadcast_arrays(rows, columns, coefficients)
        self._entries.append((row.ravel(), column.ravel(), coefficient.ravel()))

    def linear(self) -> Linear:
        nothing = np.zeros(0, dtype=np.int64)
        rows, columns, coefficients = (
            np.concatenate([nothing, *(entry[part] for entry in self._entries)]).astype(np.int64) for part in range(3)
        )
        return Linear(
            uppers=np.concatenate([nothing, *self._uppers]),
            bounds=np.concatenate([nothing, *self._bounds]),
            rows=rows,
            columns=columns,
            coefficients=coefficients,
        )
