"""Each rule on placements chosen by hand: what its check says, and that its CP-SAT form says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from scheduler.model.cluster import Node
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Branch, Gang, Member, NodeCount, Place
from scheduler.solver.build import Built
from scheduler.solver.facade import Limits
from scheduler.solver.model import PlacementModel
from scheduler.solver.problem import Incumbent, Problem, Put, QueueRoom
from scheduler.solver.terms.table import RULES
from tests.unit.solver.small import built, gang, node, shape, tree

RACK = TopologyAsk(required="rack")


def said(case: Built, rule: str, *puts: Put) -> list[str]:
    """The codes of what a rule finds broken; its CP-SAT form must allow exactly what breaks nothing."""
    problem = replace(case.problem, rules=(rule,), goals=())
    codes = sorted({refusal.code for refusal in RULES[rule].broken(problem, puts)})
    assert _allowed(problem, puts) == (codes == [])
    return codes


def _allowed(problem: Problem, puts: Sequence[Put]) -> bool:
    wide = [[np.full(problem.class_count, 99, dtype=np.int64) for _ in gang.members] for gang in problem.gangs]
    model = PlacementModel(problem, wide, set(range(len(problem.gangs))), Incumbent((), ()))
    for _ in model.post():
        pass
    values = model.values(puts)
    for index, each in enumerate(problem.gangs):
        for member in range(len(each.members)):
            for _, count in model.counts(index, member):
                model.at_most([(1, count)], values[count])
                model.at_most([(-1, count)], -values[count])
    try:
        [*model.cp.search(Limits(wall_seconds=10.0), lambda: False)]
    except RuntimeError:
        return False
    return True


def two_racks() -> list[Node]:
    return [node(name, gpus, zone="z", block="b", rack=rack) for name, gpus, rack in (("a", 4, "r0"), ("b", 3, "r1"))]


def test_a_class_gives_no_more_than_its_nodes_have() -> None:
    case = built([node("a", 4), node("b", 4)], [gang("g", 9)])
    assert said(case, "capacity", Put(0, 0, 0, 8)) == []
    assert said(case, "capacity", Put(0, 0, 0, 9)) == ["OverCommitted"]


def test_several_members_share_what_a_class_has() -> None:
    case = built([node("a", 4)], [gang("g", 3), gang("h", 2)])
    assert said(case, "capacity", Put(0, 0, 0, 2), Put(1, 0, 0, 2)) == []
    assert said(case, "capacity", Put(0, 0, 0, 3), Put(1, 0, 0, 2)) == ["OverCommitted"]


def test_a_queue_and_everything_above_it_bind() -> None:
    gangs = [gang("g", 4), gang("h", 4)]
    rooms = (QueueRoom(-1, (-1, -1, 5000, -1)), QueueRoom(0, (-1, -1, 3000, -1)), QueueRoom(0, (-1, -1, -1, -1)))
    case = built([node("a", 8)], gangs, rooms=rooms, queue_of_gang={gangs[0].key: 1, gangs[1].key: 2})
    assert said(case, "queue-limit", Put(0, 0, 0, 3), Put(1, 0, 0, 2)) == []
    assert said(case, "queue-limit", Put(0, 0, 0, 4)) == ["OverLimit"]
    assert said(case, "queue-limit", Put(0, 0, 0, 3), Put(1, 0, 0, 3)) == ["OverLimit"]


def test_a_gang_is_at_its_minimum_or_absent_and_has_no_pods_that_do_not_exist() -> None:
    case = built([node("a", 8)], [gang("g", 4, minimum=2)])
    assert said(case, "gang-minimum") == []
    assert said(case, "gang-minimum", Put(0, 0, 0, 1)) == ["BelowMinimum"]
    assert said(case, "gang-minimum", Put(0, 0, 0, 2)) == []
    assert said(case, "gang-minimum", Put(0, 0, 0, 5)) == ["TooManyPods"]


@pytest.fixture
def pair() -> Gang:
    """Two branches, of which both are needed; each needs one of its two pods."""
    members = (Member("left", shape(), 2, 0, 1), Member("right", shape(), 2, 0, 2))
    return tree("g", members, (Branch("", -1, 0, 2), Branch("left", 0, 1), Branch("right", 0, 1)))


def test_a_tree_needs_as_many_branches_as_it_says(pair: Gang) -> None:
    case = built([node("a", 8)], [pair])
    assert said(case, "gang-minimum", Put(0, 0, 0, 2)) == ["BelowMinimum"]
    assert said(case, "gang-minimum", Put(0, 0, 0, 1), Put(0, 1, 0, 1)) == []


def test_a_branch_counts_pods_anywhere_below_it() -> None:
    members = (Member("left", shape(), 2, 0, 1), Member("right", shape(), 2, 0, 2))
    case = built([node("a", 8)], [tree("g", members, (Branch("", -1, 3), Branch("left", 0), Branch("right", 0)))])
    assert said(case, "gang-minimum", Put(0, 0, 0, 2)) == ["BelowMinimum"]
    assert said(case, "gang-minimum", Put(0, 0, 0, 1), Put(0, 1, 0, 2)) == []


def test_a_branch_that_is_in_holds_the_minimum_of_each_of_its_members() -> None:
    members = (Member("leader", shape(), 1, 1), Member("worker", shape(), 4, 2))
    case = built([node("a", 8)], [tree("g", members, (Branch("", -1, 0),))])
    assert said(case, "gang-minimum", Put(0, 1, 0, 4)) == ["BelowMinimum"]
    assert said(case, "gang-minimum", Put(0, 0, 0, 1), Put(0, 1, 0, 1)) == ["BelowMinimum"]
    assert said(case, "gang-minimum", Put(0, 0, 0, 1), Put(0, 1, 0, 2)) == []


def test_a_required_level_means_one_domain() -> None:
    case = built(two_racks(), [gang("g", 4, ask=RACK)])
    assert said(case, "required-topology", Put(0, 0, 0, 4)) == []
    assert said(case, "required-topology", Put(0, 0, 0, 2), Put(0, 0, 1, 2)) == ["SeveralDomains"]


def test_a_node_without_the_level_is_no_domain() -> None:
    case = built([node("a", 4)], [gang("g", 4, ask=RACK)])
    assert said(case, "required-topology", Put(0, 0, 0, 4)) == ["NoDomain"]


def test_a_gang_that_holds_places_stays_in_their_domain() -> None:
    held = (Place("worker", (NodeCount("b", 1),)),)
    case = built(two_racks(), [gang("g", 4, minimum=0, ask=RACK, held=held)])
    assert said(case, "required-topology", Put(0, 0, 0, 1)) == ["OtherDomain"]
    assert said(case, "required-topology", Put(0, 0, 1, 1)) == []


def test_each_branch_has_its_own_domain() -> None:
    members = (Member("left", shape(), 2, 2, 1), Member("right", shape(), 2, 2, 2))
    branches = (Branch("", -1, 0, 2), Branch("left", 0, 2, 0, RACK), Branch("right", 0, 2, 0, RACK))
    case = built(two_racks(), [tree("g", members, branches)])
    assert said(case, "required-topology", Put(0, 0, 0, 2), Put(0, 1, 1, 2)) == []
    assert said(case, "required-topology", Put(0, 0, 0, 1), Put(0, 0, 1, 1), Put(0, 1, 1, 2)) == ["SeveralDomains"]
