"""From runs to rows, the table, and the bars that were missed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.bench.measure import columns
from tests.bench.openb.floor import Floor
from tests.bench.openb.runs import Point

ALGORITHMS = ("ours", "fgd", "bestfit")

SERVED_SLACK_POINTS = 0.5
"""No size is served less than FGD serves it by more than so many percentage points."""
MOVED_PERCENT_MAX = 5.0


@dataclass(frozen=True)
class Row:
    """One contender on one list with one seed, when so much has arrived."""

    list_name: str
    algorithm: str
    tier: str
    window: int
    seed: int
    point: Point
    seconds: float
    floor_percent: float = 0.0
    floor_all_served_percent: float = 0.0

    def over(self, least: Floor) -> Row:
        """With the floor: the program's, or what has simply not arrived yet."""
        waiting = 100.0 - self.point.arrived_percent - 0.5
        return replace(
            self,
            floor_percent=max(least.unallocated_percent, waiting),
            floor_all_served_percent=max(least.all_served_percent, waiting),
        )

    @property
    def excess(self) -> float:
        return self.point.unallocated_percent - self.floor_percent

    def json(self) -> dict[str, Any]:
        return {
            "list": self.list_name,
            "algorithm": self.algorithm,
            "tier": self.tier,
            "window": self.window,
            "seed": self.seed,
            "arrived_pct": self.point.arrived_percent,
            "unallocated_pct": self.point.unallocated_percent,
            "floor_pct": self.floor_percent,
            "floor_all_served_pct": self.floor_all_served_percent,
            "moved_pct": self.point.moved_percent,
            "served_pct_by_size": self.point.served_percent_by_size,
        }


def unallocated_at_last(rows: Sequence[Row]) -> float:
    """The mean over the seeds when everything has arrived, in percent."""
    last = max(row.point.arrived_percent for row in rows)
    return _mean(row.point.unallocated_percent for row in rows if row.point.arrived_percent == last)


def bar(tier: str, window: int) -> float:
    """The most that our excess may be of FGD's, as geometric mean over lists."""
    if tier == "T2":
        return 0.75 if window < 50 else 0.60 if window < 200 else 0.50
    return {"T1": 0.80, "T3": 0.40, "T4": 0.30}[tier]


def table(rows: Sequence[Row]) -> str:
    """A line per list: means over the seeds when everything has arrived."""
    lines = [
        ["list", "seeds", "floor", "nobody refused", "BestFit", "FGD", "ours", "excess ours/FGD", "worst size", "moved"]
    ]
    for name, final in _final(rows).items():
        worst = min(_served_gaps(final).items(), key=lambda item: item[1])
        lines.append(
            [
                name,
                str(len({row.seed for row in final})),
                f"{_mean(row.floor_percent for row in final):.2f}",
                f"{_mean(row.floor_all_served_percent for row in final):.2f}",
                *(f"{_unallocated(final, algorithm):.2f}" for algorithm in ("bestfit", "fgd", "ours")),
                f"{_ratio(final):.3f}",
                f"{worst[0]} {worst[1]:+.2f}",
                f"{_mean(row.point.moved_percent for row in final if row.algorithm == 'ours'):.2f}",
            ]
        )
    return (
        columns(lines)
        + f"\ngeometric mean of the excess, ours/FGD: {geometric_mean(rows):.3f} "
        + f"(bar {bar(rows[0].tier, rows[0].window):.2f}; nobody refused {all_served_geometric_mean(rows):.3f})"
    )


def geometric_mean(rows: Sequence[Row]) -> float:
    return _geometric_mean([_ratio(final) for final in _final(rows).values()])


def all_served_geometric_mean(rows: Sequence[Row]) -> float:
    """The same of what has to be left where every shape is served alike: below it only who refuses somebody comes."""
    return _geometric_mean([_all_served_ratio(final) for final in _final(rows).values()])


def misses(rows: Sequence[Row]) -> list[str]:
    """What a reader of the bars would object to, one sentence each."""
    found = []
    tier, window = rows[0].tier, rows[0].window
    ratio = geometric_mean(rows)
    if ratio > bar(tier, window):
        found.append(f"missed: geometric mean {ratio:.3f}, the bar is {bar(tier, window):.2f}")
    for name, final in _final(rows).items():
        if _ratio(final) > 1:
            found.append(f"missed: {name} is worse than FGD ({_ratio(final):.3f})")
        for size, gap in sorted(_served_gaps(final).items()):
            if gap < -SERVED_SLACK_POINTS:
                found.append(f"missed: {name} serves {size} {-gap:.2f} points less than FGD")
        moved = max(row.point.moved_percent for row in final)
        if moved > MOVED_PERCENT_MAX:
            found.append(f"missed: {name} moved {moved:.2f} % of what it placed")
    return found


def _final(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each list when everything has arrived."""
    last = max(row.point.arrived_percent for row in rows)
    final: dict[str, list[Row]] = {}
    for row in rows:
        if row.point.arrived_percent == last:
            final.setdefault(row.list_name, []).append(row)
    return final


def _ratio(final: Sequence[Row]) -> float:
    ours, fgd = (_mean(row.excess for row in final if row.algorithm == name) for name in ("ours", "fgd"))
    return ours / fgd


def _all_served_ratio(final: Sequence[Row]) -> float:
    fgd = [row for row in final if row.algorithm == "fgd"]
    return _mean(row.floor_all_served_percent - row.floor_percent for row in fgd) / _mean(row.excess for row in fgd)


def _geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(_mean(math.log(max(1e-9, ratio)) for ratio in ratios))


def _unallocated(final: Sequence[Row], algorithm: str) -> float:
    return _mean(row.point.unallocated_percent for row in final if row.algorithm == algorithm)


def _served_gaps(final: Sequence[Row]) -> dict[str, float]:
    """Size -> how many points more of it ours serves than FGD."""
    sizes = {size for row in final for size in row.point.served_percent_by_size}
    return {size: _served(final, "ours", size) - _served(final, "fgd", size) for size in sizes}


def _served(final: Sequence[Row], algorithm: str, size: str) -> float:
    return _mean(
        row.point.served_percent_by_size[size]
        for row in final
        if row.algorithm == algorithm and size in row.point.served_percent_by_size
    )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
