"""May this very node still take this very pod? Asked again just before effects, on the node as it is now."""

from __future__ import annotations

import numpy as np

from scheduler.core.facts.store import Store
from scheduler.core.verify.company import Guest, concerned, still_welcome
from scheduler.model.cluster import Node, NodeTable
from scheduler.model.policy import Policy
from scheduler.model.relations import LabelSet
from scheduler.model.shape import Shape
from scheduler.solver.asks.filters import eligible, within_storage


class Admission:
    """Remembers the answer of the filters per (node, shape) for as long as the node stays the same object."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._policy = policy
        self._known: dict[tuple[str, Shape], tuple[Node, str, bool]] = {}

    def admits(self, name: str, shape: Shape) -> bool:
        """Whether the node exists and no filter refuses the shape on it; what others take there is not looked at."""
        node = self._store.nodes.get(name)
        if node is None:
            self._known.pop((name, shape), None)
            return False
        known = self._known.get((name, shape))
        flavor = self._store.flavor_on(name)
        if known is None or known[0] is not node or known[1] != flavor:
            names, flavors = tuple(self._store.columns.names), tuple(self._store.flavors.values())
            capacity = self._store.columns.widened(self._store.columns.row(node.allocatable))
            mask, _ = eligible(shape, NodeTable.of((node,), flavors), capacity.reshape(1, -1), names, self._policy)
            known = self._known[(name, shape)] = (node, flavor, bool(np.all(mask)))
        return known[2] and self._storage_admits(node, shape)

    def _storage_admits(self, node: Node, shape: Shape) -> bool:
        """Storage and its use change by the moment: nothing is remembered."""
        if shape.volumes is None:
            return True
        everywhere = (np.ones(1, dtype=np.bool_), ())
        facts = self._store.volumes.facts_on(node.name)
        mask, _ = within_storage(shape, everywhere, NodeTable.of((node,)), facts, self._policy)
        return bool(np.all(mask))

    def holds(self, name: str, shape: Shape | None, label_set: LabelSet | None = None) -> bool:
        """Whether a place that was reserved on a node is still good, and nobody has taken the room."""
        return self.welcomes(name, shape, label_set) and bool((self._store.free_on(name) >= 0).all())

    def welcomes(self, name: str, shape: Shape | None, label_set: LabelSet | None = None) -> bool:
        """Whether a place that was reserved on a node is still good, room aside: admitted, and no pod stands near that
        it must be apart from."""
        if shape is None or not self.admits(name, shape):
            return False
        return not concerned(self._store, (shape,)) or still_welcome(self._store, Guest(name, 1, shape, label_set))
