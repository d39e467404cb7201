"""Greedy's placements obey every rule and always expand to nodes, whatever the world."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from scheduler.model.resources import vector
from scheduler.solver.build import Built
from scheduler.solver.check import broken, scores
from scheduler.solver.expand import Places, Unexpandable, expand
from scheduler.solver.greedy.greedy import place
from tests.property.solver_worlds import World, worlds


@settings(max_examples=120, deadline=None)
@given(worlds())
@pytest.mark.parametrize("node_score", ["pack", "spread"])
def test_no_rule_is_broken(node_score: str, world: World) -> None:
    built = world.build(node_score=node_score)
    incumbent = place(built.problem)
    assert broken(built.problem, incumbent.puts) == ()
    assert incumbent.scores == scores(built.problem, incumbent.puts)


@settings(max_examples=120, deadline=None)
@given(worlds())
@pytest.mark.parametrize("node_score", ["pack", "spread"])
def test_counts_expand_to_nodes_within_their_true_free_amounts(node_score: str, world: World) -> None:
    built = world.build(node_score=node_score)
    places = expand(built, place(built.problem).puts)
    assert not isinstance(places, Unexpandable)
    _assert_fits(built, places)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_placing_twice_gives_the_same(world: World) -> None:
    assert place(world.build().problem) == place(world.build().problem)


def _assert_fits(built: Built, places: Places) -> None:
    used = np.zeros_like(built.free)
    for gang, own in zip(built.gangs, places, strict=True):
        members = {member.name: member for member in gang.members}
        for each in own:
            asked = vector(members[each.member].shape.requests, built.problem.resources)
            for spot in each.nodes:
                row = built.nodes.rows[spot.node]
                assert built.masks[members[each.member].shape][row], "a pod stands where its filters refuse it"
                used[row] += asked * spot.count
    assert (used <= np.maximum(built.free, 0)).all()
