"""Where nodes stand: ordered levels of node labels, coarse to fine."""

from __future__ import annotations

import msgspec


class Level(msgspec.Struct, frozen=True):
    name: str
    node_label: str


class Topology(msgspec.Struct, frozen=True):
    """A tree of domains given by node labels. A node lacking one of the labels has no domain at that level or below."""

    name: str
    levels: tuple[Level, ...]

    def depth_of(self, level: str) -> int | None:
        """The index of a level by its name or by its node label; None when there is no such level."""
        for depth, each in enumerate(self.levels):
            if level in (each.name, each.node_label):
                return depth
        return None


class Slice(msgspec.Struct, frozen=True):
    """Every `size` pods of the work share one domain of `required`."""

    size: int
    required: str


class TopologyAsk(msgspec.Struct, frozen=True):
    """What a gang, or a branch of it, asks of its places. ``topology`` empty means the only Topology there is."""

    topology: str = ""
    required: str = ""
    preferred: str = ""
    slices: tuple[Slice, ...] = ()
    exclusive: str = ""
    balance: bool = False
