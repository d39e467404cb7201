"""Our contender: the product's stock, scores and prices, fed one pod at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.model.devices import DEVICE_MILLI as DEVICE
from scheduler.model.devices import DeviceAsk
from scheduler.model.resources import CPU, GPU, MEMORY
from scheduler.solver.devices import ClassDevices
from scheduler.solver.node_scores import node_score
from scheduler.solver.problem import MemberAsk, Problem
from scheduler.solver.stock import Stock
from tests.bench.openb.lists import Nodes, Pods, Shape, accepts

_DEVICES_MAX = 8


def problem_of(nodes: Nodes, pods: Pods, score: str = "price") -> tuple[Problem, tuple[MemberAsk, ...]]:
    """The empty fleet as the solver sees it, and each shape of the list as an ask; the list is the known mix."""
    kinds = list(
        zip(nodes.models, nodes.gpus.tolist(), nodes.cpu_milli.tolist(), nodes.memory_mib.tolist(), strict=True)
    )
    distinct = sorted(set(kinds))
    class_of = {kind: index for index, kind in enumerate(distinct)}
    gpus = np.array([gpus for _, gpus, _, _ in distinct], dtype=np.int64)
    states = np.where(np.arange(_DEVICES_MAX) < gpus[:, None], DEVICE, 0).astype(np.int64)
    eligible = accepts(pods.shapes, [model for model, _, _, _ in distinct])
    members = tuple(
        _member(shape, np.packbits(eligible[index]).tobytes(), int(count))
        for index, (shape, count) in enumerate(zip(pods.shapes, pods.counts().tolist(), strict=True))
    )
    problem = Problem(
        resources=(GPU, CPU, MEMORY),
        class_nodes=np.bincount([class_of[kind] for kind in kinds]).astype(np.int32),
        class_free=np.array([[g * DEVICE, cpu, memory] for _, g, cpu, memory in distinct], dtype=np.int64),
        class_domain=np.zeros((len(distinct), 0), dtype=np.int32),
        level_names=(),
        domain_names=(),
        gangs=(),
        queues=(),
        goals=(),
        rules=(),
        node_score=score,
        device_score=score,
        devices=ClassDevices(
            states, np.zeros(len(distinct), dtype=np.int32), np.full(len(distinct), -1, dtype=np.int32)
        ),
        mix=members,
    )
    return problem, members


def _member(shape: Shape, eligible: bytes, count: int) -> MemberAsk:
    whole = 0 if shape.is_share else shape.total_gpu_milli
    devices = DeviceAsk(milli=shape.gpu_milli) if shape.is_share else None
    return MemberAsk((whole, shape.cpu_milli, shape.memory_mib), count, 0, 0, eligible, devices)


class Ours:
    """One pod at a time onto the group of nodes whose score is least. Scores of groups that did not change are kept."""

    def __init__(self, nodes: Nodes, pods: Pods, score: str = "price") -> None:
        problem, self._members = problem_of(nodes, pods, score)
        self.stock = Stock.of(problem)
        self._score = node_score(problem)
        self._eligible = [problem.eligible(member) for member in self._members]
        self._costs = np.full((len(self._members), len(self.stock.size)), np.inf)
        self._seen = [-1] * len(self._members)
        self._changed: list[int] = []

    moved_gpu_milli = 0

    def decide(self, pods: Sequence[int], shapes: Sequence[int], *, last: bool) -> list[int]:
        return [pod for pod, shape in zip(pods, shapes, strict=True) if self.arrive(shape)]

    def arrive(self, shape: int) -> bool:
        self._refresh(shape)
        slot = int(self._costs[shape, : self.stock.used].argmin())
        if self._costs[shape, slot] == np.inf:
            return False
        poured = self.stock.pour(slot, 1, 1, self._members[shape])
        self._changed += [slot, self.stock.slot(poured.key)]
        return True

    def _refresh(self, shape: int) -> None:
        stock, seen = self.stock, self._seen[shape]
        self._seen[shape] = len(self._changed)
        stale = np.arange(stock.used) if seen < 0 else np.unique(np.array(self._changed[seen:], dtype=np.int64))
        if not len(stale):
            return
        self._costs[shape, stale] = np.inf
        slots = stale[(stock.size[stale] > 0) & self._eligible[shape][stock.node_class[stale]]]
        slots = slots[stock.holds(slots, self._members[shape])]
        if len(slots):
            self._costs[shape, slots] = self._score(stock.rest(slots), stock.rest_after(slots, self._members[shape]))
