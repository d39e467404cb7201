"""``python -m tests.oracle.crowd --worlds N``: many who take at once, on small full fleets.

Promises 1 to 5 and 8 hold of every plan; it exits with 1 where one is broken. That a decision on the result changes
nothing, and that nobody leaves who could have stayed, is proven taker by taker: how often it fails of a whole plan is
counted. Work that was evicted may take from others in turn, of lower priority or above their share, but never from
whom the plan served.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.oracle.crowd.world import NOBODY_NEW, VICTIMS, looked_at


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.crowd", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--worlds", type=int, default=200, help="how many worlds to draw (200)")
    parser.add_argument("--seed", type=int, default=0, help="the first world's seed (0)")
    args = parser.parse_args()
    total: Counter[str] = Counter()
    with TemporaryDirectory() as folder:
        for seed in range(args.seed, args.seed + args.worlds):
            total += (found := looked_at(Path(folder) / "world.yaml", seed))
            for name in sorted(found.keys() - {VICTIMS, NOBODY_NEW}):
                if found[name]:
                    print(f"world {seed}: {name}", flush=True)
    print(f"{args.worlds} worlds: " + "; ".join(f"{name}: {count}" for name, count in sorted(total.items())))
    return int(any(name.startswith("promise") for name in total))


if __name__ == "__main__":
    sys.exit(main())
