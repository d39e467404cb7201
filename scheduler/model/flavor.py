"""Kinds of nodes with quota lines of their own: `nvidia.com/gpu` of type h100 and of type a100 in one queue tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from scheduler.model.shape import Toleration


class Flavor(msgspec.Struct, frozen=True):
    """The nodes that carry these labels; none at all: every node. Work that accepts the flavor by name is taken to have
    its ``tolerations``."""

    name: str
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()

    def covers(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in self.node_selector)


class FlavorChoice(msgspec.Struct, frozen=True):
    """A flavor that a gang accepts; among those that it could have, the highest preference is better."""

    name: str
    preference: int = 0


def flavor_of(labels: Mapping[str, str], flavors: Iterable[Flavor]) -> str:
    """The flavor that a node counts as: the first by name that covers it, so that it counts once. Empty: none."""
    return min((flavor.name for flavor in flavors if flavor.covers(labels)), default="")
