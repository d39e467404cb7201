"""Which groups of domains choose again next: the one with the most room left leads, others take their turns beside it.

What could still be served has to go where there is room, but seldom fits there as it is: somebody has to make it fit by
trading places, and that somebody may be anywhere.
"""

from __future__ import annotations

import numpy as np

from scheduler.solver.parts.linear import Numbers, Reals
from scheduler.solver.parts.pooled import Pooled
from scheduler.solver.parts.pools import smallest_pieces

_LED_IN_VAIN = 0.6
"""By how much less room a group counts as having after each step that it led and that gained nothing."""

_NEARLY_NOTHING = 1e-9


class Leads:
    """``group_of_pool`` [P] says how the fleet of a model is cut into groups."""

    def __init__(self, model: Pooled, group_of_pool: Numbers) -> None:
        self._linear = model.linear
        self._rows = model.room_rows[:, np.unique(smallest_pieces(model.pools))]
        self._groups, self._group_of_pool = np.unique(group_of_pool, return_inverse=True)
        self._room = np.maximum(model.linear.bounds[self._rows].sum(axis=0), 1)
        self._in_vain = np.zeros(len(self._groups))
        self._last_beside = np.zeros(len(self._groups), dtype=np.int64)
        self._steps = 0

    def batches(self, values: Numbers, size: int, at_once: int) -> list[Numbers]:
        """Up to ``at_once`` batches of ``size`` groups each, that share none; the first group of each leads."""
        self._steps += 1
        count = max(1, min(at_once, len(self._groups) // size))
        leading = self._by_room(values)[:count]
        beside = [each for each in self._turns().tolist() if each not in leading][: count * (size - 1)]
        self._last_beside[beside] = self._steps
        return [
            self._groups[[lead, *beside[number * (size - 1) : (number + 1) * (size - 1)]]]
            for number, lead in enumerate(leading.tolist())
        ]

    def rivals(self, values: Numbers, size: int, at_once: int) -> list[Numbers]:
        """As `batches`, but they may share groups; each has another lead."""
        leading = self._by_room(values)[:at_once]
        found = []
        for lead in leading.tolist():
            self._steps += 1
            beside = [each for each in self._turns().tolist() if each != lead][: size - 1]
            self._last_beside[beside] = self._steps
            found.append(self._groups[[lead, *beside]])
        return found

    def learn(self, batch: Numbers, gained: bool) -> None:
        """What became of a batch."""
        own = np.searchsorted(self._groups, batch)
        if gained:
            self._in_vain[own] = 0
        else:
            self._in_vain[own[0]] += 1

    def _by_room(self, values: Numbers) -> Numbers:
        """The groups, the one with the most room left first."""
        return np.argsort(-self._room_left(values) * _LED_IN_VAIN**self._in_vain, kind="stable")

    def _room_left(self, values: Numbers) -> Reals:
        """[groups] what is left in each, as a share of all the room that there is of the resource it has least of."""
        linear = self._linear
        taken = values[linear.columns] * linear.coefficients
        left = linear.bounds - np.bincount(linear.rows, weights=taken, minlength=len(linear.bounds))
        of_group = np.zeros((len(self._groups), self._rows.shape[1]))
        np.add.at(of_group, self._group_of_pool, left[self._rows])
        return np.asarray((of_group / self._room).min(axis=1, initial=1.0) + _NEARLY_NOTHING)

    def _turns(self) -> Numbers:
        """The groups, those first that stood beside a lead longest ago; among equals in another order every time."""
        count = len(self._groups)
        strides = [stride for stride in range(1, count + 1) if np.gcd(stride, count) == 1]
        order = (np.arange(count) * strides[self._steps % len(strides)] + self._steps) % count
        return order[np.argsort(self._last_beside[order], kind="stable")]
