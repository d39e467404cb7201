"""``python -m tests.oracle --worlds N``: many tiny worlds against brute force; exits 1 on a difference."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.oracle.compare import compare
from tests.oracle.world import draw


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="how many worlds to draw (2000)")
    parser.add_argument("--seed", type=int, default=0, help="the first world's seed (0)")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    differ: dict[int, str] = {}
    contended = 0
    began = told = time.monotonic()
    for number, seed in enumerate(range(args.seed, args.seed + args.worlds)):
        outcome = compare(draw(seed))
        contended += outcome.contended
        if outcome.differs:
            differ[seed] = outcome.differs
            print(f"world {seed}: {outcome.differs}", flush=True)
        if time.monotonic() - told > 2:
            told = time.monotonic()
            print(f"{number + 1} of {args.worlds} worlds, {len(differ)} differ", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    print(f"{args.worlds} worlds, {contended} with work in competition: {len(differ)} differ, {seconds:.0f} s")
    if args.json:
        result = {"worlds": args.worlds, "seed": args.seed, "contended": contended, "differ": differ}
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
