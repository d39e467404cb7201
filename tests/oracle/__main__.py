"""``python -m tests.oracle --worlds N``: many tiny worlds against brute force; exits 1 on a difference."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from tests.oracle.brute import TooLargeError
from tests.oracle.compare import compare
from tests.oracle.features import features
from tests.oracle.world import World, draw

TOLD_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="how many worlds to draw (2000)")
    parser.add_argument("--seed", type=int, default=0, help="the first world's seed (0)")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    differ: dict[int, str] = {}
    counts: Counter[str] = Counter()
    drawn: Counter[str] = Counter()
    began = told = time.monotonic()
    for number, seed in enumerate(range(args.seed, args.seed + args.worlds)):
        world = draw(seed)
        kind, wrong = _judged(world)
        counts[kind] += 1
        drawn.update(features(world) if kind != "too large" else ())
        if wrong:
            differ[seed] = wrong
            print(f"world {seed}: {wrong}", flush=True)
        if time.monotonic() - told > TOLD_SECONDS:
            told = time.monotonic()
            print(f"{number + 1} of {args.worlds} worlds, {len(differ)} differ", file=sys.stderr, flush=True)
    compared = args.worlds - counts["too large"]
    print("worlds with " + ", ".join(f"{name} {count}" for name, count in sorted(drawn.items())))
    print(
        f"{compared} worlds compared ({counts['too large']} more were too large to try everything), "
        f"{counts['contended']} with work in competition: {len(differ)} differ, {time.monotonic() - began:.0f} s"
    )
    if args.json:
        result = {"worlds": compared, "seed": args.seed, **counts, "with": dict(drawn), "differ": differ}
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if differ else 0


def _judged(world: World) -> tuple[str, str]:
    """What kind of world it is, and what is wrong, if anything."""
    try:
        outcome = compare(world)
    except TooLargeError:
        return "too large", ""
    except (AssertionError, RuntimeError, ValueError) as wrong:  # a world is a finding, the others go on
        return "failed", f"{type(wrong).__name__}: {wrong}"
    return "contended" if outcome.contended else "uncontended", outcome.differs


if __name__ == "__main__":
    sys.exit(main())
