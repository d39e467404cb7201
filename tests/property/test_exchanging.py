"""Pods give way to waiting ones that make more of a node: who goes, who comes, and that nobody is lost or counted
twice."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.devices import DeviceAsk
from scheduler.solver.packing.exchanging import Shapes, exchange
from scheduler.solver.packing.repacking import Repacking
from scheduler.solver.problem import MemberAsk
from tests.unit.solver.parts import expecting

CPU_MILLI = 10_000
EVERYWHERE = np.packbits([True]).tobytes()
HEAVY, LIGHT, LARGE, SMALL, NO_GPU = range(5)
ASKS = (
    MemberAsk((1000, 9000), 2, 0, 0, EVERYWHERE),
    MemberAsk((1000, 2000), 2, 0, 0, EVERYWHERE),
    MemberAsk((0, 2000), 2, 0, 0, EVERYWHERE, DeviceAsk(milli=810)),
    MemberAsk((0, 1000), 2, 0, 0, EVERYWHERE, DeviceAsk(milli=230)),
    MemberAsk((0, 6000), 1, 0, 0, EVERYWHERE),
)
MILLI = (1000, 1000, 810, 230, 0)


class Agreed:
    """Agrees unless a shape that is to stay would leave, and keeps count."""

    def __init__(self, *stay: int) -> None:
        self.change: Counter[int] = Counter()
        self._stay = stay

    def agrees(self, leaving: Shapes, coming: Shapes) -> bool:
        return all(coming.get(shape, 0) >= leaving.get(shape, 0) for shape in self._stay)

    def took(self, leaving: Shapes, coming: Shapes) -> None:
        self.change.subtract(leaving)
        self.change.update(coming)


def repacking(nodes: int, devices: int) -> Repacking:
    return Repacking(expecting(ASKS, [[1000] * devices], [CPU_MILLI], nodes=[nodes]), ASKS)


def test_one_with_much_cpu_gives_way_to_several_with_little() -> None:
    packing = repacking(nodes=1, devices=4)
    packing.put_on(1, HEAVY, 0)
    waiting = [(pod, LIGHT) for pod in (2, 3, 4)]
    assert not any(packing.put(pod, shape) for pod, shape in waiting)
    assert exchange(packing, waiting, [], Agreed()) == 0, "who is bound stays"
    assert exchange(packing, waiting, [1], Agreed(HEAVY)) == 0, "who may not leave stays"
    assert exchange(packing, waiting, [1], Agreed(), looks_max=0) == 0, "it looks no further"
    assert packing.spots.keys() == {1}
    service = Agreed()
    assert exchange(packing, waiting, [1], service) == 2000
    assert packing.spots.keys() == {2, 3, 4}
    assert service.change == {HEAVY: -1, LIGHT: 3}


def test_a_share_that_wastes_its_device_gives_way_to_a_whole_one_and_waits() -> None:
    packing = repacking(nodes=2, devices=1)
    packing.put_on(1, LARGE, 0)
    packing.put_on(3, NO_GPU, 1)
    packing.put_on(4, LARGE, 1)
    assert exchange(packing, [(2, LIGHT)], [1], Agreed()) == 190
    assert packing.spots.keys() == {2, 3, 4}


def test_work_without_gpus_gives_way_too_where_that_is_agreed() -> None:
    packing = repacking(nodes=2, devices=2)
    packing.put_on(1, NO_GPU, 0)
    packing.put_on(5, LIGHT, 0)
    service = Agreed()
    assert exchange(packing, [(2, HEAVY)], [1], service) == 0, "beside two CPUs that stay there is no room for nine"
    packing.lift(5)
    assert exchange(packing, [(2, HEAVY)], [1], service) == 1000
    assert packing.spots[1].node == 1, "it fits elsewhere"
    assert service.change == {NO_GPU: 0, HEAVY: 1}


@settings(max_examples=150, deadline=None)
@given(
    placed=st.lists(st.integers(0, len(ASKS) - 1), max_size=30),
    waiting=st.lists(st.integers(0, len(ASKS) - 1), max_size=20),
    bound=st.sets(st.integers(0, 29)),
    stay=st.sets(st.integers(0, len(ASKS) - 1)),
)
def test_nobody_is_lost_and_the_gain_is_what_it_says(
    placed: list[int], waiting: list[int], bound: set[int], stay: set[int]
) -> None:
    packing = repacking(nodes=3, devices=3)
    for pod, shape in enumerate(placed):
        packing.put(pod, shape)
    missing = [(pod, shape) for pod, shape in enumerate(waiting, start=100) if not packing.put(pod, shape)]
    before = dict(packing.spots)
    movable = sorted(before.keys() - bound)
    service = Agreed(*stay)
    gained = exchange(packing, missing, movable, service)
    assert gained == total(packing) - sum(MILLI[spot.shape] for spot in before.values()) >= 0
    assert packing.spots.keys() <= before.keys() | dict(missing).keys()
    assert all(packing.spots[pod] == before[pod] for pod in before.keys() & bound)
    served = Counter(spot.shape for spot in packing.spots.values())
    served.subtract(spot.shape for spot in before.values())
    assert +served == +service.change
    assert -served == -service.change
    assert all(served[shape] >= 0 for shape in stay)
    for node in range(3):
        here = [spot for spot in packing.spots.values() if spot.node == node]
        assert packing.free[1, node] == CPU_MILLI - sum(ASKS[spot.shape].request[1] for spot in here)
        held = Counter(device for spot in here for device in spot.held for _ in range(MILLI[spot.shape]))
        assert max(held.values(), default=0) <= 1000


@settings(max_examples=60, deadline=None)
@given(placed=st.lists(st.integers(0, len(ASKS) - 1), max_size=30))
def test_what_fits_is_said_the_same_for_one_shape_and_for_all(placed: list[int]) -> None:
    packing = repacking(nodes=3, devices=3)
    for pod, shape in enumerate(placed):
        packing.put(pod, shape)
    shapes = np.arange(len(ASKS))
    for node in range(3):
        assert packing.fitting(node, shapes).tolist() == [packing.holds_on(shape, node) for shape in range(len(ASKS))]


def total(packing: Repacking) -> int:
    return sum(MILLI[spot.shape] for spot in packing.spots.values())
