"""One list, one seed, one contender: what arrives, what is placed, and the figures at each 5 % of arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.bench.openb.lists import Shape

STEP_PERCENT = 5


class Contender(Protocol):
    """Whatever places pods. It sees the pods of a window when they have arrived, and nothing of what comes later."""

    def decide(self, pods: Sequence[int], shapes: Sequence[int], *, last: bool) -> Collection[int]:
        """One window: pods by number in order of arrival, and the shape of each. Answers with the pods placed now,
        among them pods of earlier windows where these may wait. Nothing comes after the ``last`` window."""

    @property
    def moved_gpu_milli(self) -> int:
        """What was moved so far; a pod moved twice counts twice."""


@dataclass(frozen=True)
class Point:
    """The figures when so many percent of the fleet's GPUs have arrived.

    Unallocated is the mean over the arrivals that round to it, each counting the pods that came no later and were
    placed when its window was decided; the others are those at the last of them.
    """

    arrived_percent: int
    unallocated_percent: float
    moved_percent: float
    served_percent_by_size: dict[str, float]


@dataclass
class _Sums:
    events: int = 0
    placed_milli: int = 0
    moved_percent: float = 0.0
    served_percent_by_size: dict[str, float] = field(default_factory=dict)


def run(
    contender: Contender,
    shapes: Sequence[Shape],
    arriving: Sequence[int],
    fleet_gpu_milli: int,
    *,
    window: int,
    until_percent: int,
    progress: Callable[[int], None] = lambda _percent: None,
) -> list[Point]:
    """Feeds windows of so many pods until the next pod would round beyond ``until_percent`` of the fleet's GPUs; after
    each ``progress`` hears how many percent have arrived."""
    milli = [shapes[shape].total_gpu_milli for shape in arriving]
    percents = _percents(milli, fleet_gpu_milli, until_percent)
    wanted = set(percents[-1:]) | {percent for percent in percents if percent % STEP_PERCENT == 0}
    sums: dict[int, _Sums] = {}
    arrived: Counter[str] = Counter()
    served: Counter[str] = Counter()
    placed_milli = 0
    for start in range(0, len(percents), window):
        pods = range(start, min(start + window, len(percents)))
        last = pods.stop == len(percents)
        placed = set(contender.decide(pods, [arriving[pod] for pod in pods], last=last))
        placed_milli += sum(milli[pod] for pod in placed if pod < start)
        served.update(shapes[arriving[pod]].size for pod in placed if pod < start)
        for pod in pods:
            size = shapes[arriving[pod]].size
            arrived[size] += 1
            if pod in placed:
                served[size] += 1
                placed_milli += milli[pod]
            if percents[pod] in wanted:
                here = sums.setdefault(percents[pod], _Sums())
                here.events += 1
                here.placed_milli += placed_milli
                if pod + 1 == len(percents) or percents[pod + 1] != percents[pod]:
                    here.moved_percent = 100 * contender.moved_gpu_milli / max(1, placed_milli)
                    here.served_percent_by_size = {size: 100 * served[size] / arrived[size] for size in sorted(arrived)}
        progress(percents[pods.stop - 1])
    return [
        Point(
            arrived_percent=percent,
            unallocated_percent=100 - 100 * here.placed_milli / here.events / fleet_gpu_milli,
            moved_percent=here.moved_percent,
            served_percent_by_size=here.served_percent_by_size,
        )
        for percent, here in sorted(sums.items())
    ]


def _percents(milli: Sequence[int], fleet_gpu_milli: int, until_percent: int) -> list[int]:
    """What percent of the fleet's GPUs have arrived with each pod, as far as it counts."""
    percents = []
    asked = 0
    for each in milli:
        asked += each
        percents.append(round(100 * asked / fleet_gpu_milli))
        if percents[-1] > until_percent:
            return percents[:-1]
    return percents
