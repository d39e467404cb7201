"""What a filter looks at."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.model.cluster import NodeTable
from scheduler.model.neighbours import NOBODY, Neighbours
from scheduler.model.resources import Matrix
from scheduler.model.volumes import VolumeFacts


@dataclass(frozen=True, eq=False)
class Fleet:
    """The nodes, who stands on them, and storage: ``capacity`` [N x R] are allocatable totals over ``resources``.
    ``volumes`` is looked at for shapes with volumes only."""

    nodes: NodeTable
    capacity: Matrix
    resources: tuple[str, ...]
    neighbours: Neighbours = NOBODY
    volumes: VolumeFacts | None = None
