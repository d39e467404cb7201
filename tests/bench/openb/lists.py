"""The openb lists: nodes and pods from CSV files, and the order in which pods arrive.

Schema and protocol are those of the published FGD results: pods sorted by name, shuffled with a seed, clones of
uniformly drawn original pods appended (or uniformly drawn pods taken out) until the demand meets the fleet's GPUs.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DEVICE_MILLI = 1000
Ints = NDArray[np.int64]


@dataclass(frozen=True, order=True)
class Shape:
    """What pods may have in common. ``gpu_milli`` is per device; ``models`` empty: any model will do."""

    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int
    models: tuple[str, ...] = ()

    @property
    def total_gpu_milli(self) -> int:
        return self.gpus * self.gpu_milli

    @property
    def is_share(self) -> bool:
        return self.gpus == 1 and self.gpu_milli < DEVICE_MILLI

    @property
    def size(self) -> str:
        """The size class in which service is compared: nobody gains by refusing one of them."""
        if self.gpus == 0:
            return "cpu"
        if self.is_share:
            return "share-small" if self.gpu_milli < DEVICE_MILLI // 2 else "share-large"
        return f"gpu-{self.gpus}"


@dataclass(frozen=True)
class Nodes:
    """The fleet, sorted by name: per node [N] CPU, memory, GPU count and model."""

    names: tuple[str, ...]
    cpu_milli: Ints
    memory_mib: Ints
    gpus: Ints
    models: tuple[str, ...]

    @property
    def gpu_milli(self) -> int:
        return int(self.gpus.sum()) * DEVICE_MILLI


@dataclass(frozen=True)
class Pods:
    """One list: its distinct shapes, and per pod [P], sorted by name, the index of its shape."""

    name: str
    shapes: tuple[Shape, ...]
    shape_of: Ints

    def counts(self) -> Ints:
        """How many pods of the list have each shape [S]."""
        return np.bincount(self.shape_of, minlength=len(self.shapes)).astype(np.int64)


def read_nodes(path: Path) -> Nodes:
    rows = sorted(_rows(path), key=lambda row: row["sn"])
    return Nodes(
        names=tuple(row["sn"] for row in rows),
        cpu_milli=np.array([int(row["cpu_milli"]) for row in rows], dtype=np.int64),
        memory_mib=np.array([int(row["memory_mib"]) for row in rows], dtype=np.int64),
        gpus=np.array([int(row["gpu"]) for row in rows], dtype=np.int64),
        models=tuple(row["model"] for row in rows),
    )


def read_pods(path: Path) -> Pods:
    rows = sorted(_rows(path), key=lambda row: row["name"])
    shapes = [_shape(row) for row in rows]
    distinct = tuple(sorted(set(shapes)))
    index = {shape: position for position, shape in enumerate(distinct)}
    name = path.name.removesuffix(".gz").removesuffix(".csv").removeprefix("openb_pod_list_")
    return Pods(name, distinct, np.array([index[shape] for shape in shapes], dtype=np.int64))


def arrivals(pods: Pods, fleet_gpu_milli: int, seed: int, demand_percent: float) -> Ints:
    """The shapes of pods in order of arrival, until they ask for ``demand_percent`` of the fleet's GPUs."""
    chance = random.Random(seed)
    order = [int(shape) for shape in pods.shape_of]
    originals = list(order)
    chance.shuffle(order)
    milli = [shape.total_gpu_milli for shape in pods.shapes]
    if not any(milli[shape] for shape in set(originals)):
        raise ValueError(f"no pod of {pods.name} asks for a GPU: no demand can be reached")
    wanted = fleet_gpu_milli * demand_percent / 100
    total = sum(milli[shape] for shape in order)
    while total < wanted:
        order.append(chance.choice(originals))
        total += milli[order[-1]]
    while total - milli[order[-1]] >= wanted:
        total -= milli[order.pop()]
    return np.array(order, dtype=np.int64)


def typical(pods: Pods, coverage: float) -> tuple[tuple[Shape, ...], NDArray[np.float64]]:
    """The target workload of FGD: the commonest shapes (memory aside) that cover so many pods, weights summing to 1.

    Of equally common shapes the larger (CPU, then GPU milli, then GPUs) goes first, as in FGD's own simulator. It
    matters: with the smaller first, 95 % of cpu250 holds too few CPU-hungry pods, and FGD strands two points more.
    """
    count: Counter[Shape] = Counter()
    for shape, pods_of_it in zip(pods.shapes, pods.counts().tolist(), strict=True):
        count[Shape(shape.cpu_milli, 0, shape.gpus, shape.gpu_milli, shape.models)] += pods_of_it
    chosen: list[tuple[Shape, int]] = []
    covered = 0
    for shape, pods_of_it in sorted(count.items(), key=lambda item: (item[1], _larger(item[0])), reverse=True):
        if covered >= coverage * len(pods.shape_of):
            break
        chosen.append((shape, pods_of_it))
        covered += pods_of_it
    return tuple(shape for shape, _ in chosen), np.array([weight for _, weight in chosen]) / covered


def _larger(shape: Shape) -> tuple[int, int, int, tuple[str, ...]]:
    return (shape.cpu_milli, shape.gpu_milli, shape.gpus, shape.models)


def accepts(shapes: Sequence[Shape], models: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each shape may run on each of the models [S x M]."""
    return np.array(
        [[not shape.models or model in shape.models for model in models] for shape in shapes], dtype=np.bool_
    )


def _shape(row: dict[str, str]) -> Shape:
    gpus = int(row["num_gpu"])
    models = tuple(sorted({model for model in row.get("gpu_spec", "").split("|") if model})) if gpus else ()
    return Shape(int(row["cpu_milli"]), int(row["memory_mib"]), gpus, int(row["gpu_milli"]) if gpus else 0, models)


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        return list(csv.DictReader(lines))
