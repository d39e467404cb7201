"""Neighbourhoods share nothing: whatever each of them finds holds together, and one of everything is the whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.model.topology import TopologyAsk
from scheduler.solver.facade import Limits
from scheduler.solver.greedy.greedy import place
from scheduler.solver.parts.kinds import kinds
from scheduler.solver.parts.linear import Linear, Numbers
from scheduler.solver.parts.neighbourhoods import KEPT, Neighbourhood, Ownership, neighbourhoods
from scheduler.solver.parts.pooled import Pooled, pooled
from scheduler.solver.parts.realise import hint
from scheduler.solver.parts.trades import Trades
from tests.unit.solver.small import built, gang, node

RACK = TopologyAsk(required="rack")


@st.composite
def solved(draw: st.DrawFn) -> tuple[Linear, Numbers, Numbers]:
    """A program of three rows with a solution of it, and an owner per variable out of two and nobody."""
    count = draw(st.integers(2, 5))
    numbers = st.lists(st.integers(0, 3), min_size=count, max_size=count)
    values = np.array(draw(numbers), dtype=np.int64)
    matrix = np.array([draw(st.lists(st.integers(-2, 3), min_size=count, max_size=count)) for _ in range(3)])
    rows, columns = np.nonzero(matrix)
    left = np.array(draw(st.lists(st.integers(0, 4), min_size=3, max_size=3)))
    linear = Linear(values + np.array(draw(numbers)), matrix @ values + left, rows, columns, matrix[rows, columns])
    owner = draw(st.lists(st.sampled_from([KEPT, 0, 1]), min_size=count, max_size=count))
    return linear, values, np.array(owner, dtype=np.int64)


def everything(linear: Linear) -> Numbers:
    """[V x solutions] by trying everything."""
    grid = np.array(list(product(*(range(upper + 1) for upper in linear.uppers))), dtype=np.int64).T
    return grid[:, holds(linear, grid)]


def holds(linear: Linear, values: Numbers) -> Any:
    """[solutions] for [V x solutions]."""
    matrix = np.zeros((len(linear.bounds), len(linear.uppers)), dtype=np.int64)
    np.add.at(matrix, (linear.rows, linear.columns), linear.coefficients)
    return (matrix @ values <= linear.bounds[:, None]).all(axis=0)


@given(solved())
def test_what_two_neighbourhoods_find_holds_together(case: tuple[Linear, Numbers, Numbers]) -> None:
    linear, values, owner = case
    first, second = neighbourhoods(linear, values, owner, 2)
    for one in everything(first.linear).T[:15]:
        for other in everything(second.linear).T[:15]:
            merged = values.copy()
            merged[first.columns], merged[second.columns] = one, other
            assert holds(linear, merged[:, None]).all()


@given(solved())
def test_a_neighbourhood_holds_what_stands_and_one_of_everything_is_the_whole(
    case: tuple[Linear, Numbers, Numbers],
) -> None:
    linear, values, owner = case
    for part in neighbourhoods(linear, values, owner, 2):
        assert holds(part.linear, values[part.columns][:, None]).all()
    (whole,) = neighbourhoods(linear, values, np.zeros(len(values), dtype=np.int64), 1)
    assert (everything(whole.linear) == everything(linear)).all()


def crowded(racks: int = 2) -> tuple[Pooled, list[int]]:
    """Racks of two nodes; greedy puts pods of one GPU where those of eight are to stand, and leaves them out."""
    nodes = [node(f"n{number}", 8, zone="z", block="b", rack=f"r{number // 2}") for number in range(2 * racks)]
    small = [gang(f"small-{number}", 3, ask=RACK) for number in range(3 * racks)]
    case = built(nodes, [*small, *(gang(f"large-{number}", 2, 8, ask=RACK) for number in range(racks))])
    model = pooled(case.problem, kinds(case.problem))
    return model, hint(model, place(case.problem).puts)


def test_every_variable_of_a_batch_is_owned_and_gangs_follow_their_places() -> None:
    model, values = crowded()
    group_of_pool = model.levels[model.kinds[0].level]
    owners = Ownership(model, group_of_pool).of(np.array(values), [np.array([0]), np.array([1])], 0)
    for taken, spread in zip(model.taken, model.spread, strict=True):
        assert spread is not None
        for number in range(2):
            chosen = spread.chosen[owners[spread.chosen] == number]
            served = taken[(owners[taken] == number) & (np.array(values)[taken] > 0)]
            assert len(served) == sum(values[each] for each in chosen)


def test_trades_end_with_the_best_of_the_pooled_model_and_prove_it() -> None:
    model, values = crowded()
    objective = model.value(0)
    best = int(objective @ values)
    trades = Trades(model, values, model.levels[model.kinds[0].level], [0])
    for _ in trades.run(lambda _: Limits(10.0), lambda: True, lambda: False, lambda _: None):
        assert holds(model.linear, trades.values[:, None]).all()
        assert trades.reached[0] >= best
        best = trades.reached[0]
    # One rack is worth 16 GPUs to a large gang; the other takes five small gangs, or the other large one.
    assert trades.bound == best == int(objective @ trades.values) >= 32_000


class Noted(Trades):
    """Knows which kinds of steps were taken."""

    def __init__(self, model: Pooled, values: Sequence[int], group_of_pool: Numbers, tiers: Sequence[int]) -> None:
        super().__init__(model, values, group_of_pool, tiers)
        self.steps: list[str] = []

    def _apart(self, batches: Sequence[Numbers]) -> list[Neighbourhood]:
        self.steps.append("apart")
        return super()._apart(batches)

    def _rivals(self, batches: Sequence[Numbers]) -> list[Neighbourhood]:
        self.steps.append("rivals")
        return super()._rivals(batches)


def test_two_steps_that_find_nothing_become_rivals() -> None:
    model, values = crowded(racks=8)
    trades = Noted(model, values, model.levels[model.kinds[0].level], [0])
    for _ in trades.run(lambda _: Limits(10.0, workers=2), lambda: False, lambda: False, lambda _: None):
        assert holds(model.linear, trades.values[:, None]).all()
    assert {"apart", "rivals"} <= set(trades.steps)
    assert trades.bound == trades.reached[0]


def test_steps_in_turn_each_go_on_from_the_one_before() -> None:
    """Two threads with four racks each. In two racks of the first a large gang takes the room of five small ones: that
    is two of the large ones, one after the other."""
    model, values = crowded(racks=8)
    trades = Trades(model, values, model.levels[model.kinds[0].level], [0])
    before = trades.reached[0]
    lots = [[np.array([group]) for group in range(4)], [np.array([group]) for group in range(4, 8)]]
    first, second = trades._step(lots, Limits(10.0, workers=2), [model.value(0)], lambda: False)
    assert [each.batch.tolist() for each in (*first, *second)] == [[group] for group in range(8)]
    assert [each.gained for each in first[:2]] == [True, True]
    assert holds(model.linear, trades.values[:, None]).all()
    assert trades.reached[0] >= before + 3 * (16_000 - 15_000)


def test_of_rivals_the_better_one_counts() -> None:
    """Both start from nothing and have all gangs; the one with two racks serves more than the one with a single rack,
    and what both found would serve the same gangs twice."""
    model, _ = crowded()
    trades = Trades(model, [0] * len(model.linear.uppers), model.levels[model.kinds[0].level], [0])
    batches = [np.array([0, 1]), np.array([1])]
    trades._step([[batch] for batch in batches], Limits(10.0), [model.value(0)], lambda: False, rivals=True)
    assert holds(model.linear, trades.values[:, None]).all()
    assert trades.reached[0] >= 31_000
