"""Devices against a naive simulation: no device is given twice, and none that is free is overlooked."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.devices import CUT, DEVICE_MILLI, DeviceAsk, DeviceKind
from scheduler.solver.devices.devices import Held
from scheduler.solver.greedy.stock import Stock
from scheduler.solver.problem import MemberAsk
from tests.unit.solver.parts import member, problem

KIND = DeviceKind(40960, 0)

ASKS = st.one_of(
    st.builds(lambda gpus: member(gpus=gpus), st.integers(1, 2)),
    st.builds(
        lambda count, milli: member(DeviceAsk(count, milli)), st.integers(1, 2), st.sampled_from([200, 310, 500, 810])
    ),
    st.builds(lambda mib: member(DeviceAsk(memory_mib=mib)), st.sampled_from([5120, 10000, 30000])),
    st.builds(
        lambda profile: member(DeviceAsk(profile=profile)), st.sampled_from(["1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb"])
    ),
)
STATES = st.sampled_from([0, 200, 500, 690, 1000, 1000, 1000, CUT + 0b1, CUT + 0b110000])


class Device:
    """One device of the naive simulation: thousandths and slots in use."""

    def __init__(self, state: int) -> None:
        self.used = 0 if state > DEVICE_MILLI else DEVICE_MILLI - state
        self.slots = {slot for slot in range(8) if state > DEVICE_MILLI and (state - CUT) >> slot & 1}

    def fits(self, ask: DeviceAsk | None) -> bool:
        if ask is None:
            return not self.used and not self.slots
        if ask.profile:
            return not self.used and bool(self.starts(ask))
        return not self.slots and self.used + KIND.milli(ask) <= DEVICE_MILLI

    def starts(self, ask: DeviceAsk) -> list[int]:
        part = KIND.slice(ask)
        assert part is not None
        return [at for at in part.starts if not self.slots & set(range(at, at + part.size))]

    def take(self, ask: DeviceAsk, start: int) -> None:
        assert self.fits(ask)
        if ask.profile:
            part = KIND.slice(ask)
            assert part is not None
            assert start in self.starts(ask)
            self.slots |= set(range(start, start + part.size))
        else:
            self.used += KIND.milli(ask)


def naive_pods(devices: list[Device], ask: DeviceAsk, slots: int = 0) -> int:
    """The most pods of an ask on a node, by trying everything."""
    best = 0
    fitting = [index for index, device in enumerate(devices) if device.fits(ask)]
    for chosen in combinations(fitting, ask.count):
        copies = [clone(device) for device in devices]
        for index in chosen:
            starts = copies[index].starts(ask) if ask.profile else [0]
            copies[index].take(ask, starts[slots % len(starts)])
        best = max(best, 1 + naive_pods(copies, ask, slots))
    return best


def clone(device: Device) -> Device:
    other = Device(DEVICE_MILLI)
    other.used, other.slots = device.used, set(device.slots)
    return other


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(STATES, min_size=3, max_size=3), min_size=1, max_size=2),
    st.lists(st.tuples(ASKS, st.integers(0, 10), st.integers(1, 2), st.integers(1, 2)), max_size=10),
    st.sampled_from(["pack", "spread"]),
)
def test_no_device_is_given_twice(
    states: list[list[int]], pours: list[tuple[MemberAsk, int, int, int]], score: str
) -> None:
    world = problem(states, [], layout=0, nodes=[2] * len(states), device_score=score)
    assert world.devices is not None
    stock = Stock.of(world)
    nodes = {
        (node_class, node): [Device(int(state)) for state in world.devices.states[node_class]]
        for node_class in range(len(states))
        for node in range(2)
    }
    everywhere = np.ones(len(states), dtype=np.bool_)
    for asked, which, wide, deep in pours:
        live = stock.live(everywhere)
        fits = stock.fits(live, asked)
        for slot, most in zip(live.tolist(), fits.tolist(), strict=True):
            node = nodes[int(stock.node_class[slot]), (stock.nodes or [])[slot][0]]
            if asked.devices is None:
                assert most == sum(device.fits(None) for device in node) * DEVICE_MILLI // asked.request[1]
            else:
                assert (most > 0) == (sum(device.fits(asked.devices) for device in node) >= asked.devices.count)
        holding = live[fits > 0]
        if not len(holding):
            continue
        slot = int(holding[which % len(holding)])
        node_class = int(stock.node_class[slot])
        each = min(deep, int(stock.fits(np.array([slot]), asked)[0]))
        poured = stock.pour(slot, min(wide, int(stock.size[slot])), each, asked)
        for index in poured.nodes:
            take(nodes[node_class, index], asked, poured.held, each)


def take(devices: list[Device], asked: MemberAsk, held: tuple[Held, ...], pods: int) -> None:
    if asked.devices is None:
        idle = [device for device in devices if device.fits(None)]
        for device in idle[len(idle) - asked.request[1] // DEVICE_MILLI * pods :]:
            device.used = DEVICE_MILLI
        return
    assert len(held) == pods
    for own in held:
        assert len({position for position, _ in own}) == asked.devices.count
        for position, start in own:
            devices[position].take(asked.devices, start)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([0, 300, 500, 1000, 1000]), min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from([300, 500, 810]),
)
def test_how_many_fit_is_exact_for_shares(states: list[int], count: int, milli: int) -> None:
    ask = DeviceAsk(count, milli)
    stock = Stock.of(problem([states], []))
    ordered = sorted(states, reverse=True)
    assert stock.fits(np.array([0]), member(ask))[0] == naive_pods([Device(state) for state in ordered], ask)
