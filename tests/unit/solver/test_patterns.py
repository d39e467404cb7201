"""Few devices for some shares: by hand, and beside the bound."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scheduler.solver.devices.cutting_stock import share_prices
from scheduler.solver.packing.patterns import fewest_devices, patterns_of

SIZES = st.integers(min_value=1, max_value=20).map(lambda step: 50 * step)


def test_four_devices_of_470_and_230_are_three() -> None:
    assert sorted(patterns_of({470: 4, 230: 4})) == [(230, 230, 230, 230), (470, 470), (470, 470)]


def test_small_shares_go_where_nothing_else_does() -> None:
    assert sorted(patterns_of({810: 3, 160: 2})) == [(810,), (810, 160), (810, 160)]


@given(shares=st.dictionaries(SIZES, st.integers(min_value=1, max_value=12), min_size=1, max_size=5))
def test_every_share_has_one_place_and_no_device_is_over_full(shares: dict[int, int]) -> None:
    patterns = patterns_of(shares)
    assert Counter(size for pattern in patterns for size in pattern) == shares
    assert max(map(sum, patterns)) <= 1000
    prices = share_prices({size: float(count) for size, count in shares.items()})
    fewest = fewest_devices(shares, prices)
    assert fewest <= len(patterns) <= fewest + 2, "rounding costs a device or two"
