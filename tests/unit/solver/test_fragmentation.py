"""Fragmentation as FGD means it: by plain counting over shapes and devices, and where the score ``fgd`` sends work."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.model.devices import DeviceAsk
from scheduler.solver.devices.fragmentation import Fragmentation, squashed
from scheduler.solver.devices.scores import device_score
from scheduler.solver.greedy.node_scores import node_score
from scheduler.solver.greedy.stock import Rest, Stock
from scheduler.solver.problem import MemberAsk, Problem
from tests.unit.solver.parts import expecting

_BOTH = np.packbits([True, True]).tobytes()
_FIRST = np.packbits([True, False]).tobytes()
_WIDTH = 3

MIX = (
    MemberAsk((0, 2000), 6, 0, 0, _BOTH, DeviceAsk(milli=300)),
    MemberAsk((0, 1000), 2, 0, 0, _FIRST, DeviceAsk(milli=600)),
    MemberAsk((2000, 4000), 1, 0, 0, _BOTH),
    MemberAsk((0, 8000), 1, 0, 0, _BOTH),
)
ASKED = ((300, 1, 2000, (0, 1)), (600, 1, 1000, (0,)), (1000, 2, 4000, (0, 1)), (0, 0, 8000, ()))
"""The same by hand: thousandths of each device, devices, CPU, classes where its kind may run."""


def problem(states: list[list[int]], cpu: list[int], mix: tuple[MemberAsk, ...] = MIX) -> Problem:
    return expecting(mix, states, cpu, score="fgd")


def by_hand(devices: list[int], cpu: int, node_class: int) -> float:
    total = 0.0
    for member, (size, count, asked_cpu, classes) in zip(MIX, ASKED, strict=True):
        usable = [milli for milli in devices if milli >= size]
        runs = node_class in classes and cpu >= asked_cpu and len(usable) >= count
        total += member.count / 10 * (sum(devices) - (sum(usable) if runs else 0))
    return total


DEVICES = st.lists(st.sampled_from([0, 100, 300, 599, 600, 1000]), min_size=_WIDTH, max_size=_WIDTH)
AMOUNTS = st.sampled_from([0, 1000, 2000, 4000, 9000])


@given(states=st.tuples(DEVICES, DEVICES), cpu=st.tuples(AMOUNTS, AMOUNTS))
def test_it_is_what_no_shape_could_use(states: tuple[list[int], ...], cpu: tuple[int, int]) -> None:
    world = problem(list(states), list(cpu))
    found = Fragmentation(world).of(Stock.of(world).rest(np.arange(2)))
    assert found.tolist() == pytest.approx([by_hand(states[index], cpu[index], index) for index in range(2)])


def test_without_parts_devices_are_counted() -> None:
    world = problem([[1000] * 3, [1000, 0, 0]], [9000, 9000])
    rest = Stock.of(world).rest(np.arange(2))
    counted = Fragmentation(world).of(Rest(rest.free, None, rest.classes))
    assert counted.tolist() == Fragmentation(world).of(rest).tolist()


def test_growth_is_squashed_to_whole_numbers() -> None:
    assert squashed(np.array([-9000.0, 0.0, 5.0, 9000.0])).tolist() == [-99, -50, -49, 0]


def cheapest(world: Problem, member: MemberAsk) -> int:
    stock = Stock.of(world)
    slots = np.arange(2)
    return int(node_score(world)(stock.rest(slots), stock.rest_after(slots, member)).argmin())


def test_a_share_goes_where_others_could_not_use_what_is_idle() -> None:
    """Half of the mix needs two whole devices: what stands alone is lost to it anyway."""
    share = MemberAsk((0, 0), 5, 0, 0, _BOTH, DeviceAsk(milli=400))
    mix = (share, MemberAsk((2000, 0), 5, 0, 0, _BOTH))
    assert cheapest(problem([[1000, 1000, 0], [1000, 0, 0]], [0, 0], mix), share) == 1
    assert cheapest(problem([[1000, 0, 0], [1000, 1000, 0]], [0, 0], mix), share) == 0


def test_of_equals_it_packs() -> None:
    whole = MemberAsk((1000, 0), 5, 0, 0, _BOTH)
    assert cheapest(problem([[1000] * 3, [1000, 0, 0]], [0, 0], (whole,)), whole) == 1


def test_a_device_that_nobody_else_could_use_goes_first() -> None:
    """600 of 700 leaves 100 to nobody; of 900 it would leave 300, which the shares of 300 can use."""
    score = device_score(problem([[1000] * 3, [1000] * 3], [0, 0]))
    costs = score(np.array([700, 900, 600]), np.array([100, 300, 0]))
    assert int(costs.argmin()) == 2
    assert costs[1] < costs[0]


def test_without_a_mix_it_packs() -> None:
    one = MemberAsk((1000, 0), 1, 0, 0, _BOTH)
    assert cheapest(problem([[1000] * 3, [1000, 0, 0]], [0, 0], ()), one) == 1
