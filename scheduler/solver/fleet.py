"""What a filter looks at."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.model.cluster import NodeTable
from scheduler.model.neighbours import NOBODY, Neighbours
from scheduler.model.resources import Matrix


@dataclass(frozen=True, eq=False)
class Fleet:
    """The nodes and who stands on them: ``capacity`` [N x R] are allocatable totals over ``resources``."""

    nodes: NodeTable
    capacity: Matrix
    resources: tuple[str, ...]
    neighbours: Neighbours = NOBODY
