"""Packing on the openb lists: GPU left unallocated, ours beside FGD and BestFit, over what no policy can beat.

    python -m tests.bench.openb --nodes FILE --pods FILE [--pods FILE ...] --tier T1|T2|T3|T4 [--window N]
        [--seeds 42,43] [--json OUT] [--until-percent 100] [--fgd-coverage 0.95,1] [--check]

Tiers: T1 one pod at a time; T2 windows placed jointly; T3 windows whose unplaced pods are tried again; T4 windows
with moves. Files are CSV, plain or .gz. ``--check`` makes a missed bar an error.

FGD's results hang on which shapes its target workload holds, more than on anything else: so it runs with each of
several targets, and ours is judged by the one that leaves least unallocated on the list.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from tests.bench.measure import machine, write_json
from tests.bench.openb.contenders import TIERS, contender
from tests.bench.openb.floor import Floor, floor
from tests.bench.openb.lists import Nodes, Pods, arrivals, read_nodes, read_pods
from tests.bench.openb.report import ALGORITHMS, Row, misses, table, unallocated_at_last
from tests.bench.openb.runs import run
from tests.shared import SHARED

_OPENB = SHARED / "traces" / "openb"


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    window = options.window or TIERS[options.tier].window
    nodes = read_nodes(options.nodes)
    rows: list[Row] = []
    for path in options.pods or [_OPENB / "openb_pod_list_default.csv.gz"]:
        pods = read_pods(path)
        rows += _rows_of_list(nodes, pods, window, options)
    for row in rows:
        assert row.point.unallocated_percent >= row.floor_percent - 1e-6, f"below the floor: {row}"
    print(table(rows))
    write_json(options.json, {"machine": machine(), "results": [row.json() for row in rows]})
    missed = misses(rows)
    print("\n".join(missed) or "all bars met")
    return 1 if missed and options.check else 0


def _rows_of_list(nodes: Nodes, pods: Pods, window: int, options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    by_target: dict[float, list[Row]] = {coverage: [] for coverage in options.fgd_coverage}
    for seed in options.seeds:
        arriving = arrivals(pods, nodes.gpu_milli, seed, options.until_percent + 1).tolist()
        least = _floor(nodes, pods, arriving, options.until_percent)
        print(f"{pods.name} {seed} floor: {_words(least)}", file=sys.stderr)
        for algorithm in ALGORITHMS:
            for coverage in options.fgd_coverage if algorithm == "fgd" else (0.0,):
                found = _rows(nodes, pods, arriving, algorithm, coverage, seed, window, options)
                found = [row.over(least) for row in found]
                (by_target[coverage] if algorithm == "fgd" else rows).extend(found)
    return rows + min(by_target.values(), key=unallocated_at_last)


def _rows(
    nodes: Nodes,
    pods: Pods,
    arriving: list[int],
    algorithm: str,
    fgd_coverage: float,
    seed: int,
    window: int,
    options: argparse.Namespace,
) -> list[Row]:
    tier = options.tier
    began = time.perf_counter()
    name = f"fgd (target {fgd_coverage:.0%})" if algorithm == "fgd" else algorithm
    points = run(
        contender(algorithm, tier, nodes, pods, fgd_coverage),
        pods.shapes,
        arriving,
        nodes.gpu_milli,
        window=window if algorithm == "ours" else 1,
        until_percent=options.until_percent,
        progress=_Progress(f"{pods.name} {seed} {name}"),
    )
    seconds = time.perf_counter() - began
    print(
        f"{pods.name} {seed} {name}: {points[-1].unallocated_percent:.2f} % in {seconds:.1f} s",
        file=sys.stderr,
    )
    return [Row(pods.name, algorithm, tier, window, seed, point, seconds) for point in points]


class _Progress:
    """A line on a terminal that says how many percent have arrived."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._percent = -1

    def __call__(self, percent: int) -> None:
        if percent > self._percent and sys.stderr.isatty():
            self._percent = percent
            print(f"\r{self._words}: {percent} % arrived\r", end="", file=sys.stderr, flush=True)


def _floor(nodes: Nodes, pods: Pods, arriving: list[int], until_percent: int) -> Floor:
    """For the mean of what has arrived over the arrivals that count for the last percent. Fewer pods cannot fill what
    more could not, so it holds at every percent before."""
    asked = np.cumsum([pods.shapes[shape].total_gpu_milli for shape in arriving])
    percents = np.round(100 * asked / nodes.gpu_milli)
    ends = np.flatnonzero(percents == percents[percents <= until_percent].max()) + 1
    counts = np.bincount(arriving[: ends[0]], minlength=len(pods.shapes)).astype(np.float64)
    for position, shape in enumerate(arriving[ends[0] : ends[-1]], start=1):
        counts[shape] += 1 - position / len(ends)
    return floor(nodes, pods.shapes, counts.tolist())


def _words(least: Floor) -> str:
    cpu = max(least.prices.cpu)
    return (
        f"{least.unallocated_percent:.3f} % (patterns alone {least.pattern_only_percent:.3f} %, nobody refused "
        f"{least.all_served_percent:.3f} %), certificate checked: dearest CPU {cpu / 1e6:.4f} and dearest share "
        f"{max(max(share.values()) for share in least.prices.share) / 1e6:.1f} GPU thousandths"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.openb", description=__doc__.split("\n")[0])
    parser.add_argument("--nodes", type=Path, default=_OPENB / "openb_node_list_gpu_node.csv.gz")
    parser.add_argument("--pods", type=Path, action="append", help="a list of pods; may be given several times")
    parser.add_argument("--tier", choices=sorted(TIERS), default="T1")
    parser.add_argument(
        "--window", type=int, default=0, help="pods per window (0: 1 for T1, 200 for T2, 500 for T3, 50 for T4)"
    )
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[42])
    parser.add_argument("--until-percent", type=int, default=100)
    parser.add_argument(
        "--fgd-coverage",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[0.95, 1.0],
        help="parts of the pods that FGD's target covers: of several, each list is judged by the best",
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
