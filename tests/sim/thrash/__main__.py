"""``python -m tests.sim.thrash --worlds N``: many random trees under evictions that take their time; exits 1 when
anybody left twice for one beneficiary, was taken against a promise, or a world does not come to rest."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.sim.thrash.play import Outcome, play
from tests.sim.thrash.world import draw

TOLD_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.thrash", description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000, help="how many worlds to draw (1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first world's seed (0)")
    parser.add_argument("--processes", type=int, default=1, help="how many worlds to play at a time (1)")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    wrong: dict[int, tuple[str, ...]] = {}
    busy = evictions = binds = records = 0
    rests = []
    began = told = time.monotonic()
    for number, (seed, outcome) in enumerate(_played(range(args.seed, args.seed + args.worlds), args.processes)):
        busy += outcome.evictions > 0
        evictions, binds, records = evictions + outcome.evictions, binds + outcome.binds, records + outcome.records
        rests.append(outcome.rest_seconds)
        if outcome.wrong:
            wrong[seed] = outcome.wrong
            print(f"world {seed}: {'; '.join(outcome.wrong[:3])}", flush=True)
        if time.monotonic() - told > TOLD_SECONDS:
            told = time.monotonic()
            print(f"{number + 1} of {args.worlds} worlds, {len(wrong)} wrong", file=sys.stderr, flush=True)
    print(
        f"{args.worlds} worlds ({busy} with evictions): {len(wrong)} wrong; {evictions} evictions, {binds} binds, "
        f"{records} records; at rest {max(rests, default=0.0)} s after the last arrival at the latest; "
        f"{time.monotonic() - began:.0f} s"
    )
    if args.json:
        result = {
            "worlds": args.worlds,
            "seed": args.seed,
            "worlds_with_evictions": busy,
            "evictions": evictions,
            "binds": binds,
            "records": records,
            "rest_seconds_max": max(rests, default=0.0),
            "wrong": wrong,
        }
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if wrong else 0


def _played(seeds: Sequence[int], processes: int) -> Iterator[tuple[int, Outcome]]:
    """In the order of seeds."""
    worlds = map(draw, seeds)
    if processes == 1:
        yield from zip(seeds, map(play, worlds), strict=True)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from zip(seeds, pool.imap(play, worlds), strict=True)


if __name__ == "__main__":
    sys.exit(main())
