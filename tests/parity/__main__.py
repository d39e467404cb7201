"""Compares Muster's filters with kube-scheduler's on worlds drawn from seeds, node by node.

    make parity SEEDS=50
    python -m tests.parity --seed 17 [--rules resources,taints] [--shrink]

Exit code 1: they differ somewhere. 2: nothing differs, but some rule was exercised too little to say so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from time import perf_counter

from tests.parity.cluster import Cluster
from tests.parity.compare import Difference
from tests.parity.draw.worlds import JUDGED, RULES, draw_world
from tests.parity.rounds import play
from tests.parity.shrink import shrunk
from tests.parity.tally import Tally

SHOWN_PER_WORLD = 10


def main() -> int:
    arguments = _arguments()
    seeds: Iterable[int] = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.seed is not None:
        seeds = [arguments.seed]
    tally, started = Tally(), perf_counter()
    with Cluster.up() as cluster:
        for seed in seeds:
            round_ = play(cluster, draw_world(seed, arguments.rules, arguments.pods))
            tally.add(round_)
            if round_.differences:
                _show(round_.differences, arguments)
                if arguments.shrink:
                    print(shrunk(cluster, round_.world, round_.differences[0]))
            seconds = perf_counter() - started
            print(
                f"seed {seed}: {tally.pods:,} pods, {tally.nodes:,} pairs, {tally.differences:,} differences, "
                f"{seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    print(tally.table())
    if tally.differences:
        return 1
    missing = tally.missing(arguments.rules) if arguments.seed is None else []
    print(*(f"exercised too little: {each}" for each in missing), sep="\n", end="")
    return 2 if missing else 0


def _show(found: tuple[Difference, ...], arguments: argparse.Namespace) -> None:
    print(*found[:SHOWN_PER_WORLD], sep="\n")
    if len(found) > SHOWN_PER_WORLD:
        print(f"... and {len(found) - SHOWN_PER_WORLD} more")
    options = f"--seed {found[0].seed}"
    if arguments.rules != tuple(RULES):
        options += f" --rules {','.join(arguments.rules)}"
    if arguments.pods != JUDGED:
        options += f" --pods {arguments.pods}"
    print(f"repeat it: make parity ARGS='{options}', with --shrink for a smaller world", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=50, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this world alone")
    parser.add_argument("--pods", type=int, default=JUDGED, help="pods to be judged in each world")
    parser.add_argument("--rules", type=_rules, default=tuple(RULES), help=f"some of {','.join(RULES)}")
    parser.add_argument("--shrink", action="store_true", help="make the world of a difference as small as possible")
    return parser.parse_args()


def _rules(text: str) -> tuple[str, ...]:
    """In the table's own order, whatever order they are named in: a seed means one world."""
    chosen = {"resources", *text.split(",")}
    if unknown := chosen - RULES.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(RULES)}")
    return tuple(rule for rule in RULES if rule in chosen)


if __name__ == "__main__":
    sys.exit(main())
