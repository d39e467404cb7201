"""Devices under a node's GPU count, as arrays: what fits on them, and which of them a pod takes.

The state of a device is one integer (`scheduler.model.devices`). A column of states stands for a node; the order of the
devices in it never changes while pods are placed, so a position names a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import CUT, DEVICE_MILLI, DeviceAsk, DeviceKind
from scheduler.model.mig import LAYOUTS, Slice

_MASKS = 256
_SHARED = _MASKS
"""The table entry of a device that is shared by thousandths, or taken: no slice fits on it."""

States = NDArray[np.int64]
"""[D x n] the states of the devices of n nodes."""

Numbers = NDArray[np.int64]

Held = tuple[tuple[int, int], ...]
"""The devices of one pod: (position in its class's states, first slot of its MIG slice; 0 for a share)."""

DeviceScore = Callable[[Numbers, Numbers], NDArray[np.float64]]
"""(free thousandths before, after) of devices -> lower is better. A cut device counts its free slots."""


@dataclass(frozen=True, eq=False)
class SliceTable:
    """One profile on one layout: ``room`` [257] how many more of it fit by the mask of used slots, ``start`` [257]
    where the next one best begins (-1: nowhere), ``after`` [257] the mask with it."""

    part: Slice
    room: Numbers
    start: Numbers
    after: Numbers


@dataclass(frozen=True, eq=False)
class Need:
    """What one ask means on the devices of each class: ``milli`` [C] of each of ``count`` devices (0: not to be had);
    for a MIG profile also its tables, and ``table`` [C] which of them holds (-1: none)."""

    count: int
    milli: Numbers
    tables: tuple[SliceTable, ...] = ()
    table: Numbers | None = None


@dataclass(frozen=True, eq=False)
class ClassDevices:
    """The GPU devices of each node of a class: ``states`` [C x D] in the order of `sorted_states`; ``memory_mib`` [C]
    of one device (0: not known); ``layout`` [C] how it may be cut into MIG slices (-1: not at all).

    What asks need is a cache of the columns and follows from them alone, so this is still a value.
    """

    states: Numbers
    memory_mib: NDArray[np.int32]
    layout: NDArray[np.int32]
    _needs: dict[DeviceAsk, Need] = field(default_factory=dict, repr=False)

    def rows(self, classes: list[int]) -> ClassDevices:
        """The devices of these classes, in this order."""
        return ClassDevices(self.states[classes], self.memory_mib[classes], self.layout[classes])

    def need(self, ask: DeviceAsk) -> Need:
        found = self._needs.get(ask)
        if found is None:
            found = self._needs[ask] = self._need(ask)
        return found

    def _need(self, ask: DeviceAsk) -> Need:
        """Classes are of few kinds, so each kind is looked at once."""
        columns = np.stack([self.memory_mib, self.layout], axis=1)
        distinct, kind_of = np.unique(columns, axis=0, return_inverse=True)
        kinds = [DeviceKind(*kind) for kind in distinct.tolist()]
        milli = np.array([kind.milli(ask) for kind in kinds], dtype=np.int64)[kind_of.ravel()]
        if not ask.profile:
            return Need(ask.count, milli)
        tables: dict[tuple[int, Slice], int] = {}
        numbers = []
        for kind in kinds:
            part = kind.slice(ask)
            numbers.append(-1 if part is None else tables.setdefault((kind.layout, part), len(tables)))
        table = np.array(numbers, dtype=np.int64)[kind_of.ravel()]
        return Need(ask.count, milli, tuple(_slice_table(layout, part) for layout, part in tables), table)


def sorted_states(states: Numbers) -> Numbers:
    """[n x D] -> the positions of each node's devices in the order of its class, the largest state first: nodes with
    equal multisets of states are alike."""
    return np.argsort(-states, axis=1, kind="stable")


def fits_each(states: States, classes: Numbers, wanted: Need) -> Numbers:
    """[D x n] how many pods of an ask each device holds by itself; ``classes`` [n] are the nodes' classes."""
    if wanted.table is None:
        milli = wanted.milli[classes]
        shared = np.where(states <= DEVICE_MILLI, states, 0)
        return np.asarray(np.where(milli > 0, shared // np.maximum(milli, 1), 0))
    slots = _slots_used(states)
    fits = np.zeros(states.shape, dtype=np.int64)
    for number, table in enumerate(wanted.tables):
        here = wanted.table[classes] == number
        fits[:, here] = table.room[slots[:, here]]
    return fits


def fits(states: States, classes: Numbers, wanted: Need) -> Numbers:
    """[n] how many pods of an ask each node holds.

    For several devices per pod: t pods fit exactly when the devices, each counted at most t times, give t times count.
    """
    each = fits_each(states, classes, wanted)
    if wanted.count == 1:
        return np.asarray(each.sum(axis=0))
    most = each.sum(axis=0) // wanted.count
    for pods in range(int(most.max(initial=0)), 0, -1):
        short = np.minimum(each, pods).sum(axis=0) < pods * wanted.count
        most = np.where((most >= pods) & short, pods - 1, most)
    return np.asarray(most)


def openings(states: Numbers, node_class: int, wanted: Need) -> list[tuple[int, int, int]]:
    """(position, first slot, the most pods there) of everything that pods of an ask could take of the devices of a node
    [D]; of shares, as many as the device holds, of slices, one from each legal slot on."""
    if wanted.table is None:
        milli = int(wanted.milli[node_class])
        shared = [state if milli and state <= DEVICE_MILLI else 0 for state in states.tolist()]
        return [(position, 0, state // milli) for position, state in enumerate(shared) if state and state >= milli]
    if wanted.table[node_class] < 0:
        return []
    part = wanted.tables[int(wanted.table[node_class])].part
    used = {position: max(state - CUT, 0) for position, state in enumerate(states.tolist()) if state >= DEVICE_MILLI}
    return [
        (position, start, 1) for position, mask in used.items() for start in part.starts if not mask & part.bits(start)
    ]


@dataclass(frozen=True, eq=False)
class Chosen:
    """One pod placed on each of n nodes: ``positions`` [count x n] of its devices, ``starts`` of its slices there
    (without a meaning for shares), ``after`` [D x n] the states then."""

    positions: Numbers
    starts: Numbers
    after: States


def choose(states: States, classes: Numbers, wanted: Need, devices: ClassDevices, score: DeviceScore | None) -> Chosen:
    """The devices of one pod on each node, best score first, the lower position of equals. Every node must hold it.

    Without a score those with the most room come first: that is how as many pods with several devices each as `fits`
    says find their place.
    """
    after_each, start_each = _after_each(states, classes, wanted)
    room = fits_each(states, classes, wanted)
    if score is None:
        scores = -room.astype(np.float64)
    else:
        scores = score(free_milli(states, classes, devices), free_milli(after_each, classes, devices))
    scores = np.where(room > 0, scores, np.inf)
    after = states.copy()
    columns = np.arange(states.shape[1])
    positions = np.zeros((wanted.count, states.shape[1]), dtype=np.int64)
    for turn in range(wanted.count):
        positions[turn] = scores.argmin(axis=0)
        scores[positions[turn], columns] = np.inf
        after[positions[turn], columns] = after_each[positions[turn], columns]
    return Chosen(positions, start_each[positions, columns], after)


def pour(
    states: Numbers, node_class: int, wanted: Need, devices: ClassDevices, score: DeviceScore, pods: int
) -> tuple[Numbers, tuple[Held, ...]]:
    """Pods one after the other onto the devices of one node [D]: the states then, and what each pod holds."""
    column, classes = states[:, None], np.array([node_class])
    held: list[Held] = []
    alone = pods == 1 or wanted.count == 1
    for _ in range(pods):
        assert fits(column, classes, wanted)[0] > 0, "a device was over-committed"
        chosen = choose(column, classes, wanted, devices, score if alone else None)
        column = chosen.after
        held.append(tuple(zip(chosen.positions[:, 0].tolist(), chosen.starts[:, 0].tolist(), strict=True)))
    return column[:, 0], tuple(held)


def take(states: Numbers, node_class: int, wanted: Need, held: Held, pods: int) -> Numbers:
    """The states [D] of one node after pods took the devices that each is known to hold."""
    after = states.copy()
    for position, start in held:
        before = int(after[position])
        if wanted.table is None:
            assert before <= DEVICE_MILLI, "a share on a device that is cut"
            after[position] = before - int(wanted.milli[node_class]) * pods
        else:
            bits = wanted.tables[int(wanted.table[node_class])].part.bits(start)
            used = before - CUT if before > DEVICE_MILLI else 0
            assert before >= DEVICE_MILLI, "a slice of a device that is shared"
            assert not used & bits, "a slice was taken twice"
            assert pods == 1, "a slice is one pod's"
            after[position] = CUT + (used | bits)
    assert after.min(initial=0) >= 0, "a device was over-committed"
    return after


def free_milli(states: States, classes: Numbers, devices: ClassDevices) -> Numbers:
    """[D x n] free thousandths of each device; a cut device counts its free slots."""
    if not (states > DEVICE_MILLI).any():
        return states
    slots = np.array([layout.slots for layout in LAYOUTS] + [1], dtype=np.int64)[devices.layout[classes]]
    used = _BITS[np.where(states > DEVICE_MILLI, states - CUT, 0)]
    return np.asarray(np.where(states > DEVICE_MILLI, DEVICE_MILLI * (slots - used) // slots, states))


def take_idle(states: Numbers, count: int) -> Numbers:
    """The states [D] of one node after whole devices were taken: idle ones from the last position down, as the node's
    own choice is taken to be, so that shares, which begin at the front, stay together."""
    idle = np.flatnonzero(states == DEVICE_MILLI)
    assert len(idle) >= count, "a node has fewer idle devices than its count says"
    after = states.copy()
    after[idle[len(idle) - count :]] = 0
    return after


def idle_devices(states: States) -> Numbers:
    """[n] how many devices of each node are wholly free."""
    return np.asarray((states == DEVICE_MILLI).sum(axis=0), dtype=np.int64)


def _after_each(states: States, classes: Numbers, wanted: Need) -> tuple[States, Numbers]:
    """[D x n] what each device would be with one pod more, and where its slice would begin; where none fits, the state
    is not to be used."""
    if wanted.table is None:
        left = np.maximum(states - wanted.milli[classes], 0)
        return np.where(states <= DEVICE_MILLI, left, states), np.zeros(states.shape, dtype=np.int64)
    slots = _slots_used(states)
    after, starts = states.copy(), np.zeros(states.shape, dtype=np.int64)
    for number, table in enumerate(wanted.tables):
        here = wanted.table[classes] == number
        starts[:, here] = table.start[slots[:, here]]
        after[:, here] = np.where(starts[:, here] >= 0, CUT + table.after[slots[:, here]], states[:, here])
    return after, starts


def _slots_used(states: States) -> Numbers:
    """The table entry of each device: its used slots, none where it is idle."""
    return np.where(states > DEVICE_MILLI, states - CUT, np.where(states == DEVICE_MILLI, 0, _SHARED))


_BITS = np.array([mask.bit_count() for mask in range(_MASKS)], dtype=np.int64)


@cache
def _slice_table(layout: int, part: Slice) -> SliceTable:
    """A profile's next instance begins where it leaves most room: for its own kind, then for the others, the largest
    first. For its own kind that is exact, so `room` is what placing one after the other reaches."""
    rooms = _rooms(layout)
    own = rooms[part.size, part.starts]
    others = [room for _, room in sorted(rooms.items(), reverse=True)]
    start = np.full(_MASKS + 1, -1, dtype=np.int64)
    after = np.arange(_MASKS + 1, dtype=np.int64)
    for mask in range(_MASKS):
        legal = [at for at in part.starts if not mask & part.bits(at)]
        if legal:
            start[mask] = max(
                legal,
                key=lambda at: (own[mask | part.bits(at)], *(room[mask | part.bits(at)] for room in others), -at),
            )
            after[mask] = mask | part.bits(int(start[mask]))
    return SliceTable(part, own, start, after)


@cache
def _rooms(layout: int) -> Mapping[tuple[int, tuple[int, ...]], Numbers]:
    """(size, starts) of every kind of slice -> [257] the most of them beside each mask of used slots."""
    found = {}
    for (_, size), starts in LAYOUTS[layout].starts.items():
        part = Slice(size, LAYOUTS[layout].slots, starts)
        room = np.zeros(_MASKS + 1, dtype=np.int64)
        for mask in reversed(range(_MASKS)):  # a slice only adds bits, so larger masks are known first
            room[mask] = max((1 + room[mask | part.bits(at)] for at in starts if not mask & part.bits(at)), default=0)
        found[size, starts] = room
    return found
