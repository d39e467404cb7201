"""Prices of shares and the worth of what is free on a device."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.solver.devices.cutting_stock import share_prices, worth_of_free

SIZES = st.integers(min_value=1, max_value=20).map(lambda step: 50 * step)


def patterns(sizes: list[int]) -> list[tuple[int, ...]]:
    """Every way to fill one device."""
    counts = [range(1000 // size + 1) for size in sizes]
    return [
        pattern
        for pattern in itertools.product(*counts)
        if sum(size * count for size, count in zip(sizes, pattern, strict=True)) <= 1000
    ]


def test_two_halves_cost_a_device() -> None:
    assert share_prices({500: 10}) == {500: 0.5}


def test_a_share_pays_for_the_waste_beside_it() -> None:
    """Nothing fits beside 810, so it costs the whole device."""
    prices = share_prices({810: 3, 470: 2})
    assert prices[810] == pytest.approx(1)
    assert prices[470] == pytest.approx(0.5)


def test_a_small_share_fills_the_rest_for_nothing() -> None:
    """With more rests of 190 than shares of 160, these are free."""
    prices = share_prices({810: 100, 160: 5})
    assert prices[160] == pytest.approx(0)
    worth = worth_of_free(prices)
    assert worth[190] == pytest.approx(0)
    assert worth[1000] == 1


def test_what_is_free_is_worth_what_it_holds() -> None:
    worth = worth_of_free({470: 0.5, 230: 0.25})
    assert worth[[0, 229, 230, 470, 530, 700, 1000]].tolist() == [0, 0, 0.25, 0.5, 0.5, 0.75, 1]


@given(demand=st.dictionaries(SIZES, st.integers(min_value=1, max_value=50), min_size=1, max_size=4))
def test_no_pattern_pays_more_than_a_device_and_the_prices_are_tight(demand: dict[int, int]) -> None:
    prices = share_prices({size: float(count) for size, count in demand.items()})
    sizes = sorted(demand)
    paid = [
        sum(prices[size] * count for size, count in zip(sizes, pattern, strict=True)) for pattern in patterns(sizes)
    ]
    assert max(paid) == pytest.approx(1)
    assert min(prices.values()) >= -1e-9


@given(demand=st.dictionaries(SIZES, st.integers(min_value=1, max_value=50), min_size=1, max_size=6))
def test_more_room_is_worth_more(demand: dict[int, int]) -> None:
    worth = worth_of_free(share_prices({size: float(count) for size, count in demand.items()}))
    assert (np.diff(worth) >= 0).all()
    assert worth[0] == 0
    assert worth[1000] == 1
