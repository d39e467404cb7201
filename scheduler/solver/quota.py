"""What binds queues besides their limits: what they do not lend, and how many gangs and pods they may hold."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Lending(msgspec.Struct, frozen=True):
    """One resource (index), of one flavor (-1: all), of which some queue does not lend its whole guarantee.

    ``kept`` [queues] is what each queue may still take that nobody else could have: it counts nowhere above it.
    ``room`` [queues] bounds what counts at a queue, ``total`` what counts at the top (-1: nothing does).
    """

    resource: int
    flavor: int
    kept: tuple[int, ...]
    room: tuple[int, ...]
    total: int


class CountRoom(msgspec.Struct, frozen=True):
    """How many more gangs a queue and everything below it may hold of one user (-1: of all), and how much of each
    resource (-1: unlimited). A pod of a bundle is a gang of its own; a gang that grows is none more."""

    queue: int
    user: int
    gangs: int
    room: tuple[int, ...]


class Loans:
    """What has been taken under one `Lending`, queue by queue; ``parents`` [queues], -1 at the top."""

    def __init__(self, lending: Lending, parents: Sequence[int]) -> None:
        self.lending = lending
        self._parents = parents
        self._taken = [0] * len(parents)
        self._top = 0

    def copy(self) -> Loans:
        other = Loans(self.lending, self._parents)
        other._taken, other._top = list(self._taken), self._top
        return other

    def left(self, queue: int) -> int:
        """How much more a queue may take; -1: without end."""
        found = -1
        for at in reversed(self._line(queue)):
            top = self._parents[at] < 0
            above = self.lending.total - self._top if top and self.lending.total >= 0 else -1 if top else found
            if above >= 0:
                above += max(0, self.lending.kept[at] - self._taken[at])
            room = self.lending.room[at]
            own = -1 if room < 0 else max(0, room - self._taken[at])
            found = min((each for each in (above, own) if each >= 0), default=-1)
        return found

    def take(self, queue: int, amount: int) -> None:
        for at in self._line(queue):
            kept = self.lending.kept[at]
            before = max(0, self._taken[at] - kept)
            self._taken[at] += amount
            amount = max(0, self._taken[at] - kept) - before
        self._top += amount

    def _line(self, queue: int) -> list[int]:
        line = []
        while queue >= 0:
            line.append(queue)
            queue = self._parents[queue]
        return line
