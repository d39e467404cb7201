"""Turns the node list of the openb trace (Alibaba cluster-trace-gpu-v2023) into a fleet file."""

import csv
import gzip
import re
from collections import defaultdict
from pathlib import Path

import yaml

from testbed.errors import BedError

COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")

_ShapeKey = tuple[str, int, int, int]


def import_openb(node_list: Path, fleet_name: str) -> str:
    """The YAML text of a fleet with one shape per distinct (model, GPUs, CPU, memory) of the CSV file.

    The file may be gzipped. Columns: name, CPU in milli, memory in MiB, number of GPUs, GPU model (empty without GPUs).
    The trace tells no topology, so the nodes have none. Raises BedError with the line of a malformed row.
    """
    names_by_shape: dict[_ShapeKey, list[str]] = defaultdict(list)
    opener = gzip.open if node_list.suffix == ".gz" else open
    try:
        with opener(node_list, "rt", newline="") as stream:
            rows = csv.DictReader(stream)
            if missing := set(COLUMNS) - set(rows.fieldnames or ()):
                raise BedError(f"{node_list} is no openb node list: no column {', '.join(sorted(missing))}")
            for row in rows:
                names_by_shape[_shape_key(row, f"{node_list}, line {rows.line_num}")].append(row["sn"])
    except OSError as error:
        raise BedError(f"cannot read {node_list}: {error}") from error
    # Large shapes first: the fleet file then begins with what matters.
    shapes = sorted(names_by_shape, key=lambda key: (-len(names_by_shape[key]), key))
    fleet = {
        "name": fleet_name,
        "description": f"{sum(map(len, names_by_shape.values()))} nodes of the openb trace ({node_list.name}).",
        "shapes": {_shape_name(key): _shape(key) for key in shapes},
        "groups": [{"shape": _shape_name(key), "names": names_by_shape[key]} for key in shapes],
    }
    return yaml.safe_dump(fleet, sort_keys=False, width=120)


def _shape_key(row: dict[str, str], place: str) -> _ShapeKey:
    try:
        key = row["model"] or "", int(row["gpu"]), int(row["cpu_milli"]), int(row["memory_mib"])
    except (TypeError, ValueError) as error:
        raise BedError(f"{place}: {error}") from error
    if min(key[1:]) < 0 or bool(key[0]) != bool(key[1]):
        raise BedError(f"{place}: model {key[0]!r} with {key[1]} GPUs, {key[2]} milli CPU, {key[3]} MiB")
    return key


def _shape_name(key: _ShapeKey) -> str:
    model, gpus, cpu_milli, memory_mib = key
    kind = f"{re.sub('[^a-z0-9]', '', model.lower())}-{gpus}" if gpus else "cpu"
    return f"{kind}-{cpu_milli}m-{memory_mib}mi"


def _shape(key: _ShapeKey) -> dict[str, object]:
    model, gpus, cpu_milli, memory_mib = key
    shape: dict[str, object] = {"cpu": f"{cpu_milli}m", "memory": f"{memory_mib}Mi"}
    return shape | {"gpus": gpus, "gpu_model": model} if gpus else shape
