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
        self._model = model
        self._group = np.full(len(model.linear.uppers), KEPT, dtype=np.int64)
        self._anywhere = [own for kind, own in zip(model.kinds, model.spread, strict=True) if own is None]
        for own in model.pods.values():
            self._group[own] = group_of_pool
        for kind, spread in zip(model.kinds, model.spread, strict=True):
            if spread is not None:
                self._group[spread.chosen] = _groups_of(model.levels[kind.level], group_of_pool)[spread.domains]

    def of(self, values: Numbers, batches: Sequence[Numbers], turn: int) -> Numbers:
        """[V] the batch that owns each variable when each batch of groups is free.

        What belongs to no group is owned by one batch, another one every ``turn``. Of the gangs of a kind a batch owns
        as many as it has, and every so many-th of those that wait.
        """
        count = len(batches)
        owner = np.full(len(values), KEPT, dtype=np.int64)
        for number, batch in enumerate(batches):
            owner[np.isin(self._group, batch)] = number
        for index, (taken, spread) in enumerate(zip(self._model.taken, self._model.spread, strict=True)):
            if spread is None:
                owner[taken] = (turn + index) % count
                continue
            wide = spread.chosen[self._group[spread.chosen] == KEPT]
            owner[wide] = (turn + index) % count
            served = taken[values[taken] > 0]
            begin = 0
            for number in range(count):
                end = begin + int(values[spread.chosen[owner[spread.chosen] == number]].sum())
                owner[served[begin:end]] = number
                begin = end
            waiting = taken[values[taken] == 0]
            owner[waiting] = (np.arange(len(waiting)) + turn + index) % count
        return owner


def _groups_of(codes: Numbers, group_of_pool: Numbers) -> Numbers:
    """[domains of a level] the group around each; `KEPT` where it is in several."""
    found = np.full(int(codes.max(initial=-1)) + 1, KEPT - 1, dtype=np.int64)
    for code, group in zip(codes.tolist(), group_of_pool.tolist(), strict=True):
        if code >= 0:
            found[code] = group if found[code] in (KEPT - 1, group) else KEPT
    return found
