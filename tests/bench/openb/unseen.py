"""Lists of pods that no weight was found on, made of the openb lists: two shuffled together, or with other shares.

    python -m tests.bench.openb.unseen --out DIR

writes them as CSV files for ``python -m tests.bench.openb --pods``; the same files every time.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
from collections.abc import Iterator
from pathlib import Path

from tests.shared import SHARED

Row = dict[str, str]
SEED = 7
NINE_SHARES = (150, 220, 270, 350, 420, 500, 580, 660, 740)
SIX_SHARES = (100, 200, 300, 400, 600, 700)


def mixed(one: list[Row], other: list[Row]) -> list[Row]:
    """Half of each, shuffled."""
    draw = random.Random(SEED)
    rows = draw.sample(one, len(one) // 2) + draw.sample(other, len(other) // 2)
    draw.shuffle(rows)
    return rows


def with_nine_shares(rows: list[Row]) -> list[Row]:
    """Each size of share becomes one of nine, in turn as they come."""
    sizes: dict[str, int] = {}
    for row in filter(_is_share, rows):
        row["gpu_milli"] = str(sizes.setdefault(row["gpu_milli"], NINE_SHARES[len(sizes) % len(NINE_SHARES)]))
    return rows


def with_drawn_shares(rows: list[Row]) -> list[Row]:
    """Each share gets one of six sizes by chance."""
    draw = random.Random(SEED)
    for row in filter(_is_share, rows):
        row["gpu_milli"] = str(draw.choice(SIX_SHARES))
    return rows


def lists(folder: Path) -> Iterator[tuple[str, list[Row]]]:
    """(name, pods) of each."""

    def pods(name: str) -> list[Row]:
        with gzip.open(folder / f"openb_pod_list_{name}.csv.gz", "rt") as file:
            return list(csv.DictReader(file))

    yield "gpushare80-gpuspec25", mixed(pods("gpushare80"), pods("gpuspec25"))
    yield "multigpu50-gpushare40", mixed(pods("multigpu50"), pods("gpushare40"))
    yield "cpu100-nine", with_nine_shares(pods("cpu100"))
    yield "default-six", with_drawn_shares(pods("default"))


def _is_share(row: Row) -> bool:
    return row["gpu_milli"] not in ("0", "1000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=SHARED / "traces" / "openb", help="with the openb lists")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, rows in lists(options.folder):
        numbered = [{**row, "name": f"openb-pod-{number:05d}"} for number, row in enumerate(rows)]
        columns = list(dict.fromkeys(column for row in numbered for column in row))
        with (options.out / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(numbered)


if __name__ == "__main__":
    main()
