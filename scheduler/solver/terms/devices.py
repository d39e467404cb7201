"""Rule: the devices of a class hold all the parts that are taken of them, beside the devices that are taken whole.

Devices cannot be pooled: what is left on two of them is no place for a share larger than either. A device with so many
free thousandths holds at most ``free // size`` pieces of any size, and an ask for ``milli`` thousandths counts as
``milli // size`` of them, so there is a sum for each size that is asked for. A cut device holds no share, and one that
is shared no slice. Whether the counts also fit device by device is decided by expansion; where it says no, the model
is asked to count the devices of some nodes one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import gcd

import numpy as np

from scheduler.model.devices import CUT, DEVICE_MILLI
from scheduler.model.plan import Refusal
from scheduler.model.resources import GPU
from scheduler.solver.devices.devices import ClassDevices, free_milli
from scheduler.solver.posting import Part, Posting, Variable
from scheduler.solver.problem import MemberAsk, Problem, Put

NAME = "devices"

KINDS = ("share", "slice")
"""What a device may be used for in parts. Whole devices count beside either."""


def post(model: Posting) -> None:
    """Per class, kind and size one sum over everything that takes pieces of that size; where devices are counted one by
    one, also what each of them holds."""
    problem = model.problem
    devices = problem.devices
    if devices is None:
        return
    here: dict[int, list[tuple[MemberAsk, Variable]]] = {}
    single: dict[int, list[tuple[MemberAsk, Variable, Sequence[Part]]]] = {}
    for index, gang in enumerate(problem.gangs):
        for number, member in enumerate(gang.members):
            for node_class, count in model.counts(index, number):
                here.setdefault(node_class, []).append((member, count))
                single.setdefault(node_class, []).append((member, count, model.parts(index, number, node_class)))
    for node_class, taken in single.items():
        if any(parts for _, _, parts in taken):
            _post_each_device(model, devices, node_class, taken)
    gpu = problem.resources.index(GPU)
    classes = np.arange(problem.class_count)
    free = free_milli(devices.states.T, classes, devices)
    cut = devices.states.T > DEVICE_MILLI
    idle = devices.states.T == DEVICE_MILLI
    usable = {"share": ~cut, "slice": cut | idle}
    for node_class, asks in here.items():
        for kind in KINDS:
            parts: list[tuple[int, int, Variable]] = []  # devices per pod, thousandths of each
            for member, count in asks:
                if member.devices is None:
                    parts.append((member.request[gpu] // DEVICE_MILLI, DEVICE_MILLI, count))
                elif bool(member.devices.profile) == (kind == "slice"):
                    milli = int(devices.need(member.devices).milli[node_class])
                    parts.append((member.devices.count, milli, count))
            room = free[usable[kind][:, node_class], node_class]
            for size in sorted({milli for _, milli, _ in parts if milli}):
                terms = [(each * (milli // size), count) for each, milli, count in parts if each * (milli // size)]
                bound = int(problem.class_nodes[node_class]) * int((room // size).sum())
                if sum(pieces * model.upper(count) for pieces, count in terms) > bound:
                    step = gcd(*(pieces for pieces, _ in terms))
                    model.at_most([(pieces // step, count) for pieces, count in terms], bound // step)


def _post_each_device(
    model: Posting, devices: ClassDevices, node_class: int, taken: list[tuple[MemberAsk, Variable, Sequence[Part]]]
) -> None:
    """The devices of one node: pods with parts of several have them of different devices, and what is taken whole needs
    idle ones that nobody has a part of."""
    gpu = model.problem.resources.index(GPU)
    by_position: dict[int, list[tuple[MemberAsk, Part]]] = {}
    for member, count, parts in taken:
        if member.devices is None:
            continue
        terms = [*((1, part.pods) for part in parts), (-member.devices.count, count)]
        model.at_most(terms, 0)
        model.at_most([(-coefficient, variable) for coefficient, variable in terms], 0)
        own: dict[int, list[Variable]] = {}
        for part in parts:
            own.setdefault(part.position, []).append(part.pods)
            by_position.setdefault(part.position, []).append((member, part))
        for pods in own.values():
            model.at_most([*((1, each) for each in pods), (-1, count)], 0)
    wholes = [
        (member.request[gpu] // DEVICE_MILLI, count)
        for member, count, _ in taken
        if member.devices is None and member.request[gpu]
    ]
    states = devices.states[node_class].tolist()
    idle = [position for position, state in enumerate(states) if state == DEVICE_MILLI]
    whole_of: dict[int, Variable] = {}
    for position in idle:
        whole_of[position] = model.number(1, _is_whole(position, idle, wholes, by_position))
    model.at_most([*wholes, *((-1, whole) for whole in whole_of.values())], 0)
    for position, parts_here in sorted(by_position.items()):
        _post_device(model, devices, node_class, parts_here, states[position], whole_of.get(position))


def _post_device(
    model: Posting,
    devices: ClassDevices,
    node_class: int,
    parts: list[tuple[MemberAsk, Part]],
    state: int,
    whole: Variable | None,
) -> None:
    """One device holds its shares beside nothing else, or slices of which no two have a slot in common."""
    shares: list[tuple[int, Variable]] = []
    slots: dict[int, list[Variable]] = {}
    for member, part in parts:
        assert member.devices is not None
        wanted = devices.need(member.devices)
        if wanted.table is None:
            shares.append((int(wanted.milli[node_class]), part.pods))
        else:
            bits = wanted.tables[int(wanted.table[node_class])].part.bits(part.start)
            for slot in range(bits.bit_length()):
                if bits >> slot & 1:
                    slots.setdefault(slot, []).append(part.pods)
    taken = [] if whole is None else [(DEVICE_MILLI, whole)]
    slices = list(dict.fromkeys(each for own in slots.values() for each in own))
    if slices and state == DEVICE_MILLI:
        taken.append((DEVICE_MILLI, model.used(slices, len(slices))))
    for own in slots.values():
        model.at_most([(1, each) for each in own], 1)
    if state <= DEVICE_MILLI:
        model.at_most([*shares, *taken], state)


def _is_whole(
    position: int,
    idle: list[int],
    wholes: list[tuple[int, Variable]],
    by_position: Mapping[int, list[tuple[MemberAsk, Part]]],
) -> Callable[[Callable[[Variable], int]], int]:
    """Whether a device is taken whole in a placement: the last ones of which nobody has a part are."""

    def value(of: Callable[[Variable], int]) -> int:
        untouched = [each for each in idle if not any(of(part.pods) for _, part in by_position.get(each, ()))]
        taken = sum(gpus * of(count) for gpus, count in wholes)
        return int(position in untouched[max(0, len(untouched) - taken) :])

    return value


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    """The same by going over devices one by one."""
    if problem.devices is None:
        return []
    taken: dict[tuple[int, str], dict[int, int]] = {}
    for put in puts:
        member = problem.gangs[put.gang].members[put.member]
        milli, each = DEVICE_MILLI, member.request[problem.resources.index(GPU)] // DEVICE_MILLI
        kinds: tuple[str, ...] = KINDS
        if member.devices is not None:
            milli, each = int(problem.devices.need(member.devices).milli[put.node_class]), member.devices.count
            kinds = ("slice",) if member.devices.profile else ("share",)
        for kind in kinds if each else ():
            sizes = taken.setdefault((put.node_class, kind), {})
            sizes[milli] = sizes.get(milli, 0) + each * put.count
    refusals = []
    for (node_class, kind), sizes in sorted(taken.items()):
        for size in sorted(each for each in sizes if each):
            pieces = sum((milli // size) * count for milli, count in sizes.items())
            offered = int(problem.class_nodes[node_class]) * _pieces(problem, node_class, kind, size)
            if pieces > offered:
                refusals.append(Refusal(NAME, "TooManyPieces", pieces, offered, where=f"class {node_class}"))
    return refusals


def _pieces(problem: Problem, node_class: int, kind: str, size: int) -> int:
    """How many pieces of a size the devices of one node have for a kind of use."""
    assert problem.devices is not None
    slots = 4 if problem.devices.layout[node_class] == 1 else 8
    found = 0
    for state in problem.devices.states[node_class].tolist():
        if state > DEVICE_MILLI:
            free = (slots - (state - CUT).bit_count()) * DEVICE_MILLI // slots if kind == "slice" else 0
        else:
            free = state if kind == "share" or state == DEVICE_MILLI else 0
        found += free // size
    return found
