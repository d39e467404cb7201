"""One look at all who wait, one after the other: what one leaves over is there for the next."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.core.drive import Part
from scheduler.core.taking.growth import grow
from scheduler.core.taking.making import RoomMaker
from scheduler.core.taking.waiting import Waiting, grown, grows, in_two
from scheduler.model.work import GangKey

_LOOKS_AGAIN = 64
"""How often somebody who found no room is looked at again, because others made more of it than they need."""


class Turns:
    """Those who wait in their order; ``of_surplus``: an elastic gang takes for its minima first."""

    def __init__(self, waiting: Sequence[Waiting], maker: RoomMaker, *, of_surplus: bool) -> None:
        self._waiting = waiting
        self._maker = maker
        self._of_surplus = of_surplus
        self._unserved: dict[int, Waiting] = {}
        self._growing: dict[int, Waiting] = {}
        self._fronts: set[GangKey] = set()
        """Those for whom room was made."""
        self._looks_left = _LOOKS_AGAIN

    def taken(self) -> Part[None]:
        """Everybody's minima, then everybody's surplus."""
        for turn, each in enumerate(self._waiting):
            made = yield from self._turn(turn, each)
            while made and self._looks_left > 0:
                made = yield from self._again(turn)
        for turn in sorted(self._growing):
            maker = self._maker
            yield from grow(self._growing[turn], maker.steps, maker.take, maker.roster, of_surplus=self._of_surplus)

    def _turn(self, turn: int, each: Waiting) -> Part[bool]:
        """Whether room was made for one of them, or for some where he stands for several."""
        self._unserved[turn] = each
        if each.front is not None and each.front not in self._fronts:
            return False
        least, more = in_two(each) if self._of_surplus or grows(each.gang) else (each, None)
        before = len(self._maker.steps.all)
        left = (yield from self._maker.take(least)) if least is not None else None
        made = self._maker.steps.all[before:]
        if left is None:
            del self._unserved[turn]
        elif left.singles:
            self._unserved[turn] = left
        if more is not None and (made or least is None):
            self._growing[turn] = grown(more, made[0].places) if made else more
        self._fronts.update(decision.gang for step in made for decision in step.made)
        return bool(made)

    def _again(self, turn: int) -> Part[bool]:
        """Whoever had no room before, and fits into what others made too much of it."""
        fits = self._maker.room_left_over()
        for at in sorted(each for each in self._unserved if each < turn):
            if self._looks_left > 0 and fits(self._unserved[at]):
                self._looks_left -= 1
                if (yield from self._turn(at, self._unserved[at])):
                    return True
        return False
