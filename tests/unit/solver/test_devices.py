"""Parts of devices: what fits, which device is taken, and that nothing is taken twice."""

from __future__ import annotations

import numpy as np
import pytest

from scheduler.model.devices import CUT, DeviceAsk, DeviceKind, DeviceUse, device_kind, parse_uses, uses_text
from scheduler.model.mig import LAYOUTS, QUARTERS, SEVENTHS, layout_of, slice_of
from scheduler.solver.greedy.stock import Stock
from tests.unit.solver.parts import member, problem

A100 = {
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB",
    "nvidia.com/gpu.memory": "40960",
    "muster.dev/mig": "dynamic",
}


def fits(states: list[int], ask: DeviceAsk, *, layout: int = -1) -> int:
    stock = Stock.of(problem([states], [], layout=layout))
    return int(stock.fits(np.array([0]), member(ask))[0])


@pytest.mark.parametrize(
    ("states", "ask", "pods"),
    [
        ([1000, 500, 300], DeviceAsk(milli=500), 3),
        ([1000, 500, 300], DeviceAsk(milli=600), 1),
        ([1000, 1000, 500], DeviceAsk(count=2, milli=500), 2),  # 2 + 2 + 1 halves, two different devices a pod
        ([1000, 200, 200], DeviceAsk(count=2, milli=500), 0),
        ([1000, 0], DeviceAsk(memory_mib=10240), 4),
        ([1000, 600], DeviceAsk(memory_mib=20480), 3),
        ([1000], DeviceAsk(memory_mib=50000), 0),
    ],
)
def test_how_many_pods_fit(states: list[int], ask: DeviceAsk, pods: int) -> None:
    assert fits(states, ask) == pods


@pytest.mark.parametrize(
    ("states", "profile", "pods"),
    [
        ([1000], "1g.5gb", 7),
        ([1000], "2g.10gb", 3),
        ([1000], "3g.20gb", 2),
        ([1000], "4g.20gb", 1),
        ([CUT + 0b1], "3g.20gb", 1),  # the first slot is used, so only the second half is left
        ([CUT + 0b1], "4g.20gb", 0),
        ([CUT + 0b10000], "4g.20gb", 1),
        ([500], "1g.5gb", 0),  # shared by thousandths: not cut
        ([1000, CUT + 0b1111], "3g.20gb", 3),
    ],
)
def test_how_many_slices_fit(states: list[int], profile: str, pods: int) -> None:
    assert fits(states, DeviceAsk(profile=profile), layout=LAYOUTS.index(SEVENTHS)) == pods


def test_a_cut_device_takes_no_share_and_is_not_whole() -> None:
    assert fits([CUT + 1], DeviceAsk(milli=100), layout=0) == 0
    assert fits([CUT + 1], DeviceAsk(count=1, milli=1000), layout=0) == 0


def test_packing_takes_the_fullest_device_that_holds_it_and_spreading_the_emptiest() -> None:
    for score, position in (("pack", 2), ("spread", 0)):
        stock = Stock.of(problem([[1000, 700, 500, 300]], [], device_score=score))
        assert stock.pour(0, 1, 1, member(DeviceAsk(milli=400))).held == (((position, 0),),)


def test_a_share_takes_a_device_from_the_whole_ones() -> None:
    stock = Stock.of(problem([[1000, 1000]], []))
    whole = member(gpus=1)
    assert stock.fits(np.array([0]), whole)[0] == 2
    stock.pour(0, 1, 1, member(DeviceAsk(milli=300)))
    slot = stock.live(np.array([True]))
    assert stock.fits(slot, whole)[0] == 1
    stock.pour(int(slot[0]), 1, 1, whole)
    slot = stock.live(np.array([True]))
    assert stock.fits(slot, whole)[0] == 0
    assert stock.fits(slot, member(DeviceAsk(milli=700)))[0] == 1
    assert stock.fits(slot, member(DeviceAsk(milli=701)))[0] == 0


def test_what_is_left_is_foretold() -> None:
    """`rest_after` without pouring is what pouring leaves."""
    for part in (member(DeviceAsk(milli=300)), member(gpus=1), member(DeviceAsk(count=2, milli=300))):
        stock = Stock.of(problem([[1000, 1000, 400]], []))
        foretold = stock.rest_after(np.array([0]), part)
        stock.pour(0, 1, 1, part)
        left = stock.rest(stock.live(np.array([True])))
        assert left.free.tolist() == foretold.free.tolist()
        assert left.devices is not None
        assert foretold.devices is not None
        assert left.devices.tolist() == foretold.devices.tolist()


def test_slices_begin_where_they_leave_most_room() -> None:
    """One 1g slice on an idle device leaves room for 4g and 2g beside it."""
    stock = Stock.of(problem([[1000]], [], layout=0))
    held = stock.pour(0, 1, 1, member(DeviceAsk(profile="1g.5gb"))).held
    assert held == (((0, 6),),)
    slot = stock.live(np.array([True]))
    assert stock.fits(slot, member(DeviceAsk(profile="4g.20gb")))[0] == 1


@pytest.mark.parametrize(
    ("product", "memory_mib", "profile", "size"),
    [
        ("NVIDIA-A100-SXM4-40GB", 40960, "1g.5gb", 1),
        ("NVIDIA-A100-SXM4-40GB", 40960, "1g.10gb", 2),
        ("NVIDIA-A100-SXM4-80GB", 81920, "1g.10gb", 1),
        ("NVIDIA-H100-80GB-HBM3", 81559, "3g.40gb", 4),
        ("NVIDIA-H200", 143771, "1g.18gb", 1),
        ("NVIDIA-H200", 143771, "1g.35gb", 2),
        ("NVIDIA-B200", 183359, "7g.180gb", 8),
        ("NVIDIA-A30", 24576, "2g.12gb", 2),
    ],
)
def test_profiles_of_boards(product: str, memory_mib: int, profile: str, size: int) -> None:
    layout = layout_of(product)
    assert layout is not None
    part = slice_of(profile, layout, memory_mib)
    assert part is not None
    assert part.size == size


def test_what_is_no_profile_of_a_board() -> None:
    assert layout_of("Tesla-T4") is None
    assert slice_of("3g.20gb", QUARTERS, 24576) is None
    assert slice_of("2g.5gb", SEVENTHS, 40960) is None
    assert slice_of("1c.3g.20gb", SEVENTHS, 40960) is None
    assert slice_of("1g.5gb", SEVENTHS, 0) is None


def test_kinds_follow_from_labels() -> None:
    assert device_kind(A100) == DeviceKind(40960, 0)
    assert device_kind({**A100, "muster.dev/mig": "off"}) == DeviceKind(40960, -1)
    assert device_kind({"nvidia.com/gpu.memory": "much"}) == DeviceKind()


def test_uses_as_text() -> None:
    uses = (DeviceUse(0, 500), DeviceUse(11, 125, "1g.5gb", 3))
    assert uses_text(uses) == "0:500,11:125:1g.5gb@3"
    assert parse_uses(uses_text(uses)) == uses
    assert parse_uses("") == ()
    for text in ("0", "0:", "x:5", "0:0", "0:1001", "0:500;1:500", "0:1g.5gb@3"):
        with pytest.raises(ValueError, match="not a use of a device"):
            parse_uses(text)
