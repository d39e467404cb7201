"""The pods that stand already, as far as pending work or they themselves ask something of one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.model.relations import AntiAffinity, HostPort, PodSelector
from scheduler.model.selector import Labels

NodeCounts = NDArray[np.int32]
"""[nodes] pods on each node, rows as in the snapshot's node table."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Counts over bound pods and committed places; only of what the pending work in the same snapshot may meet.

    ``matching`` has every selector that pending work asks with; ``carriers`` the required anti-affinity of pods that
    stand already, where it may look at pending work; ``ports`` the host ports in use. ``namespaces`` are labels.
    """

    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    matching: Mapping[PodSelector, NodeCounts] = field(default_factory=dict)
    carriers: Mapping[AntiAffinity, NodeCounts] = field(default_factory=dict)
    ports: Mapping[HostPort, NodeCounts] = field(default_factory=dict)

    @property
    def selectors(self) -> tuple[PodSelector, ...]:
        """Everything that may look at a pending pod."""
        return tuple(dict.fromkeys((*self.matching, *(each.selector for each in self.carriers))))


NOBODY = Neighbours()
