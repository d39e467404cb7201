"""The best plan of a tiny world by trying every one, node by node and GPU by GPU.

Gang after gang, every way to place any number of its pods. Plans that leave the same of everything are kept once, the
best of them: scores are sums over gangs, so nothing is lost by that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.model.work import Gang, Member
from tests.oracle.columns import GPU, Columns, Spot, Vector
from tests.oracle.company import agrees
from tests.oracle.judge import Judge, Pods, Prices
from tests.oracle.world import World

WAYS_MAX = 100_000
PLANS_MAX = 3_000_000
"""Ways to place one gang, and what follows from them for all plans before it: beyond either a world is too large."""

Placed = Sequence[Sequence[Sequence[tuple[Spot, int]]]]
"""[gangs][members] -> (where, pods)."""


class TooLargeError(Exception):
    """More plans than can be tried."""


def best(world: World, prices: Prices) -> dict[str, int]:
    """The best total of every tier, in their order, over all plans of a world. TooLargeError where they are too
    many."""
    judge = Judge(world, prices)
    columns = Columns(world, judge)
    states = columns.first[None, :]
    scores = np.zeros((1, len(judge.tiers)), dtype=np.int64)
    for gang in range(len(world.gangs)):
        taken, worth = _ways(world, judge, columns, gang)
        if len(states) * len(taken) > PLANS_MAX:
            raise TooLargeError
        found, reached = [], []
        for state, score in zip(states, scores, strict=True):
            left = state - taken
            fits = (left >= 0).all(axis=1)
            found.append(left[fits])
            reached.append(score + worth[fits])
        states, scores = np.concatenate(found), np.concatenate(reached)
        kept = ~columns.mixed(states)
        states, scores = _best_of_alike(states[kept], scores[kept])
    order = np.lexsort(scores.T[::-1])[::-1]
    for index in order.tolist():
        if agrees(world, columns.company(states[index])):
            return dict(zip(judge.tiers, scores[index].tolist(), strict=True))
    raise AssertionError("nothing at all breaks a rule")


def score_of(world: World, prices: Prices, placed: Placed) -> dict[str, int]:
    """What a given plan reaches; AssertionError where it breaks a rule."""
    judge = Judge(world, prices)
    columns = Columns(world, judge)
    state = columns.first
    totals = np.zeros(len(judge.tiers), dtype=np.int64)
    wholes: list[tuple[int, Member, int, int]] = []
    for index, (gang, own) in enumerate(zip(world.gangs, placed, strict=True)):
        pods = tuple(_by_node(world, spots) for spots in own)
        assert judge.stands(index, pods), f"{gang.name} is there in part or apart: {own}"
        for member, spots in zip(gang.members, own, strict=True):
            assert sum(count for _, count in spots) <= member.count, f"{gang.name} has too many pods"
            gpus = dict(member.shape.requests).get(GPU, 0) // 1000 if world.parts else 0
            for spot, count in spots:
                if gpus:  # which of them is up to the node, so those come last
                    wholes += [(index, member, spot.node, gpus)] * count
                else:
                    state = state - columns.taken(index, member, spot) * count
        state = state - columns.domains(index, pods)
        totals += np.array(judge.score(index, pods), dtype=np.int64)
    for index, member, node, gpus in wholes:
        chosen = columns.untouched(state, node)[:gpus]
        assert len(chosen) == gpus, "whole GPUs are given that are not there"
        state = state - columns.taken(index, member, Spot(node, tuple((gpu, 0) for gpu in chosen)))
    assert state.min(initial=0) >= 0, "something is over-committed"
    assert not columns.mixed(state[None, :]).any(), "a GPU is cut and shared"
    assert agrees(world, columns.company(state)), "pods lack the company that they ask for"
    return dict(zip(judge.tiers, totals.tolist(), strict=True))


def _ways(world: World, judge: Judge, columns: Columns, index: int) -> tuple[Vector, Vector]:
    """Every way to place any number of pods of one gang, none included: what it takes [ways x columns] and what it is
    worth [ways x tiers]."""
    gang = world.gangs[index]
    known: dict[Pods, NDArray[np.int64] | None] = {}
    taken, worth = [], []
    for pods, takes in _plans(world, columns, gang, index):
        if pods not in known:
            known[pods] = np.array(judge.score(index, pods), dtype=np.int64) if judge.stands(index, pods) else None
        score = known[pods]
        if score is not None:
            taken.append(takes + columns.domains(index, pods))
            worth.append(score)
    return np.array(taken), np.array(worth)


def _plans(world: World, columns: Columns, gang: Gang, index: int) -> Iterator[tuple[Pods, Vector]]:
    """Every distribution of every number of pods of each member, alone in the world."""
    found: list[tuple[Pods, Vector]] = [((), np.zeros_like(columns.first))]
    for member in gang.members:
        rows = list(_rows(world, columns, member, index))
        if len(found) * len(rows) > WAYS_MAX:
            raise TooLargeError
        found = [
            ((*pods, row), takes + more)
            for pods, takes in found
            for row, more in rows
            if (columns.first - takes - more).min() >= 0
        ]
    yield from found


def _rows(world: World, columns: Columns, member: Member, index: int) -> Iterator[tuple[tuple[int, ...], Vector]]:
    """Every way to place at most all pods of a member: pods per node, and what that takes. Pods are alike, so each spot
    is used so many times, spot after spot."""
    spots = columns.spots(member)
    takes = [columns.taken(index, member, spot) for spot in spots]

    def further(at: int, left: int, pods: tuple[int, ...], state: Vector) -> Iterator[tuple[tuple[int, ...], Vector]]:
        if at == len(spots):
            yield pods, columns.first - state
            return
        node = spots[at].node
        for count in range(left + 1):
            if count:
                state = state - takes[at]
                if state.min() < 0:
                    return
                pods = (*pods[:node], pods[node] + 1, *pods[node + 1 :])
            yield from further(at + 1, left - count, pods, state)

    known: dict[tuple[tuple[int, ...], bytes], Vector] = {}
    for pods, takes_in_sum in further(0, member.count, (0,) * len(world.nodes), columns.first):
        known.setdefault((pods, takes_in_sum.tobytes()), takes_in_sum)
    for (pods, _), takes_in_sum in known.items():
        yield pods, takes_in_sum


def _best_of_alike(states: Vector, scores: Vector) -> tuple[Vector, Vector]:
    """Each distinct state once, with the best score that leads to it."""
    _, rank = np.unique(scores, axis=0, return_inverse=True)
    _, alike = np.unique(states, axis=0, return_inverse=True)
    order = np.lexsort([rank.ravel(), alike.ravel()])
    last = np.flatnonzero(np.diff(alike.ravel()[order], append=-1))
    return states[order[last]], scores[order[last]]


def _by_node(world: World, spots: Sequence[tuple[Spot, int]]) -> tuple[int, ...]:
    pods = [0] * len(world.nodes)
    for spot, count in spots:
        pods[spot.node] += count
    return tuple(pods)
