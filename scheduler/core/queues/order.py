"""The order of service of everything that waits, over the whole tree at once.

The same order as `core.queues.service` picks, work by work, but computed level by level from the leaves up: inside a
leaf the order is known beforehand, and so is what the leaf uses when the turn of each of its gangs has come. The
children of a queue are then merged like sorted lists: a child whose next work ranks lower waits, and so does all that
stands behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.core.queues.backlog import Backlog
from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.dominant import NEVER
from scheduler.core.queues.entitled import Entitled
from scheduler.core.queues.ledger import Ledger
from scheduler.model.resources import Matrix
from scheduler.model.work import Gang

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

INSIDE, SHARED, BEYOND = range(3)
"""How far a gang takes its queues: all within their guarantee; within their fair share; beyond."""


@dataclass(frozen=True, eq=False)
class Order:
    """Waiting work in the order of service: ``turns`` are indices into ``gangs``, those of ``backlogs`` one
    after the other, as ``bands`` and ``expected`` are.

    ``bands`` say how far each gang takes the queues on its line (the furthest of them), after all that is served before
    it; where nobody else waits for what it asks for, that is of no interest and it is `INSIDE`. ``expected``: there is
    as much left in the whole fleet when its turn has come.
    """

    backlogs: Sequence[Backlog]
    turns: Whole
    bands: Whole
    expected: Flags

    @cached_property
    def gangs(self) -> list[Gang]:
        return list(chain.from_iterable(backlog.gangs for backlog in self.backlogs))


def order_of_service(entitled: Entitled, free: Matrix, between: str) -> Order:
    """``free`` [columns] is what is left in the fleet. ``between`` says what decides between queues beyond their
    guarantees: their ``dominant-share``, or the ``priority`` and age of their work."""
    book = entitled.book
    rows = sorted((book.tree.rows[name], name) for name in entitled.waiting)
    leaves = [(row, entitled.waiting[name]) for row, name in rows]
    least = np.concatenate([demand.least for _, demand in leaves]).T.copy()
    leaf = np.repeat([row for row, _ in leaves], [len(demand.backlog.part) for _, demand in leaves])
    firm = np.concatenate([demand.firm for _, demand in leaves])
    charge = np.where(_possible(book, leaf, least, firm, free), least, 0)
    by_priority = None
    if between == "priority":
        by_priority = (
            np.concatenate([demand.backlog.arrived_seconds for _, demand in leaves]),
            -np.concatenate([demand.backlog.priorities for _, demand in leaves]).astype(np.float64),
        )
    turns, bands = _Merge(book, leaf, least, charge, by_priority).run()
    expected = np.empty(len(leaf), dtype=np.bool_)
    before = np.cumsum(charge.take(turns, axis=1), axis=1)
    expected[turns] = _throughout((before <= free[:, None]) | (least.take(turns, axis=1) == 0))
    backlogs = [demand.backlog for _, demand in leaves]
    return Order(backlogs, turns, np.where(_contended(leaf, least), bands, INSIDE), expected)


def _possible(book: Ledger, leaf: Whole, least: Matrix, firm: Flags, free: Matrix) -> Flags:
    """Work that its queues' limits and the fleet would hold now by itself; other work takes nobody's turn."""
    room = np.where(book.limit < BOUNDLESS, book.limit - book.use, BOUNDLESS)
    firm_room = np.where(book.tree.states_guarantee, book.guaranteed - book.firm, BOUNDLESS)
    above = np.array(book.parents, dtype=np.int64)
    for rows in book.tree.levels[1:]:
        room[rows] = np.minimum(room[rows], room[above[rows]])
        firm_room[rows] = np.minimum(firm_room[rows], firm_room[above[rows]])
    most = np.minimum(room, free).T.copy().take(leaf, axis=1)
    if firm.any():
        most = np.minimum(most, np.where(firm, firm_room.T.copy().take(leaf, axis=1), BOUNDLESS))
    return _throughout((least <= most) | (least == 0))


def _contended(leaf: Whole, least: Matrix) -> Flags:
    """Whether somebody in another leaf waits for something that it asks for, too."""
    found = np.zeros(len(leaf), dtype=np.bool_)
    for asked in least > 0:
        leaves = leaf[asked]
        if len(leaves) and (leaves != leaves[0]).any():
            found |= asked
    return found


class _Merge:
    """The merge of all leaves, level by level; work is named by index. Amounts are [columns x work]."""

    def __init__(
        self, book: Ledger, leaf: Whole, least: Matrix, charge: Matrix, by_priority: tuple[Reals, Reals] | None
    ) -> None:
        self._leaf = leaf
        self._least = least
        self._charge = charge
        self._by_priority = by_priority
        self._levels = book.tree.levels
        self._parents = np.array(book.parents, dtype=np.int64)
        self._use, self._guaranteed, self._fair = (each.T.copy() for each in (book.use, book.guaranteed, book.fair))
        self._priorities = np.array([queue.priority for queue in book.queues], dtype=np.float64)
        self._weights = np.array([queue.weight for queue in book.queues], dtype=np.float64)
        self._resources, could_lend = book.could_lend
        self._lendable = could_lend.T.copy()

    def run(self) -> tuple[Whole, Whole]:
        """(indices in the order of service, the band of each index)."""
        count = len(self._leaf)
        depth_of = np.zeros(len(self._parents), dtype=np.int64)
        for depth, rows in enumerate(self._levels):
            depth_of[rows] = depth
        depths = depth_of[self._leaf]
        node = self._leaf.copy()
        order = np.arange(count)  # leaf by leaf
        bands = np.zeros(count, dtype=np.int64)
        for depth in range(int(depths.max(initial=0)), -1, -1):
            # ``order`` holds, node after node, the work of every node at this depth in its order.
            here = order[depths[order] >= depth]
            own, key = self._keys(here, node[here])
            bands[here] = np.maximum(bands[here], own)
            following = self._parents[node[here]]
            # By parent, rank and node in one number, of which every node's own stand in order already.
            code = (following * (len(here) + 1) + key) * len(self._parents) + node[here]
            merged = np.argsort(code, kind="stable")  # what stands in front stays there
            node[here] = following
            rest = order[depths[order] < depth]
            order = np.concatenate([here[merged], rest])
            if len(rest):
                order = order[np.argsort(node[order], kind="stable")]
        return order, bands

    def _keys(self, here: Whole, node: Whole) -> tuple[Whole, Whole]:
        """(how far each takes its node; its rank, never before what stands in front of it in the same node)."""
        least, charge = self._least.take(here, axis=1), self._charge.take(here, axis=1)
        starts = np.flatnonzero(np.r_[True, node[1:] != node[:-1]])
        sizes = np.diff(np.r_[starts, len(here)])
        earlier = np.cumsum(charge, axis=1) - charge
        use = self._use.take(node, axis=1) + earlier - np.repeat(earlier[:, starts], sizes, axis=1)
        after = use + least
        free = least == 0
        guaranteed = self._guaranteed.take(node, axis=1)
        inside = _throughout((after <= guaranteed) | free)
        within = _throughout((after <= self._fair.take(node, axis=1)) | free)
        if self._by_priority is None:
            keys = self._by_share(node, use, after, guaranteed, inside)
        else:
            keys = [*(key[here] for key in self._by_priority), ~inside]
        segment = np.repeat(np.arange(len(starts)), sizes) * (len(here) + 1)
        rank = np.maximum.accumulate(ranks(keys) + segment) - segment
        return np.where(inside, INSIDE, np.where(within, SHARED, BEYOND)), rank

    def _by_share(
        self, node: Whole, use: Matrix, after: Matrix, guaranteed: Matrix, inside: Flags
    ) -> list[NDArray[Any]]:
        """The keys of `scheduler.core.queues.service.service_key`, the last one first."""
        keys: list[NDArray[Any]] = [
            (after - use).sum(axis=0),
            _fill(use, guaranteed),
            self._dominant_shares(node, after, guaranteed),
        ]
        if self._priorities.any():
            keys.append(-self._priorities[node])
        return [*keys, np.where(inside, _fill(after, guaranteed), np.inf)]

    def _dominant_shares(self, node: Whole, after: Matrix, guaranteed: Matrix) -> Reals:
        above = np.maximum(after - guaranteed, 0)
        could = self._lendable[:, self._parents[node]]
        ratio = np.zeros(len(node), dtype=np.float64)
        for resource, columns in enumerate(self._resources):
            amount = above[columns].sum(axis=0)
            ratio = np.maximum(
                ratio, np.where(could[resource] > 0, 1000.0 * amount / np.maximum(could[resource], 1), 0)
            )
        weight = self._weights[node]
        shares: Reals = np.where(weight > 0, ratio / np.maximum(weight, 1e-9), np.where(ratio > 0, float(NEVER), 0.0))
        return shares


def _throughout(flags: Flags) -> Flags:
    """Whether it holds in every column."""
    found: Flags = np.all(flags, axis=0)
    return found


def _fill(use: Matrix, guaranteed: Matrix) -> Reals:
    """The largest of use to guarantee; a column with use and without a guarantee counts as `NEVER`."""
    ratio = np.where(guaranteed > 0, use / np.maximum(guaranteed, 1), float(NEVER))
    fills: Reals = np.max(np.where(use > 0, ratio, 0.0), axis=0, initial=0.0)
    return fills


def ranks(keys: list[NDArray[Any]]) -> Whole:
    """How many come before each by the last key, then the one before it, ...; equals have the same rank. Each further
    key is looked at only for those that are equal so far: mostly few."""
    rank: Whole = np.zeros(len(keys[0]), dtype=np.int64)
    tied = np.arange(len(rank))
    for key in reversed(keys):
        own = key[tied]
        order = np.argsort(own)
        before = rank[tied]
        if len(before) and (before != before[0]).any():
            order = order[np.argsort(before[order], kind="stable")]
        own, before, tied = own[order], before[order], tied[order]
        other = np.r_[True, before[1:] != before[:-1]][: len(tied)]
        starts = np.flatnonzero(other | np.r_[True, own[1:] != own[:-1]][: len(tied)])
        sizes = np.diff(np.r_[starts, len(tied)])
        # Of a group that was equal so far the first stands where the group stood.
        groups = np.flatnonzero(other)
        into = starts - groups[np.searchsorted(groups, starts, side="right") - 1]
        rank[tied] += np.repeat(into, sizes)
        tied = tied[np.repeat(sizes > 1, sizes)]
        if not len(tied):
            break
    return rank
