"""What the free part of a device is worth to the known mix of work, and so which device a share costs least on.

Two answers: by the price of the patterns that fit into it (``price``), or by who could use it at all (``fgd``).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI
from scheduler.model.resources import is_gpu
from scheduler.solver.devices.cutting_stock import share_prices, worth_of_free
from scheduler.solver.problem import GangAsk, MemberAsk, Problem
from scheduler.solver.scarcity import by_scarcity

PRICE = "price"
FGD = "fgd"
NEED_MIX = frozenset((PRICE, FGD))
"""The names of the scores for nodes and devices that need `Problem.mix`."""

ByMilli = NDArray[np.float64]
"""[DEVICE_MILLI + 1] by the free thousandths of a device."""

_WASTE_WEIGHT = 3.0
"""Waste on a device counts more than balance: it never comes back, while a node's CPU may still meet small asks."""
_OPENING = 300.0
"""What it costs, beyond its worth, to break an idle device: of two equally good patterns the one begun is finished."""


def mix_of(gangs: Sequence[GangAsk]) -> tuple[MemberAsk, ...]:
    """What is waiting stands for what will come: distinct shapes, with how many pods of each."""
    pods: dict[MemberAsk, int] = {}
    for gang in gangs:
        for member in gang.members:
            shape = msgspec.structs.replace(member, count=0, minimum=0, branch=0)
            pods[shape] = pods.get(shape, 0) + member.count
    return tuple(msgspec.structs.replace(shape, count=count) for shape, count in pods.items())


def gpu_column(problem: Problem) -> int:
    """The column that counts GPUs, where there is one."""
    return by_scarcity(problem.resources)[0]


def priced(problem: Problem) -> bool:
    """Whether there is a mix to take prices from."""
    return is_gpu(problem.resources[gpu_column(problem)]) and any(
        gpu_milli(member, problem) > 0 for member in problem.mix
    )


def gpu_milli(member: MemberAsk, problem: Problem) -> float:
    """What one pod takes of devices, whole or in parts; by memory or slice it is the mean over the classes."""
    if member.devices is None or problem.devices is None:
        return float(member.request[gpu_column(problem)])
    each = problem.devices.need(member.devices).milli
    return float(each[each > 0].mean()) * member.devices.count if (each > 0).any() else 0.0


def sized(member: MemberAsk, problem: Problem) -> tuple[int, int] | None:
    """The share of each device that one pod takes in thousandths, and of how many; None where it takes none."""
    milli = gpu_milli(member, problem)
    if milli <= 0:
        return None
    count = round(milli / DEVICE_MILLI) if member.devices is None else member.devices.count
    return max(1, round(milli / count)), count


def kept_milli(problem: Problem) -> ByMilli:
    """What the mix can make of so much free, in thousandths of an idle device, which whole GPUs always use up."""
    demand: dict[int, float] = {}
    for member in problem.mix:
        kind = sized(member, problem)
        if kind is not None:
            size, count = kind
            demand[size] = demand.get(size, 0.0) + count * member.count
    return DEVICE_MILLI * worth_of_free(share_prices(demand))


def unused_milli(problem: Problem) -> ByMilli:
    """What of a device shapes of the mix cannot use, by their weight in pods, where so much of it is free: all of it by
    those who need more, or no GPU."""
    pods = float(sum(member.count for member in problem.mix))
    free = np.arange(DEVICE_MILLI + 1)
    unused = np.ones(len(free))
    for member in problem.mix:
        kind = sized(member, problem)
        if kind is not None:
            unused -= member.count / pods * (free >= kind[0])
    return np.asarray(free * unused)


def device_worth(kept: ByMilli) -> ByMilli:
    """The worth of a device by what is free on it."""
    worth = _WASTE_WEIGHT * kept
    worth[DEVICE_MILLI] += _OPENING
    return worth
