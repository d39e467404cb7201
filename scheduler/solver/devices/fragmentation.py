"""Fragmentation of a node: what of its idle GPU the known mix of work cannot use (FGD, USENIX ATC 2023).

Over the shapes of `Problem.mix`, weight (pods) times the idle thousandths that a pod of the shape cannot use there: all
of them where it cannot run or asks for no GPU, else what lies on devices too empty for it. A placement goes where this
grows least; how much is squashed to whole numbers of 0 to 100, because what lives from the score are its ties.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI
from scheduler.solver.devices.devices import free_milli
from scheduler.solver.devices.worth import gpu_column, sized
from scheduler.solver.greedy.stock import Rest
from scheduler.solver.problem import Problem

Amounts = NDArray[np.float64]

_BEST = 100.0


class Fragmentation:
    """Fragmentation under the mix of one problem, some of which asks for GPUs."""

    def __init__(self, problem: Problem) -> None:
        self._gpu = gpu_column(problem)
        self._devices = problem.devices
        pods = float(sum(member.count for member in problem.mix))
        self._kinds: dict[tuple[int, int], list[int]] = {}
        for index, member in enumerate(problem.mix):
            kind = sized(member, problem)
            if kind is not None:
                self._kinds.setdefault(kind, []).append(index)
        self._weights = np.array([member.count / pods for member in problem.mix])
        self._requests = np.array([member.request for member in problem.mix], dtype=np.int64)
        self._requests[:, self._gpu] = 0  # devices are looked at one by one
        self._eligible = np.stack([problem.eligible(member) for member in problem.mix])

    def of(self, rest: Rest) -> Amounts:
        """[n] GPU thousandths."""
        states = self._states(rest)
        runs = self._eligible[:, rest.classes]
        for column, asked in enumerate(self._requests.T):
            if asked.any():
                runs = runs & (rest.free[column] >= asked[:, None])
        found = states.sum(axis=0).astype(np.float64)
        for (size, count), shapes in self._kinds.items():
            fits = states >= size
            usable = np.where(fits, states, 0).sum(axis=0) * (fits.sum(axis=0) >= count)
            found = found - self._weights[shapes] @ runs[shapes] * usable
        return np.asarray(found, dtype=np.float64)

    def _states(self, rest: Rest) -> NDArray[np.int64]:
        """[D x n] free thousandths by device; where nobody asks for parts, all whole devices in one row each."""
        if rest.devices is not None and self._devices is not None:
            return free_milli(rest.devices, rest.classes, self._devices)
        whole = rest.free[self._gpu] // DEVICE_MILLI
        here = np.arange(int(whole.max(initial=0)))[:, None] < whole
        return np.asarray(np.where(here, DEVICE_MILLI, 0), dtype=np.int64)


def squashed(growth: Amounts) -> Amounts:
    """0 to 100 in whole numbers, lower is better, for so much more fragmentation."""
    return np.asarray(-np.trunc(_BEST / (1 + np.exp(growth / DEVICE_MILLI))))
