"""Repacking never loses a pod or a device: whatever is put, lifted, settled or fitted in adds up again."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.devices import DeviceAsk
from scheduler.solver.devices.prices import Prices
from scheduler.solver.greedy.stock import Rest
from scheduler.solver.packing.repacking import Repacking, Spot
from scheduler.solver.problem import MemberAsk, Problem
from tests.unit.solver.parts import expecting

NODES = 4
DEVICES = 3
CPU_MILLI = 12_000
EVERYWHERE = np.packbits([True]).tobytes()
ASKS = (
    MemberAsk((0, 1000), 5, 0, 0, EVERYWHERE, DeviceAsk(milli=300)),
    MemberAsk((0, 2000), 3, 0, 0, EVERYWHERE, DeviceAsk(milli=600)),
    MemberAsk((1000, 3000), 3, 0, 0, EVERYWHERE),
    MemberAsk((2000, 4000), 1, 0, 0, EVERYWHERE),
    MemberAsk((0, 3000), 2, 0, 0, EVERYWHERE),
)
MILLI = (300, 600, 1000, 2000, 0)


def problem() -> Problem:
    return expecting(ASKS, [[1000] * DEVICES], [CPU_MILLI], nodes=[NODES])


def repacking() -> Repacking:
    return Repacking(problem(), ASKS)


def check(packing: Repacking) -> None:
    """Adds up, per node and device, what the spots say, by plain counting."""
    used: dict[tuple[int, int], int] = {}
    cpu: dict[int, int] = {}
    for spot in packing.spots.values():
        ask = ASKS[spot.shape]
        expected = 0 if not MILLI[spot.shape] else max(1, ask.request[0] // 1000)
        assert len(set(spot.held)) == expected
        for device in spot.held:
            used[spot.node, device] = used.get((spot.node, device), 0) + MILLI[spot.shape] // expected
        cpu[spot.node] = cpu.get(spot.node, 0) + ask.request[1]
    assert all(milli <= 1000 for milli in used.values())
    assert all(taken <= CPU_MILLI for taken in cpu.values())


SHAPES = st.lists(st.integers(0, len(ASKS) - 1), max_size=40)


@settings(max_examples=60, deadline=None)
@given(shapes=SHAPES, lifted=st.sets(st.integers(0, 39)), again=SHAPES)
def test_devices_and_cpu_add_up(shapes: list[int], lifted: set[int], again: list[int]) -> None:
    packing = repacking()
    for pod, shape in enumerate(shapes):
        packing.put(pod, shape)
        check(packing)
    for pod in sorted(lifted & packing.spots.keys()):
        packing.lift(pod)
    packing.settle(sorted(packing.spots))
    check(packing)
    for pod, shape in enumerate(again, start=len(shapes)):
        before = dict(packing.spots)
        if not packing.put(pod, shape) and packing.fit_in(pod, shape, list(packing.spots)) is None:
            assert packing.spots == before, "who was not fitted in has moved somebody"
        check(packing)
        assert before.keys() <= packing.spots.keys(), "somebody was lost"


@settings(max_examples=60, deadline=None)
@given(shapes=SHAPES)
def test_an_empty_fleet_is_empty_again(shapes: list[int]) -> None:
    packing = repacking()
    empty = [packing.cost(shape).copy() for shape in range(len(ASKS))]
    for pod, shape in enumerate(shapes):
        packing.put(pod, shape)
    for pod in sorted(packing.spots):
        packing.lift(pod)
    for shape in range(len(ASKS)):
        np.testing.assert_allclose(packing.cost(shape), empty[shape])


def test_room_for_a_whole_device_is_made_by_moving_a_share() -> None:
    """On each node two whole devices are taken and a share stands on the third: two of these go together."""
    packing = repacking()
    for node in range(NODES):
        packing.put_on(10 + node, 0, node)
        packing.put_on(20 + node, 2, node)
        packing.put_on(30 + node, 2, node)
    assert not packing.put(1, 2)
    assert packing.fit_in(1, 2, range(20, 40)) is None, "whole devices are not moved"
    assert packing.fit_in(1, 2, range(10, 20), most_milli=299) is None, "the budget is kept"
    assert packing.fit_in(1, 2, range(10, 20)) == 300
    check(packing)
    assert len(packing.spots) == 3 * NODES + 1


def test_room_for_two_whole_devices_is_made_by_moving_one_share() -> None:
    """On each node one whole device is taken and a share begins the second: only the third is idle."""
    packing = repacking()
    for node in range(NODES):
        packing.put_on(10 + node, 0, node)
        packing.put_on(20 + node, 2, node)
    assert not packing.put(1, 3)
    assert packing.fit_in(1, 3, range(10, 20)) == 300
    check(packing)
    assert len(packing.spots) == 2 * NODES + 1


def test_a_share_costs_what_it_takes_off_the_worth_of_its_node() -> None:
    """300 of one of two idle devices: 700 are left on it, and no two whole devices."""
    packing = repacking()
    packing.put_on(9, 2, 0)
    nodes = np.zeros(1, dtype=np.int64)
    before = Rest(np.array([[2000], [CPU_MILLI - 3000]]), np.array([[1000], [1000], [0]]), nodes)
    after = Rest(np.array([[1000], [CPU_MILLI - 4000]]), np.array([[700], [1000], [0]]), nodes)
    prices = Prices(problem())
    assert packing.cost(0)[0] == float(prices.worth(before)[0] - prices.worth(after)[0])


def test_settling_also_looks_at_the_other_devices_of_the_node() -> None:
    """Two shares of 600 and 300 began a device each while there was nothing else: together they free one."""
    packing = repacking()
    packing.restore(1, Spot(1, 0, (0,)))
    packing.restore(2, Spot(0, 0, (1,)))
    assert packing.settle([2])
    assert packing.spots[2].held == packing.spots[1].held
    check(packing)


@settings(max_examples=30, deadline=None)
@given(shapes=SHAPES)
def test_prices_taken_anew_cost_what_a_new_start_would(shapes: list[int]) -> None:
    """What is remembered of costs is what would be found by looking again."""
    packing = repacking()
    for pod, shape in enumerate(shapes):
        packing.put(pod, shape)
    packing.settle(sorted(packing.spots))
    known = [packing.cost(shape).copy() for shape in range(len(ASKS))]
    again = repacking()
    for pod, spot in packing.spots.items():
        again.restore(pod, spot)
    for shape in range(len(ASKS)):
        np.testing.assert_allclose(known[shape], again.cost(shape))
    packing.reprice()
    again.reprice()
    for shape in range(len(ASKS)):
        np.testing.assert_allclose(packing.cost(shape), again.cost(shape))
