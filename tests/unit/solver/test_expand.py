"""Counts per class become pods per node, by the true free amounts, or the class that cannot is named."""

from __future__ import annotations

from scheduler.model.work import NodeCount, Place
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.problem import Put
from tests.unit.solver.small import built, gang, node, pods_by_node


def test_counts_fill_node_after_node() -> None:
    case = built([node("a", 4), node("b", 4)], [gang("g", 6)])
    assert expand(case, (Put(0, 0, 0, 6),)) == ((Place("worker", (NodeCount("a", 4), NodeCount("b", 2))),),)


def test_known_spots_are_taken_at_their_word() -> None:
    case = built([node("a", 4), node("b", 4)], [gang("g", 2)])
    assert expand(case, (Put(0, 0, 0, 2, spots=((1, 2),)),)) == ((Place("worker", (NodeCount("b", 2),)),),)


def test_large_pods_are_assigned_before_small_ones() -> None:
    case = built([node("a", 4), node("b", 4)], [gang("small", 2), gang("large", 2, 3)])
    places = expand(case, (Put(0, 0, 0, 2), Put(1, 0, 0, 2)))
    assert not isinstance(places, Unexpandable)
    assert pods_by_node(case, places) == {"small": {"a": 1, "b": 1}, "large": {"a": 1, "b": 1}}


def test_a_class_whose_sum_holds_but_whose_nodes_do_not_is_named() -> None:
    case = built([node("a", 3), node("b", 3)], [gang("g", 3, 2), gang("h", 2, 2)])
    assert expand(case, (Put(0, 0, 0, 3),)) == Unexpandable(0)
