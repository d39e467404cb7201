"""The two faces of every rule and goal agree: CP-SAT form and plain check allow the same and count the same."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from scheduler.solver.candidates import Uppers, candidates
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.facade import Ended, Found, Limits
from scheduler.solver.model import PlacementModel
from scheduler.solver.posting import Terms
from scheduler.solver.problem import Incumbent, Problem, Put
from scheduler.solver.terms.table import GOALS, RULES
from tests.property.solver_worlds import Asks, World, balanced, exclusive, levelled, sliced, worlds

NOTHING = Incumbent((), ())

Pods = tuple[int, int, int, int]
"""(gang, member, class, count), indices still to be taken modulo what there is."""

Drawn = tuple[World, list[Pods]]


GROUPS = ("flat", "pair", "tree")
FOCUS: dict[str, tuple[Asks, tuple[str, ...]]] = {
    "required-topology": (levelled, GROUPS),
    "preferred-topology": (levelled, GROUPS),
    "slices": (sliced, GROUPS),
    "leader": (sliced, ("pair",)),
    "exclusive-domains": (st.one_of(exclusive, levelled), ("flat", "pair", "bundle")),
    "balance": (balanced, GROUPS),
}
"""What the gangs ask for, and of which kind they are, where a rule or goal is about that."""


@st.composite
def placements(draw: st.DrawFn, term: str = "") -> Drawn:
    """A world and random pods in it; where the term is about some asks there are many of them."""
    pods = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 5), st.integers(1, 3))
    if term not in FOCUS:
        return draw(worlds(nodes_max=6, gangs_max=3)), draw(st.lists(pods, max_size=6))
    asks, kinds = FOCUS[term]
    world = draw(worlds(nodes_min=2, nodes_max=6, gangs_max=2, asks=asks, kinds=kinds))
    return world, draw(st.lists(pods, min_size=1, max_size=6))


def _puts(problem: Problem, drawn: list[Pods], *, too_many: bool = False) -> tuple[Put, ...]:
    """The drawn pods; no more of a member than there are, unless a rule is to be tried with ``too_many``."""
    pods: dict[tuple[int, int, int], int] = {}
    for gang, member, node_class, count in drawn if problem.class_count else ():
        index = gang % len(problem.gangs)
        ask = problem.gangs[index].members
        key = (index, member % len(ask), node_class % problem.class_count)
        taken = sum(each for (other, own, _), each in pods.items() if (other, own) == key[:2])
        count = count if too_many else min(count, ask[key[1]].count - taken)
        if count > 0:
            pods[key] = pods.get(key, 0) + count
    return tuple(Put(*key, count) for key, count in sorted(pods.items()))


def _anywhere(problem: Problem) -> list[list[Uppers]]:
    """Every count in every class, so that nothing but the rule under test says no."""
    return [[np.full(problem.class_count, 99, dtype=np.int64) for _ in gang.members] for gang in problem.gangs]


def _model(problem: Problem, puts: tuple[Put, ...], uppers: list[list[Uppers]]) -> PlacementModel | None:
    """A model whose counts are fixed to a placement; None when the placement lies outside of the counts' bounds."""
    if any(uppers[put.gang][put.member][put.node_class] < put.count for put in puts):
        return None
    model = PlacementModel(problem, uppers, set(range(len(problem.gangs))), NOTHING)
    for _ in model.post():
        pass
    values = model.values(puts)
    for gang in range(len(problem.gangs)):
        for member in range(len(problem.gangs[gang].members)):
            for _, count in model.counts(gang, member):
                model.at_most([(1, count)], values[count])
                model.at_most([(-1, count)], -values[count])
    return model


def _best(model: PlacementModel | None, terms: Terms) -> int | None:
    """The least value of an expression; None when the model has no solution."""
    if model is None:
        return None
    model.cp.minimise(terms)
    try:
        *found, ended = model.cp.search(Limits(wall_seconds=10.0), lambda: False)
    except RuntimeError:
        return None
    assert isinstance(ended, Ended)
    assert ended.end == "optimal"
    assert isinstance(found[-1], Found)
    return sum(coefficient * found[-1].values[variable] for coefficient, variable in terms)


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("rule", [name for name in RULES if name != "capacity"])
def test_a_rule_allows_what_its_check_allows(rule: str, data: st.DataObject) -> None:
    world, drawn = data.draw(placements(rule))
    problem = world.build(rules=(rule,), goals=()).problem
    puts = _puts(problem, drawn, too_many=rule == "gang-minimum")
    allowed = _best(_model(problem, puts, _anywhere(problem)), []) is not None
    assert allowed == (RULES[rule].broken(problem, puts) == [])


@settings(max_examples=60, deadline=None)
@given(placements())
def test_capacity_allows_what_stands_on_nodes_and_nothing_above_the_sums(
    placement: Drawn,
) -> None:
    world, drawn = placement
    built = world.build(rules=("capacity",), goals=())
    puts = _puts(built.problem, drawn)
    model = _model(built.problem, puts, candidates(built.problem))
    allowed = _best(model, []) is not None
    within_sums = RULES["capacity"].broken(built.problem, puts) == []
    assert not allowed or within_sums
    if within_sums and not isinstance(expand(built, puts), Unexpandable):
        assert allowed


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("goal", list(GOALS))
def test_a_goal_counts_what_its_cost_counts(goal: str, data: st.DataObject) -> None:
    world, drawn = data.draw(placements(goal))
    problem = world.build(rules=(), goals=(goal,)).problem
    puts = _puts(problem, drawn)
    model = _model(problem, puts, _anywhere(problem))
    assert model is not None
    costs = GOALS[goal].costs(problem, puts)
    assert [tier for tier, _ in model.goals] == [tier for tier, _ in costs]
    assert [_best(model, terms) for _, terms in model.goals] == [cost for _, cost in costs]
