"""Commit records as the auditor counts them: places of one gang, and which of them have been filled."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from auditor.objects import Assignment, Place

# A gang is named "namespace/name"; a place by member and node.
GangName = str
PlaceKey = tuple[str, str]


@dataclass(slots=True)
class Record:
    """The places that a commit record gives to one gang.

    It stands in the gang's own PodGroup, or in that of the beneficiary that moves it.
    A place once filled stays filled when its pod ends: the record reserves room for pods that are still to come, and
    what becomes of the room of a finished pod is a later decision.
    """

    gang: GangName
    revision: int
    places: dict[PlaceKey, int]
    filled: dict[PlaceKey, set[str]] = field(default_factory=dict)
    _by_node: dict[str, list[PlaceKey]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.places:
            self._by_node.setdefault(key[1], []).append(key)

    def unfilled(self, key: PlaceKey) -> int:
        """How many pods the place still waits for."""
        return max(0, self.places.get(key, 0) - len(self.filled.get(key, ())))

    def on(self, node: str) -> list[PlaceKey]:
        """The places on one node."""
        return self._by_node.get(node, [])

    def nodes(self) -> list[str]:
        return list(self._by_node)


def places_of(places: Iterable[Place]) -> dict[PlaceKey, int]:
    """Counts by member and node, summed over flavors."""
    counts: dict[PlaceKey, int] = {}
    for place in places:
        for node in place.nodes:
            key = (place.member, node.name)
            counts[key] = counts.get(key, 0) + node.count
    return counts


def same_decision(a: Assignment, b: Assignment) -> bool:
    """Whether two contents of a PodGroup's status are one decision, perhaps shortened, and not a new one."""
    return (a.epoch, a.made_from, a.decided_at) == (b.epoch, b.made_from, b.decided_at)
