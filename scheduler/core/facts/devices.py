"""Which devices of each node are in use, kept as pods and records come and go.

Parts of devices have numbers: the pods that hold them and the records that promise them say so. Whole devices have
none, because the node chooses them; they are counted against the devices that nobody holds a part of, from the highest
number down, as shares begin at the lowest. So whatever the order of events, the same facts give the same picture, and a
node is over-committed exactly when its counts say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from scheduler.model.devices import CUT, DEVICE_MILLI, DeviceUse
from scheduler.model.mig import SEVENTHS
from scheduler.model.resources import Matrix

Uses = tuple[DeviceUse, ...]


class DeviceBook:
    """The parts of devices in use, by the store's slot of a node. Nodes without any are not in it."""

    def __init__(self) -> None:
        self._uses: dict[int, Counter[DeviceUse]] = {}

    def __bool__(self) -> bool:
        return bool(self._uses)

    def __contains__(self, slot: int) -> bool:
        return slot in self._uses

    def count(self, slot: int, uses: Uses, times: int) -> None:
        """``times`` more pods on a node, each with these uses; fewer where it is negative."""
        here = self._uses.setdefault(slot, Counter())
        for use in uses:
            here[use] += times
            if not here[use]:
                del here[use]
        if not here:
            del self._uses[slot]

    def states(self, slot: int, capacity: int, used: int, slots: int) -> list[int]:
        """The states of one node's devices; ``capacity`` and ``used`` are thousandths of GPUs, parts included, and
        ``slots`` the MIG slots of a device."""
        uses = self._uses.get(slot, Counter())
        states = device_states(capacity // DEVICE_MILLI, uses.elements(), slots)
        parts = sum(use.milli * count for use, count in uses.items())
        whole = -(-max(0, used - parts) // DEVICE_MILLI)
        for index in reversed(range(len(states))):
            if whole and states[index] == DEVICE_MILLI:
                states[index] = 0
                whole -= 1
        return states

    def matrix(self, slots: Matrix, capacity: Matrix, used: Matrix, mig_slots: list[int]) -> Matrix:
        """[nodes x devices] the states of the nodes of these store slots [N]; the rest [N] as above."""
        counts = np.maximum(capacity // DEVICE_MILLI, 0)
        idle = np.maximum(counts - -(-np.maximum(used, 0) // DEVICE_MILLI), 0)
        states: Matrix = np.where(np.arange(int(counts.max(initial=0))) < idle[:, None], DEVICE_MILLI, 0)
        for row, slot in enumerate(slots.tolist()):
            if slot in self._uses:
                own = self.states(slot, int(capacity[row]), int(used[row]), mig_slots[row])
                states[row, : len(own)] = own
        return states


def after_uses(states: Matrix, uses: Iterable[DeviceUse], whole: int, slots: int) -> Matrix:
    """The states [D] of one node after pods took these parts and so many thousandths of whole devices."""
    after = states.tolist()
    for use in uses:
        _take(after, use, slots)
    for index in reversed(range(len(after))):
        if whole > 0 and after[index] == DEVICE_MILLI:
            after[index], whole = 0, whole - DEVICE_MILLI
    return np.array(after, dtype=np.int64)


def device_states(count: int, uses: Iterable[DeviceUse], slots: int = SEVENTHS.slots) -> list[int]:
    """The states of ``count`` devices on which others hold these uses. A number that the node does not have takes
    nothing here; what contradicts itself takes the device whole."""
    states = [DEVICE_MILLI] * count
    for use in uses:
        if use.index < count:
            _take(states, use, slots)
    return states


def _take(states: list[int], use: DeviceUse, slots: int) -> None:
    before = states[use.index]
    if not use.profile:
        states[use.index] = max(0, before - use.milli) if before <= DEVICE_MILLI else 0
    elif before >= DEVICE_MILLI:
        bits = slot_bits(use, slots)
        taken = before - CUT if before > DEVICE_MILLI else 0
        states[use.index] = 0 if taken & bits else CUT + (taken | bits)
    else:
        states[use.index] = 0


def slot_bits(use: DeviceUse, slots: int) -> int:
    """The slots of a MIG slice as a mask; its thousandths say how many they are."""
    return ((1 << (use.milli * slots // DEVICE_MILLI)) - 1) << use.start


def without_uses(states: Matrix, uses: Iterable[DeviceUse], whole: int, slots: int) -> Matrix:
    """The way back from `after_uses`: the states [D] of one node once such pods are gone."""
    before = states.tolist()
    held = set()
    for use in uses:
        held.add(use.index)
        if use.index >= len(before):
            continue
        if not use.profile:
            before[use.index] = min(DEVICE_MILLI, before[use.index] + use.milli)
        elif before[use.index] >= CUT:
            left = (before[use.index] - CUT) & ~slot_bits(use, slots)
            before[use.index] = CUT + left if left else DEVICE_MILLI
    for index in reversed(range(len(before))):
        if whole > 0 and before[index] == 0 and index not in held:
            before[index], whole = DEVICE_MILLI, whole - DEVICE_MILLI
    return np.array(before, dtype=np.int64)
