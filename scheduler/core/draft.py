"""A plan as it grows: where every ask of the window goes so far, and what of it has been handed out already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from scheduler.core.window import Ask
from scheduler.model.plan import Decision
from scheduler.model.work import GangKey, NodeCount, Place

Places = tuple[Place, ...]


class Draft:
    """Asks stand in rank order and are named by index. What was handed out may have been acted on: it stays."""

    def __init__(
        self, asks: Sequence[Ask], places: Sequence[Places], in_turn: Callable[[int, list[str]], list[int]]
    ) -> None:
        """``in_turn`` orders the nodes of a bundle (index) so that its pods may take them one after the other."""
        self.asks = asks
        self._in_turn = in_turn
        self._places = list(places)
        self._handed: set[int] = set()
        self.placed: list[GangKey] = []
        """The gangs that were handed out with places."""

    @property
    def unserved(self) -> list[int]:
        """The asks of which some pod has no place."""
        return [index for index, ask in enumerate(self.asks) if _pods(self._places[index]) < ask.gang.pods]

    @property
    def open(self) -> list[int]:
        """The asks that have not been handed out."""
        return [index for index in range(len(self.asks)) if index not in self._handed]

    def waiting(self, index: int) -> list[GangKey]:
        """The gangs of an ask without any place: the pods of a bundle that are left over, or the gang as a whole."""
        ask, pods = self.asks[index], _pods(self._places[index])
        if len(ask.singles) > 1:
            return [single.key for single in ask.singles[pods:]]
        return [] if pods else [ask.gang.key]

    @property
    def handed(self) -> list[tuple[Ask, Places]]:
        """What was handed out, with its places."""
        return [(self.asks[index], self._places[index]) for index in sorted(self._handed)]

    def pods(self, index: int) -> int:
        """The pods of an ask that have places."""
        return _pods(self._places[index])

    def places(self, asks: Sequence[int]) -> list[Places]:
        return [self._places[index] for index in asks]

    def put(self, asks: Sequence[int], places: Sequence[Places]) -> None:
        """Other places for asks that are open."""
        for index, own in zip(asks, places, strict=True):
            assert index not in self._handed, "a place was changed that was handed out"
            self._places[index] = own

    def hand_out(self, asks: Collection[int]) -> tuple[Decision, ...]:
        """The decisions of these asks in rank order, once; a bundle's places go to its pods, oldest first."""
        self._handed.update(asks)
        decisions = tuple(decision for index in sorted(asks) for decision in self._decisions(index))
        self.placed += [decision.gang for decision in decisions]
        return decisions

    def _decisions(self, index: int) -> list[Decision]:
        ask, own = self.asks[index], self._places[index]
        if not own:
            return []
        if len(ask.singles) <= 1:
            return [Decision(ask.gang.key, own)]
        spots = [
            NodeCount(each.node, 1, each.devices) for place in own for each in place.nodes for _ in range(each.count)
        ]
        spots = [spots[place] for place in self._in_turn(index, [spot.node for spot in spots])]
        return [
            Decision(single.key, (Place("pod", (spot,)),)) for single, spot in zip(ask.singles, spots, strict=False)
        ]


def _pods(places: Places) -> int:
    return sum(each.count for place in places for each in place.nodes)
