"""Room for one more pod by moving others: what each way finds, and that a failed search leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.devices import DeviceAsk
from scheduler.solver.packing.making_room import make_room
from scheduler.solver.packing.rejoining import rejoin
from scheduler.solver.packing.relieving import Movable, relieve
from scheduler.solver.packing.repacking import Repacking, Spot
from scheduler.solver.problem import MemberAsk
from tests.unit.solver.parts import expecting

CPU_MILLI = 10_000
EVERYWHERE = np.packbits([True]).tobytes()
WHOLE, BIG, SMALL, HEAVY, LIGHT, NO_GPU, BIG_HEAVY, SMALL_HEAVY, FOUR = range(9)
ASKS = (
    MemberAsk((1000, 1000), 2, 0, 0, EVERYWHERE),
    MemberAsk((0, 1000), 2, 0, 0, EVERYWHERE, DeviceAsk(milli=470)),
    MemberAsk((0, 1000), 2, 0, 0, EVERYWHERE, DeviceAsk(milli=230)),
    MemberAsk((1000, 9000), 1, 0, 0, EVERYWHERE),
    MemberAsk((1000, 2000), 1, 0, 0, EVERYWHERE),
    MemberAsk((0, 9000), 1, 0, 0, EVERYWHERE),
    MemberAsk((0, 5000), 2, 0, 0, EVERYWHERE, DeviceAsk(milli=470)),
    MemberAsk((0, 4000), 2, 0, 0, EVERYWHERE, DeviceAsk(milli=230)),
    MemberAsk((0, 4000), 1, 0, 0, EVERYWHERE),
)
MILLI = (1000, 470, 230, 1000, 1000, 0, 470, 230, 0)


def repacking(nodes: int, devices: int) -> Repacking:
    return Repacking(expecting(ASKS, [[1000] * devices], [CPU_MILLI], nodes=[nodes]), ASKS)


def check(packing: Repacking) -> None:
    """Adds up, per node and device, what the spots say, by plain counting."""
    used: dict[tuple[int, int], int] = {}
    cpu: dict[int, int] = {}
    for spot in packing.spots.values():
        for device in spot.held:
            used[spot.node, device] = used.get((spot.node, device), 0) + MILLI[spot.shape]
        cpu[spot.node] = cpu.get(spot.node, 0) + ASKS[spot.shape].request[1]
        assert len(spot.held) == (MILLI[spot.shape] > 0)
    assert all(milli <= 1000 for milli in used.values())
    assert all(taken <= CPU_MILLI for taken in cpu.values())
    for node in cpu:
        assert packing.free[1, node] == CPU_MILLI - cpu[node]


def four_begun_devices() -> Repacking:
    """On each of four nodes one device, with 470 and 230 on it."""
    packing = repacking(nodes=4, devices=1)
    for node in range(4):
        packing.restore(10 + node, Spot(BIG, node, (0,)))
        packing.restore(20 + node, Spot(SMALL, node, (0,)))
    return packing


def test_four_devices_are_cut_anew_and_are_three() -> None:
    packing = four_begun_devices()
    movable = sorted(packing.spots)
    assert not packing.put(1, WHOLE)
    assert packing.fit_in(1, WHOLE, movable) is None, "no hole holds 470"
    before = dict(packing.spots)
    assert rejoin(packing, 1, WHOLE, movable, set(), most_milli=1629) is None, "the budget is kept"
    assert packing.spots == before
    # The pod takes one device (700 move); of the others two give up 230 for 470, and one 470 for 230.
    assert rejoin(packing, 1, WHOLE, movable, set()) == 700 + 230 + 230 + 470
    assert len(packing.spots) == 9
    check(packing)


def test_what_may_not_move_stays() -> None:
    packing = four_begun_devices()
    before = dict(packing.spots)
    assert rejoin(packing, 1, WHOLE, [pod for pod in before if pod != 20], set()) is None
    assert packing.spots == before


def test_what_searches_before_found_stuck_is_not_tried_again() -> None:
    packing = four_begun_devices()
    before = dict(packing.spots)
    assert rejoin(packing, 1, WHOLE, sorted(before), {(2, 0)}) is None, "three devices are not two"
    assert packing.spots == before


@pytest.mark.parametrize("asked", [LIGHT, HEAVY], ids=["for a share", "for the pod itself"])
def test_where_devices_are_cut_anew_others_make_way_for_want_of_cpu(asked: int) -> None:
    """Four devices of 470 + 230 are three and a whole one, but no node with them has a CPU left: two pods without GPUs
    take 8 of 10 on each. Two other nodes have room for such pods and no device."""
    packing = repacking(nodes=6, devices=1)
    for node in range(4):
        packing.restore(10 + node, Spot(BIG, node, (0,)))
        packing.restore(20 + node, Spot(SMALL, node, (0,)))
        packing.put_on(30 + node, FOUR, node)
        packing.put_on(40 + node, FOUR, node)
    for node in (4, 5):
        packing.put_on(50 + node, WHOLE, node)
    assert rejoin(packing, 1, asked, [pod for pod in packing.spots if pod < 30], set()) is None, "CPU is short"
    assert rejoin(packing, 1, asked, sorted(packing.spots), set()) == 700 + 230 + 230 + 470
    assert len(packing.spots) == 4 * 4 + 3
    check(packing)


def test_work_without_gpus_makes_way() -> None:
    """Beside a free device all but 1 CPU is taken by such work, which the node without a device holds as well."""
    packing = repacking(nodes=2, devices=1)
    packing.put_on(10, NO_GPU, 0)
    packing.put_on(11, WHOLE, 1)
    assert not packing.put(1, LIGHT)
    assert relieve(packing, 1, LIGHT, Movable(packing, [11])) is None, "only who may move does"
    assert relieve(packing, 1, LIGHT, Movable(packing, [10, 11]), most_milli=0) == 0
    assert packing.spots[10].node == 1
    check(packing)


def test_pods_that_take_the_same_change_places() -> None:
    """9 CPUs stand beside a free device; on the other node no device is left, but CPU: somebody with 2 CPUs comes."""
    packing = repacking(nodes=2, devices=2)
    packing.put_on(10, HEAVY, 0)
    packing.put_on(11, LIGHT, 1)
    packing.put_on(12, WHOLE, 1)
    assert not packing.put(1, LIGHT)
    movable = Movable(packing, sorted(packing.spots))
    before = dict(packing.spots)
    assert relieve(packing, 1, LIGHT, movable, most_milli=1999) is None, "two pods move"
    assert packing.spots == before
    assert relieve(packing, 1, LIGHT, movable) == 2000
    assert packing.spots[10].node == 1
    assert packing.spots[11].node == packing.spots[1].node == 0
    check(packing)


def test_little_from_several_places_comes_together() -> None:
    """9 CPUs are asked for beside a free device. Two pods of 4 have to leave, and each of the other nodes holds one."""
    packing = repacking(nodes=3, devices=1)
    for pod, (shape, node) in enumerate([(FOUR, 0), (FOUR, 0), (LIGHT, 1), (FOUR, 1), (LIGHT, 2), (FOUR, 2)], start=10):
        packing.put_on(pod, shape, node)
    before = dict(packing.spots)
    assert not packing.put(1, HEAVY)
    assert relieve(packing, 1, HEAVY, Movable(packing, [10]), most_milli=0) is None, "one alone is not enough"
    assert packing.spots == before
    assert relieve(packing, 1, HEAVY, Movable(packing, [10, 11]), most_milli=0) == 0
    assert {packing.spots[10].node, packing.spots[11].node} == {1, 2}
    assert packing.spots[1].node == 0
    check(packing)


SHAPES = st.lists(st.integers(0, len(ASKS) - 1), max_size=40)


@settings(max_examples=60, deadline=None)
@given(shapes=SHAPES, again=SHAPES, fixed=st.sets(st.integers(0, 39)))
def test_nobody_is_lost_and_a_failed_search_leaves_no_trace(
    shapes: list[int], again: list[int], fixed: set[int]
) -> None:
    packing = repacking(nodes=5, devices=2)
    for pod, shape in enumerate(shapes):
        packing.put(pod, shape)
    for pod, shape in enumerate(again, start=100):
        before = dict(packing.spots)
        if packing.put(pod, shape):
            continue
        movable = sorted(packing.spots.keys() - fixed)
        moved = make_room(packing, pod, shape, movable, set(), most_milli=4000)
        check(packing)
        changed = {other for other, spot in before.items() if packing.spots[other] != spot}
        assert changed <= set(movable)
        if moved is None:
            assert packing.spots == before
        else:
            assert packing.spots.keys() == before.keys() | {pod}
            assert sum(MILLI[before[other].shape] for other in changed) <= moved <= 4000


SHARES = st.lists(st.sampled_from([BIG, SMALL, BIG_HEAVY, SMALL_HEAVY]), min_size=8, max_size=24)


@settings(max_examples=150, deadline=None)
@given(
    shares=SHARES, nodes=st.lists(st.integers(0, 5), min_size=24, max_size=24), asked=st.sampled_from([WHOLE, LIGHT])
)
def test_devices_cut_anew_hold_what_they_held(shares: list[int], nodes: list[int], asked: int) -> None:
    """Shares of one size ask for little CPU or for much, so that they have to change places."""
    packing = repacking(nodes=6, devices=1)
    for pod, (shape, node) in enumerate(zip(shares, nodes, strict=False)):
        packing.put_at(pod, Spot(shape, node, (0,)))
    if packing.put(100, asked):
        return
    before = dict(packing.spots)
    moved = rejoin(packing, 100, asked, sorted(before), set())
    check(packing)
    changed = {other for other, spot in before.items() if packing.spots[other] != spot}
    assert sum(MILLI[before[other].shape] for other in changed) == (moved or 0)
    assert packing.spots.keys() == before.keys() | (set() if moved is None else {100})


@settings(max_examples=150, deadline=None)
@given(
    wholes=st.lists(st.tuples(st.sampled_from([WHOLE, HEAVY, LIGHT, NO_GPU, FOUR]), st.integers(0, 3)), max_size=12),
    asked=st.sampled_from([WHOLE, LIGHT, HEAVY]),
)
def test_who_changes_places_is_counted(wholes: list[tuple[int, int]], asked: int) -> None:
    packing = repacking(nodes=4, devices=2)
    for pod, (shape, node) in enumerate(wholes):
        if packing.holds_on(shape, node):
            packing.put_on(pod, shape, node)
    if packing.put(100, asked):
        return
    before = dict(packing.spots)
    moved = relieve(packing, 100, asked, Movable(packing, sorted(before)))
    check(packing)
    changed = [other for other, spot in before.items() if packing.spots[other].node != spot.node]
    assert sum(MILLI[before[other].shape] for other in changed) == (moved or 0)
    assert packing.spots.keys() == before.keys() | (set() if moved is None else {100})
