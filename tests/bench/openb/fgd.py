"""The baselines: FGD (fragmentation gradient descent, USENIX ATC'23) and BestFit, as the published results ran them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.bench.openb.fleet import Costs, Fleet
from tests.bench.openb.lists import DEVICE_MILLI, Ints, Shape, accepts

_BEST_SCORE = 100
_CPU_MAX_MILLI = 128_000
_GPU_MAX_MILLI = 8_000


class Fgd:
    """The placement that raises the node's fragmentation least; the score is squashed to an integer 0 to 100.

    Fragmentation of a node: over the shapes of the target workload, weight times what of the idle GPU milli the shape
    cannot use: all of it where it cannot run at all or needs no GPU, else what lies on devices too empty for it.
    """

    def __init__(
        self, fleet: Fleet, shapes: tuple[Shape, ...], target: tuple[Shape, ...], weights: NDArray[np.float64]
    ) -> None:
        self._fleet = fleet
        self._shapes = shapes
        kinds = sorted({(shape.gpu_milli, shape.gpus) for shape in target if shape.gpus})
        self._milli = np.array([milli for milli, _ in kinds], dtype=np.int64)
        self._gpus = np.array([gpus for _, gpus in kinds], dtype=np.int64)
        self._cpu_steps = np.array(sorted({shape.cpu_milli for shape in target if shape.gpus}), dtype=np.int64)
        model_ok = accepts(target, fleet.models)
        # Weight of the target shapes of each kind that a model and so much free CPU satisfy [M x cpu steps x kinds].
        self._weight = np.zeros((len(fleet.models), len(self._cpu_steps) + 1, len(kinds)))
        for index, shape in enumerate(target):
            if shape.gpus:
                kind = kinds.index((shape.gpu_milli, shape.gpus))
                enough = np.searchsorted(self._cpu_steps, shape.cpu_milli) + 1
                self._weight[model_ok[index], enough:, kind] += weights[index]

    def costs(self, shape: int, nodes: Ints) -> tuple[Costs, Ints]:
        asked = self._shapes[shape]
        devices = np.maximum(self._fleet.device_milli[nodes], 0)
        cpu = self._fleet.cpu_milli[nodes]
        before = self._fragmentation(nodes, cpu, devices)
        if asked.is_share:
            options = np.repeat(devices[:, None, :], devices.shape[1], axis=1)
            diagonal = np.arange(devices.shape[1])
            options[:, diagonal, diagonal] -= asked.gpu_milli
            flat = options.reshape(-1, devices.shape[1])
            after = self._fragmentation(
                np.repeat(nodes, devices.shape[1]), np.repeat(cpu - asked.cpu_milli, devices.shape[1]), flat
            ).reshape(len(nodes), -1)
            scores = np.where(devices >= asked.gpu_milli, _squashed(before[:, None] - after), -1.0)
            chosen = scores.argmax(axis=1)
            return -scores[np.arange(len(nodes)), chosen], chosen
        if asked.gpus:
            idle = devices == DEVICE_MILLI
            devices[idle & (idle.cumsum(axis=1) <= asked.gpus)] = 0
        after = self._fragmentation(nodes, cpu - asked.cpu_milli, devices)
        return -_squashed(before - after), np.full(len(nodes), -1, dtype=np.int64)

    def _fragmentation(self, nodes: Ints, cpu: Ints, devices: Ints) -> NDArray[np.float64]:
        """[n] from nodes [n], free CPU [n] and free milli per device [n x D]."""
        steps = np.searchsorted(self._cpu_steps, cpu, side="right")
        big_enough = devices[:, :, None] >= self._milli
        runs = self._weight[self._fleet.model_of[nodes], steps] * (big_enough.sum(axis=1) >= self._gpus)
        usable = (devices[:, :, None] * big_enough).sum(axis=1)
        return np.asarray(devices.sum(axis=1) - (runs * usable).sum(axis=1))


class BestFit:
    """The node with the least left of CPU and GPU together, the fullest device that still holds a share."""

    def __init__(self, fleet: Fleet, shapes: tuple[Shape, ...]) -> None:
        self._fleet = fleet
        self._shapes = shapes

    def costs(self, shape: int, nodes: Ints) -> tuple[Costs, Ints]:
        asked = self._shapes[shape]
        devices = self._fleet.device_milli[nodes]
        gpu_left = np.maximum(devices, 0).sum(axis=1) - asked.total_gpu_milli
        left = (self._fleet.cpu_milli[nodes] - asked.cpu_milli) / _CPU_MAX_MILLI / 2 + gpu_left / _GPU_MAX_MILLI / 2
        chosen = np.full(len(nodes), -1, dtype=np.int64)
        if asked.is_share:
            chosen = np.where(devices >= asked.gpu_milli, devices, DEVICE_MILLI + 1).argmin(axis=1)
        return -np.trunc((1 - left) * _BEST_SCORE), chosen


def _squashed(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.trunc(_BEST_SCORE / (1 + np.exp(-gain / DEVICE_MILLI))))
