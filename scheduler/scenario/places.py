"""Places by the names that a person writes: a node, a domain's value, or its path (``b1/r2``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.scenario import fleet
from scheduler.scenario.problems import suggest
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.world import HOST_LEVEL

_DEVICE = re.compile(r"/g\d+$")


class PlaceError(ValueError):
    """A place that does not exist, or a domain's value that several domains have."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault}; {remedy}")
        self.fault = fault
        self.remedy = remedy


@dataclass(frozen=True)
class Places:
    """``domain_of``: level -> node -> its domain's path; ``levels`` are the names of all levels."""

    domain_of: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, scenario: Scenario) -> Places:
        nodes = fleet.nodes(scenario)
        domain_of: dict[str, dict[str, str]] = {}
        for topology in fleet.topologies(scenario).values():
            for depth, level in enumerate(topology.level_names):
                column = domain_of.setdefault(level, {})
                for node in nodes:
                    domain = node.name if level == HOST_LEVEL else topology.domain_of(node.labels, depth)
                    if domain is not None:
                        column[node.name] = domain
        return cls(domain_of)

    @property
    def levels(self) -> set[str]:
        return set(self.domain_of)

    @staticmethod
    def names_device(place: str) -> bool:
        """Whether a place is a device of a node (``n0/g1``)."""
        return _DEVICE.search(place) is not None

    def nodes_of(self, place: str) -> frozenset[str]:
        """The nodes that a place names. Raises `PlaceError`."""
        place = _DEVICE.sub("", place)
        if place in self.domain_of[HOST_LEVEL]:
            return frozenset((place,))
        found = {
            path
            for level, column in self.domain_of.items()
            if level != HOST_LEVEL
            for path in column.values()
            if path == place or path.endswith("/" + place)
        }
        if len(found) > 1:
            choices = ", ".join(sorted(found))
            raise PlaceError(f"{place!r} names several domains", f"write one of: {choices}")
        if not found:
            known = set(self.domain_of[HOST_LEVEL]) | {p for column in self.domain_of.values() for p in column.values()}
            raise PlaceError(f"{place!r} is neither a node nor a domain", suggest(place, known))
        path = next(iter(found))
        return frozenset(
            node
            for level, column in self.domain_of.items()
            if level != HOST_LEVEL
            for node, each in column.items()
            if each == path
        )

    def spread(self, level: str, pods: Mapping[str, int]) -> Counter[str]:
        """Pods by domain of a level; nodes outside every domain count under an empty name."""
        found: Counter[str] = Counter()
        for node, count in pods.items():
            found[self.domain_of[level].get(node, "")] += count
        return found
