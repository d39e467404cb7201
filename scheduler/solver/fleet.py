"""What a filter looks at."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.model.cluster import NodeTable
from scheduler.model.resources import Matrix


@dataclass(frozen=True, eq=False)
class Fleet:
    """The static side of the nodes: ``capacity`` [N x R] are allocatable totals over ``resources``."""

    nodes: NodeTable
    capacity: Matrix
    resources: tuple[str, ...]
