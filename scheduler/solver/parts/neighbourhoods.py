"""Neighbourhoods: some variables of a linear program are free, the others stay where they are.

Several at once share no variable, and what is left of a row is divided among those that stand in it. So whatever is
found in each of them holds together with what is found in the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.solver.parts.linear import Linear, Numbers
from scheduler.solver.parts.pooled import Pooled

KEPT = -1
"""The owner of a variable that stays where it is."""

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """``linear`` is over the free variables alone; ``columns`` are their indices in the whole."""

    linear: Linear
    columns: Numbers


def neighbourhoods(linear: Linear, values: Numbers, owner: Numbers, count: int) -> list[Neighbourhood]:
    """The neighbourhoods of a solution [V] where ``owner`` [V] says which one each variable is free in."""
    activity = values[linear.columns] * linear.coefficients
    left = linear.bounds - _by_row(linear, activity)
    inside = [owner[linear.columns] == number for number in range(count)]
    stands = np.array([_by_row(linear, own) > 0 for own in inside])
    sharing = np.maximum(stands.sum(axis=0), 1)
    turn = np.cumsum(stands, axis=0) - 1 + np.arange(len(left))
    found = []
    for number, own in enumerate(inside):
        share = left // sharing + (turn[number] % sharing < left % sharing)
        rows = np.flatnonzero(stands[number])
        columns = np.flatnonzero(owner == number)
        found.append(
            Neighbourhood(
                Linear(
                    uppers=linear.uppers[columns],
                    bounds=(share + _by_row(linear, np.where(own, activity, 0)))[rows],
                    rows=np.searchsorted(rows, linear.rows[own]),
                    columns=np.searchsorted(columns, linear.columns[own]),
                    coefficients=linear.coefficients[own],
                ),
                columns,
            )
        )
    return found


def _by_row(linear: Linear, weights: Numbers) -> Numbers:
    return np.bincount(linear.rows, weights=weights, minlength=len(linear.bounds)).astype(np.int64)


class Ownership:
    """Who owns the variables of a pooled model where the fleet is cut into groups of domains."""

    def __init__(self, model: Pooled, group_of_pool: Numbers) -> None:
        self._group = np.full(len(model.linear.uppers), KEPT, dtype=np.int64)
        self._kind = np.full(len(model.linear.uppers), KEPT, dtype=np.int64)
        self._kinds = len(model.kinds)
        anywhere, taken, chosen = [_NONE], [_NONE], [_NONE]
        for own in model.pods.values():
            self._group[own] = group_of_pool
        for index, (kind, gangs, spread) in enumerate(zip(model.kinds, model.taken, model.spread, strict=True)):
            self._kind[gangs] = index
            (anywhere if spread is None else taken).append(gangs)
            if spread is not None:
                self._kind[spread.chosen] = index
                self._group[spread.chosen] = _groups_of(model.levels[kind.level], group_of_pool)[spread.domains]
                chosen.append(spread.chosen)
        self._taken, self._chosen = np.concatenate(taken), np.concatenate(chosen)
        wide = self._chosen[self._group[self._chosen] == KEPT]
        self._nowhere_else = np.concatenate([*anywhere, wide])
        """What belongs to no group."""

    def of(self, values: Numbers, batches: Sequence[Numbers], turn: int, within: Numbers | None = None) -> Numbers:
        """[V] the batch that owns each variable when each batch of groups is free; ``within`` names the variables that
        may be owned at all (None: all of them).

        What belongs to no group is owned by one batch, another one every ``turn``. Of the gangs of a kind a batch owns
        as many as it has, and every so many-th of those that wait.
        """
        count = len(batches)
        may = np.full(len(values), within is None)
        may[_NONE if within is None else within] = True
        owner = np.full(len(values), KEPT, dtype=np.int64)
        for number, batch in enumerate(batches):
            owner[np.isin(self._group, batch)] = number
        owner[self._nowhere_else] = (turn + self._kind[self._nowhere_else]) % count
        ends = np.zeros((self._kinds, count), dtype=np.int64)
        own = self._chosen[owner[self._chosen] != KEPT]
        np.add.at(ends, (self._kind[own], owner[own]), values[own])
        ends = ends.cumsum(axis=1)
        served = self._taken[(values[self._taken] > 0) & may[self._taken]]
        number = (self._rank(served)[:, None] >= ends[self._kind[served]]).sum(axis=1)
        owner[served] = np.where(number < count, number, KEPT)
        waiting = self._taken[values[self._taken] == 0]
        owner[waiting] = (self._rank(waiting) + turn + self._kind[waiting]) % count
        return np.where(may, owner, KEPT)

    def _rank(self, gangs: Numbers) -> Numbers:
        """Of variables that stand kind by kind, the how many-th of its kind each is."""
        kind = self._kind[gangs]
        return np.asarray(np.arange(len(gangs)) - np.searchsorted(kind, kind))


def _groups_of(codes: Numbers, group_of_pool: Numbers) -> Numbers:
    """[domains of a level] the group around each; `KEPT` where it is in several."""
    found = np.full(int(codes.max(initial=-1)) + 1, KEPT - 1, dtype=np.int64)
    for code, group in zip(codes.tolist(), group_of_pool.tolist(), strict=True):
        if code >= 0:
            found[code] = group if found[code] in (KEPT - 1, group) else KEPT
    return found
