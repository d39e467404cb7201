"""One solved problem about many single pods, as one decision for each: who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scheduler.core.taking.plan import Giveaway, Places
from scheduler.core.taking.roster import Roster
from scheduler.model.resources import Matrix


class Split:
    """Hands out those who leave, node by node, to the pods that are placed there one after the other."""

    def __init__(self, roster: Roster, gives: Giveaway) -> None:
        self._roster = roster
        self._free = roster.open.copy()
        self._to = dict(gives.to)
        self._evicted = gives.evicted.copy()
        self._groups: dict[int, list[tuple[int, ...]]] = {}
        leftover = roster.room_on(roster.claimed & roster.leaving) - roster.covered
        self._claimed = {
            int(row): (leftover[row], tuple(np.flatnonzero(roster.claimed & (roster.node == row)).tolist()))
            for row in np.unique(roster.node[roster.claimed])
        }
        for mask in (roster.leaving & ~roster.claimed, gives.moved, gives.evicted):
            for pod in np.flatnonzero(mask).tolist():
                self._groups.setdefault(int(roster.node[pod]), []).append((pod,))
        self._moved = gives.moved

    def for_pod(self, row: int, request: Matrix) -> tuple[list[int], Mapping[int, Places]]:
        """(victims, new places of gangs that move) for one more pod on a node."""
        roster = self._roster
        victims: list[int] = []
        to: dict[int, Places] = {}
        asked = request > 0
        left = self._groups.get(row, [])
        while (self._free[row] < request)[asked].any() and left:
            (pod,) = left.pop(0)
            gang = int(roster.gang[pod])
            if self._moved[pod]:
                if gang in self._to:
                    to[gang] = self._to.pop(gang)
                self._free[row] += roster.room[pod]
            elif roster.leaving[pod]:
                victims.append(pod)
                self._free[row] += roster.room[pod]
            elif self._evicted[pod]:
                victims += self._with_its_gang(pod)
        if (self._free[row] < request)[asked].any() and row in self._claimed:
            more, pods = self._claimed.pop(row)
            self._free[row] += more
            victims += pods
        self._free[row] -= request
        return victims, to

    def rest(self) -> tuple[list[int], Mapping[int, Places]]:
        """Whoever nobody has waited for."""
        to, self._to = self._to, {}
        victims = np.flatnonzero(self._evicted).tolist()
        self._evicted[:] = False
        return victims, to

    def _with_its_gang(self, pod: int) -> list[int]:
        roster = self._roster
        gang = roster.gang[pod]
        mine = np.flatnonzero(self._evicted & (roster.gang == gang)).tolist()
        for each in mine:
            self._evicted[each] = False
            self._free[int(roster.node[each])] += roster.room[each]
        return mine
