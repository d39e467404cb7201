"""``python -m tests.oracle.taking --worlds N``: many tiny full fleets, victims and moves against trying everything;
exits 1 on a difference."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.oracle.taking.brute import TooLargeError
from tests.oracle.taking.compare import compare
from tests.oracle.taking.world import draw

TOLD_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.taking", description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="how many worlds to draw (2000)")
    parser.add_argument("--seed", type=int, default=0, help="the first world's seed (0)")
    parser.add_argument("--literal", action="store_true", help="read the right to take by its letter")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    differ: dict[int, str] = {}
    counts: Counter[str] = Counter()
    cascades = 0
    began = told = time.monotonic()
    for number, seed in enumerate(range(args.seed, args.seed + args.worlds)):
        try:
            outcome = compare(replace(draw(seed), literal=args.literal))
        except TooLargeError:
            counts["too large to try everything"] += 1
            continue
        counts[outcome.kind] += 1
        cascades += outcome.cascades
        if outcome.differs:
            differ[seed] = outcome.differs
            print(f"world {seed}: {outcome.differs}", flush=True)
        if time.monotonic() - told > TOLD_SECONDS:
            told = time.monotonic()
            print(f"{number + 1} of {args.worlds} worlds, {len(differ)} differ", file=sys.stderr, flush=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(
        f"{args.worlds} worlds ({kinds}): {len(differ)} differ; what was evicted takes from others next in {cascades}; "
        f"{time.monotonic() - began:.0f} s"
    )
    if args.json:
        result = {
            "worlds": args.worlds,
            "seed": args.seed,
            "kinds": dict(counts),
            "cascades": cascades,
            "differ": differ,
        }
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
