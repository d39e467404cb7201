"""What the free part of a node is worth to the work that is known to come: the potential behind the score ``price``.

The known mix of work stands in `Problem.mix`. A placement costs what it takes off the node's worth, and that is made of
five parts, all in GPU thousandths:

- each device, by what shares of the mix can still make of it (`scheduler.solver.devices.cutting_stock`);
- less what would be stranded behind too little CPU or memory, were the rest filled with one shape of the mix after
  another: this keeps CPU and GPUs of each node in balance;
- room for whole pods of several devices, counted in pods, because a device short is a pod short: dear where rooms are
  few beside the pods that will want them, and next to nothing where they are plenty;
- the pressure on the node's kind, by work that can go to few kinds: it keeps named models for those who name them;
- where CPU runs out before GPUs do, less the CPU that no work without GPUs fills (`scheduler.solver.devices.pieces`).

Rooms, pressure and shortage are matters of the moment: prices taken anew, as every cycle does, see what runs short.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DEVICE_MILLI
from scheduler.solver.devices.devices import free_milli
from scheduler.solver.devices.pieces import Pieces
from scheduler.solver.devices.worth import device_worth, gpu_column, gpu_milli, kept_milli
from scheduler.solver.greedy.stock import Rest
from scheduler.solver.problem import Problem
from scheduler.solver.scarcity import by_scarcity, is_extended

Amounts = NDArray[np.float64]

_ROOM_POWER = 1.5
"""How fast a room grows dear with the part of the rooms that will be wanted. At 2 fewer pods of several devices are
served where CPU runs out first (cpu300), at 1 devices are wasted for rooms that nobody will want."""
_PRESSURE_WEIGHT = 4.0
_ROOMS_MAX = 32
"""Shapes of several devices that are looked at, the heaviest first."""
_TOGETHER = 0.5
"""What all CPU (or memory) of the largest node is worth more in one piece: only ever decides between equals, for the
node with the least left."""


@dataclass(frozen=True, eq=False)
class _Balance:
    """One plentiful resource: ``needs`` [K] per GPU thousandth, ascending; for each kind of class the weight of the mix
    that needs more than the k-th, plain and over its need [kinds x K + 1]."""

    column: int
    needs: Amounts
    weight_above: Amounts
    weight_over_need_above: Amounts

    @classmethod
    def of(cls, column: int, needs: Amounts, weights: Amounts) -> _Balance:
        """``needs`` [S], ``weights`` [kinds x S] summing to 1 in each kind."""
        order = np.argsort(needs, kind="stable")
        needs, weights = needs[order], weights[:, order]
        over = weights / np.maximum(needs, 1e-9)
        return cls(column, needs, _sums_from(weights), _sums_from(over))

    def stranded(self, free: Amounts, gpu: Amounts, kinds: NDArray[np.int64]) -> Amounts:
        """The mean over the mix of the GPU thousandths that this resource cannot serve."""
        per_gpu = np.where(gpu > 0, free / np.maximum(gpu, 1e-9), np.inf)
        above = np.searchsorted(self.needs, per_gpu, side="right")
        return np.asarray(gpu * self.weight_above[kinds, above] - free * self.weight_over_need_above[kinds, above])


class Prices:
    """The worth of what is free, at the prices of one problem's mix, which is to ask for GPUs (`priced`)."""

    def __init__(self, problem: Problem) -> None:
        self._gpu = gpu = gpu_column(problem)
        self._devices = problem.devices
        mix = [member for member in problem.mix if gpu_milli(member, problem) > 0]
        assert mix, "prices need a mix of work that asks for GPUs"
        milli = np.array([gpu_milli(member, problem) for member in mix])
        pods = np.array([member.count for member in mix], dtype=np.float64)
        weights = milli * pods / float((milli * pods).sum())
        eligible = np.stack([problem.eligible(member) for member in mix])
        self._patterns, self._kinds = np.unique(eligible, axis=1, return_inverse=True)
        self._kinds = self._kinds.ravel()
        self._kept = kept_milli(problem)
        self._of_device = device_worth(self._kept)
        self._demand = of_kind = np.where(self._patterns.T, weights, 0.0)
        of_kind = of_kind / np.maximum(of_kind.sum(axis=1, keepdims=True), 1e-9)
        self._balances = [
            _Balance.of(column, np.array([member.request[column] for member in mix]) / milli, of_kind)
            for column in by_scarcity(problem.resources)
            if not is_extended(problem.resources[column]) and any(member.request[column] for member in mix)
        ][:2]
        plenty = [column for column in by_scarcity(problem.resources) if not is_extended(problem.resources[column])]
        self._largest = {column: max(1.0, float(problem.class_free[:, column].max(initial=1))) for column in plenty[:2]}
        several = [index for index, member in enumerate(mix) if member.request[gpu] > DEVICE_MILLI]
        several = sorted(several, key=lambda index: (-weights[index], index))[:_ROOMS_MAX]
        requests = np.array([mix[index].request for index in several], dtype=np.float64)
        requests = requests.reshape(len(several), len(problem.resources), 1)
        self._room_sizes = np.maximum(requests, 1e-9)  # [S x R x 1]; a resource not asked for fits without end
        self._not_asked = np.where(requests > 0, 0.0, 1.0)
        self._room_milli = milli[several]
        self._room_pods = pods[several] / float((milli * pods).sum())  # that will come per GPU thousandth
        self._patterns = self._patterns[several]
        self._pieces = Pieces.of(problem)
        states = problem.devices.states.T if problem.devices is not None else None
        self.look(Rest(problem.class_free.T, states, np.arange(problem.class_count)), problem.class_nodes)

    def at(self, rest: Rest, nodes: NDArray[np.integer[Any]]) -> Prices:
        """The same prices when this is free on so many nodes each [n]."""
        later = copy.copy(self)
        later.look(rest, nodes)
        return later

    def look(self, rest: Rest, nodes: NDArray[np.integer[Any]]) -> None:
        """Takes in what is a matter of the moment, while this is free on so many nodes each [n]."""
        kinds = self._kinds[rest.classes]
        milli = self._free_milli(rest) * nodes
        supply = np.bincount(kinds, weights=milli, minlength=len(self._demand)).astype(np.float64)
        self.pressure = self._pressures(supply)
        wanted = self._room_pods * supply.sum()
        rooms = (self._rooms(rest) * self._patterns[:, kinds]) @ nodes
        chance = np.minimum(1.0, wanted / np.maximum(rooms, 1.0))
        self._room_worth = self._patterns.T * (self._room_milli * chance**_ROOM_POWER)
        self._piece_price = 0.0
        if self._pieces is not None:
            cpu = float(rest.free[self._pieces.column] @ nodes)
            self._piece_price = self._pieces.price(cpu, float(supply.sum()))

    def worth(self, rest: Rest) -> Amounts:
        """[n] of what is free on n nodes."""
        kinds = self._kinds[rest.classes]
        gpu = rest.free[self._gpu].astype(np.float64)
        worth = np.zeros(len(gpu))
        if rest.devices is not None and self._devices is not None:
            free = free_milli(rest.devices, rest.classes, self._devices)
            gpu = self._kept[free].sum(axis=0)
            worth = self._of_device[free].sum(axis=0)
        worth += _PRESSURE_WEIGHT * self.pressure[kinds] * gpu
        worth -= self._stranded(rest, gpu, kinds)
        if len(self._room_sizes):
            worth += (self._rooms(rest) * self._room_worth[kinds].T).sum(axis=0)
        if self._pieces is not None and self._piece_price > 0:
            worth -= self._piece_price * self._pieces.wasted(rest.free[self._pieces.column])
        for column, largest in self._largest.items():
            worth += _TOGETHER * (rest.free[column] / largest) ** 2
        return worth

    def _stranded(self, rest: Rest, gpu: Amounts, kinds: NDArray[np.int64]) -> Amounts:
        stranded = np.zeros(len(gpu))
        for balance in self._balances:
            stranded = np.maximum(stranded, balance.stranded(rest.free[balance.column].astype(np.float64), gpu, kinds))
        return stranded

    def _rooms(self, rest: Rest) -> Amounts:
        """[S x n] the pods of each shape of several devices that each node still holds."""
        return np.asarray(np.floor((rest.free + self._not_asked) / self._room_sizes).min(axis=1))

    def _free_milli(self, rest: Rest) -> Amounts:
        """[n] the GPU thousandths that are free on each node."""
        if rest.devices is None or self._devices is None:
            return np.asarray(rest.free[self._gpu], dtype=np.float64)
        return np.asarray(free_milli(rest.devices, rest.classes, self._devices).sum(axis=0), dtype=np.float64)

    def _pressures(self, free: Amounts) -> Amounts:
        """[kinds] the load if each shape of the mix, all of them together filling what is free [kinds], spread evenly
        over the kinds that may take it."""
        reach = (self._demand > 0).T @ free  # of each shape
        share = np.where(reach > 0, free.sum() / np.maximum(reach, 1e-9), 0.0)
        return np.asarray((self._demand * share).sum(axis=1))


def _sums_from(weights: Amounts) -> Amounts:
    """[kinds x K] -> [kinds x K + 1]: the sums of each column and all later ones, at last 0."""
    sums = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([sums, np.zeros((len(weights), 1))], axis=1)
