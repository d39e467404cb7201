"""Rule: the devices of a class hold all the parts that are taken of them, beside the devices that are taken whole.

Devices cannot be pooled: what is left on two of them is no place for a share larger than either. A device with so many
free thousandths holds at most ``free // size`` pieces of any size, and an ask for ``milli`` thousandths counts as
``milli // size`` of them, so there is a sum for each size that is asked for. A cut device holds no share, and one that
is shared no slice. Whether the counts also fit device by device is decided by expansion.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

import numpy as np

from scheduler.model.devices import CUT, DEVICE_MILLI
from scheduler.model.plan import Refusal
from scheduler.model.resources import GPU
from scheduler.solver.devices import free_milli
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import MemberAsk, Problem, Put

NAME = "devices"

KINDS = ("share", "slice")
"""What a device may be used for in parts. Whole devices count beside either."""


def post(model: Posting) -> None:
    """Per class, kind and size one sum over everything that takes pieces of that size."""
    problem = model.problem
    devices = problem.devices
    if devices is None:
        return
    here: dict[int, list[tuple[MemberAsk, Variable]]] = {}
    for index, gang in enumerate(problem.gangs):
        for number, member in enumerate(gang.members):
            for node_class, count in model.counts(index, number):
                here.setdefault(node_class, []).append((member, count))
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
