"""A world in the making."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from tests.parity.world import NAMESPACES, Document, name_of

_Item = TypeVar("_Item")

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
RACK = "example.com/rack"
GONE = "gone"
"""A node that pods stand on and that does not exist any more."""


@dataclass(slots=True)
class Scene:
    """What the rules add to: the nodes, other objects of the cluster (``objects``), pods that run."""

    chance: Random
    nodes: list[Document] = field(default_factory=list)
    objects: list[Document] = field(default_factory=list)
    running: list[Document] = field(default_factory=list)
    leaving: set[tuple[str, str]] = field(default_factory=set)

    def hit(self, probability: float) -> bool:
        return self.chance.random() < probability

    def pick(self, items: Sequence[_Item]) -> _Item:
        return self.chance.choice(items)

    def some(self, items: Sequence[_Item], least: int = 1, most: int | None = None) -> list[_Item]:
        """Distinct items in a drawn order."""
        count = self.chance.randint(least, min(len(items), len(items) if most is None else most))
        return self.chance.sample(items, count)

    def node_name(self) -> str:
        return name_of(self.pick(self.nodes))

    def namespace(self) -> str:
        return self.pick(tuple(NAMESPACES))


Traits = set[str]
"""Names of what was drawn for one pod, such as ``sidecar``: the report counts them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A family of rules: ``equip`` prepares the cluster once, ``ask`` makes one pod (with a node or to be judged) ask
    for something and says what: some of its ``traits``."""

    equip: Callable[[Scene], None]
    ask: Callable[[Scene, Document], Traits]
    traits: tuple[str, ...]


def nothing(scene: Scene) -> None:
    """For rules that need nothing of the cluster."""
