"""What shares of the mix make of a device: demand by size, whether asked for one by one or several per pod."""

from __future__ import annotations

import numpy as np
import pytest

from scheduler.model.devices import DeviceAsk
from scheduler.solver.devices.worth import device_worth, kept_milli
from scheduler.solver.problem import MemberAsk
from tests.unit.solver.parts import expecting

_ANY = np.packbits([True]).tobytes()


def kept(*mix: MemberAsk) -> list[float]:
    return [float(milli) for milli in kept_milli(expecting(mix, [[1000, 1000]], [0]))]


def shares(milli: int, pods: int, devices: int = 1) -> MemberAsk:
    return MemberAsk((0, 0), pods, 0, 0, _ANY, DeviceAsk(milli=milli, count=devices))


def whole(gpus: int, pods: int) -> MemberAsk:
    return MemberAsk((1000 * gpus, 0), pods, 0, 0, _ANY)


def test_whole_devices_use_up_what_they_take_and_cannot_use_less() -> None:
    worth = kept(whole(1, 10))
    assert (worth[1000], worth[999]) == (1000, 0)


def test_parts_of_several_devices_count_as_so_many_shares_of_that_size() -> None:
    """Four pods with two parts each ask for as much as eight with one; each part is priced by its own size."""
    mix = (shares(810, 10), shares(190, 4, devices=2))
    assert kept(*mix) == kept(shares(810, 10), shares(190, 8))
    assert kept(*mix)[190] == 0
    assert kept(shares(810, 10), shares(190, 6, devices=2))[190] == pytest.approx(200)


def test_pods_that_are_many_weigh_more() -> None:
    """190 fills what 810 leaves: for nothing while there are more rests than shares of it, else five fill a device."""
    assert kept(shares(810, 10), shares(190, 2))[190] == 0
    assert kept(shares(810, 2), shares(190, 10))[190] == pytest.approx(200)
    assert kept(shares(810, 10), shares(190, 6), shares(190, 6))[190] == pytest.approx(200)


def test_an_idle_device_is_worth_more_than_its_parts() -> None:
    worth = device_worth(np.array(kept(shares(500, 10))))
    assert worth[1000] > 2 * worth[500] > 0 == worth[499]
