"""The pods that stand already, as far as pending work or they themselves ask something of one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.model.relations import AntiAffinity, HostPort, LabelSet, PodSelector
from scheduler.model.selector import Labels
from scheduler.model.selector_index import SelectorIndex
from scheduler.model.shape import Shape

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
    coming: Mapping[PodSelector, int] = field(default_factory=dict)
    """While a plan is made: how many of the pods that wait for it match each selector."""

    @cached_property
    def selectors(self) -> tuple[PodSelector, ...]:
        """Everything that may look at a pending pod."""
        return tuple(dict.fromkeys((*self.matching, *(each.selector for each in self.carriers))))

    def joined(self, pods: Iterable[tuple[int, int, Shape]], nodes: int) -> Neighbours:
        """The same with pods that a plan has placed: (row of the node, number, shape as seen) of ``nodes`` nodes."""
        matching, carriers, ports = dict(self.matching), dict(self.carriers), dict(self.ports)
        for row, count, shape in pods:
            for selector in shape.matched:
                if selector in matching:
                    matching[selector] = _one_more(matching[selector], row, count)
            if shape.relations is not None:
                none = np.zeros(nodes, dtype=np.int32)
                for term in shape.relations.anti_affinity:
                    carriers[term] = _one_more(carriers.get(term, none), row, count)
                for port in shape.relations.ports:
                    ports[port] = _one_more(ports.get(port, none), row, count)
        return replace(self, matching=matching, carriers=carriers, ports=ports)

    def matched(self, label_set: LabelSet) -> tuple[PodSelector, ...]:
        """The selectors that match a pod with these labels, in their order."""
        ranks = sorted(rank for rank in self._index.candidates(label_set))
        found = (self.selectors[rank] for rank in ranks)
        return tuple(each for each in found if each.matches(label_set, self.namespaces))

    @cached_property
    def _index(self) -> SelectorIndex[int]:
        index: SelectorIndex[int] = SelectorIndex()
        for rank, selector in enumerate(self.selectors):
            index.add(rank, selector)
        return index

    def is_alone(self, selector: PodSelector, matched: tuple[PodSelector, ...]) -> bool:
        """Whether nobody but the asking pod itself, at most, can come to match while the plan is made: then what stands
        decides. ``matched`` are the selectors that it matches."""
        return self.coming.get(selector, 0) <= int(selector in matched)


def _one_more(counts: NodeCounts, row: int, pods: int) -> NodeCounts:
    counts = counts.copy()
    counts[row] += pods
    return counts


NOBODY = Neighbours()
