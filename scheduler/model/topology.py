"""Where nodes stand: ordered levels of node labels, coarse to fine, and boxes of a torus."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod

import msgspec

TORUS = "torus"
"""As a level, the box of a torus that has as many nodes as the work has pods."""


class Level(msgspec.Struct, frozen=True):
    name: str
    node_label: str


class Torus(msgspec.Struct, frozen=True):
    """Nodes wired as a grid with wrap-around; work gets whole boxes of a shape, aligned to multiples of it.

    The node label holds the position, as ``3-0-1``. Without ``shapes`` every box that divides the dimensions will do.
    ``level`` names the level of which each domain is a torus of its own; empty: all nodes are one torus.
    """

    coordinate_label: str
    dimensions: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...] = ()
    level: str = ""

    @property
    def boxes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes that work may get."""
        if self.shapes:
            return self.shapes
        divisors = ([size for size in range(1, whole + 1) if whole % size == 0] for whole in self.dimensions)
        return tuple(product(*divisors))

    def box_at(self, position: str, shape: tuple[int, ...]) -> str | None:
        """The box of a shape around a position, by its corner; None where the position is none of this torus, or the
        shape leaves a rest at the end that is no whole box."""
        parts = position.split("-")
        if len(parts) != len(self.dimensions) or not all(part.isascii() and part.isdigit() for part in parts):
            return None
        corner = []
        for part, whole, size in zip(parts, self.dimensions, shape, strict=True):
            start = int(part) - int(part) % size
            if int(part) >= whole or start + size > whole:
                return None
            corner.append(start)
        return "-".join(map(str, corner))


class Topology(msgspec.Struct, frozen=True):
    """A tree of domains given by node labels. A node lacking one of the labels has no domain at that level or below.

    The boxes of each shape of a torus are a level too, named by the shape (``2x2x1``). They overlap the levels freely.
    """

    name: str
    levels: tuple[Level, ...]
    torus: Torus | None = None

    @property
    def level_names(self) -> tuple[str, ...]:
        """All levels by depth: coarse to fine, then the shapes of the torus."""
        shapes = self.torus.boxes if self.torus else ()
        return (*(level.name for level in self.levels), *("x".join(map(str, shape)) for shape in shapes))

    def depth_of(self, level: str) -> int | None:
        """The index of a level by its name or by its node label; None when there is no such level."""
        for depth, each in enumerate(self.levels):
            if level in (each.name, each.node_label):
                return depth
        return next((depth for depth, name in enumerate(self.level_names) if name == level), None)

    def box_of(self, nodes: int) -> int | None:
        """The depth of the first shape with so many nodes; None: there is none, or no torus."""
        boxes = self.torus.boxes if self.torus else ()
        fitting = (number for number, shape in enumerate(boxes) if prod(shape) == nodes)
        return next((len(self.levels) + number for number in fitting), None)

    def is_shape(self, depth: int) -> bool:
        """Whether a level is the boxes of a shape: it is then neither above nor below any other level."""
        return depth >= len(self.levels)

    def domain_of(self, labels: Mapping[str, str], depth: int) -> str | None:
        """The domain of a node at a level, as its whole path of label values; None where it has none."""
        if self.torus is not None and self.is_shape(depth):
            return self._box_of(self.torus, labels, depth)
        path = [labels.get(level.node_label) for level in self.levels[: depth + 1]]
        return None if None in path else "/".join(part or "" for part in path)

    def _box_of(self, torus: Torus, labels: Mapping[str, str], depth: int) -> str | None:
        box = torus.box_at(labels.get(torus.coordinate_label, ""), torus.boxes[depth - len(self.levels)])
        if box is None or not torus.level:
            return box
        own = self.depth_of(torus.level)
        inside = None if own is None else self.domain_of(labels, own)
        return None if inside is None else f"{inside}/{box}"


class Slice(msgspec.Struct, frozen=True):
    """Every `size` pods of the work share one domain of `required`."""

    size: int
    required: str


class TopologyAsk(msgspec.Struct, frozen=True):
    """What a gang, or a branch of it, asks of its places. ``topology`` empty means the only Topology there is.

    ``slices`` go from coarse to fine. ``exclusive`` is a level whose domains no other gang shares. ``balance`` spreads
    the pods evenly over as few domains as possible.
    """

    topology: str = ""
    required: str = ""
    preferred: str = ""
    slices: tuple[Slice, ...] = ()
    exclusive: str = ""
    balance: bool = False
