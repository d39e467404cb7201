"""What prices prove holds whatever the prices are, and is tight where they are the right ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.solver.facade import relax
from scheduler.solver.parts.linear import Linear, Rows, proven_bound

VALUES = np.array([5, 4, 3], dtype=np.int64)


def knapsack() -> Linear:
    """5a + 4b + 3c where 2a + 3b + c <= 5 and 4a + b + 2c <= 11; a, b, c <= 3."""
    rows = Rows()
    variables = rows.variables([3, 3, 3])
    first, second = rows.at_most([5, 11])
    rows.add(first, variables, [2, 3, 1])
    rows.add(second, variables, [4, 1, 2])
    return rows.linear()


def best(linear: Linear, values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """By trying everything."""
    matrix = np.zeros((len(linear.bounds), len(linear.uppers)), dtype=np.int64)
    np.add.at(matrix, (linear.rows, linear.columns), linear.coefficients)
    grid = np.indices([upper + 1 for upper in linear.uppers]).reshape(len(linear.uppers), -1)
    legal = (matrix @ grid <= linear.bounds[:, None]).all(axis=0)
    return int((values @ grid[:, legal]).max())


@given(st.lists(st.floats(-5, 50), min_size=2, max_size=2))
def test_no_prices_prove_less_than_what_is_possible(prices: list[float]) -> None:
    linear = knapsack()
    assert proven_bound(linear, VALUES, np.array(prices)) >= best(linear, VALUES)


def test_the_right_prices_prove_what_the_relaxation_reaches() -> None:
    linear = knapsack()
    relaxed = relax(linear, VALUES, 5.0)
    assert relaxed is not None
    reached = float(VALUES @ relaxed.values)
    assert reached <= proven_bound(linear, VALUES, relaxed.prices) <= reached + 1.001


def test_large_objectives_lose_no_digits_that_matter() -> None:
    linear = knapsack()
    relaxed = relax(linear, VALUES * 10**12, 5.0)
    assert relaxed is not None
    proven = proven_bound(linear, VALUES * 10**12, relaxed.prices)
    assert 0 <= proven / 10**12 - float(VALUES @ relaxed.values) < 1e-6
