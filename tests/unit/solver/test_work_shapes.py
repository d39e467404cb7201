"""What greedy and the solver make of slices, leaders, exclusive domains, nearness and the torus."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from scheduler.model.cluster import Held, Node, NodeTable, Standing
from scheduler.model.topology import Level, Slice, Topology, TopologyAsk, Torus
from scheduler.model.work import Branch, Gang, GangKey, Member, NodeCount, Place
from scheduler.solver.asks.levels import Levels, level_asks
from scheduler.solver.build import Built
from scheduler.solver.check import broken
from scheduler.solver.greedy.exclusive import closed_nodes
from scheduler.solver.greedy.greedy import complete, place
from scheduler.solver.problem import Put, SolveRequest
from tests.unit.solver.small import built, diagnosis, gang, node, placed, shape, solved, tree

PAIRS = TopologyAsk(slices=(Slice(2, "rack"),))
ALONE = TopologyAsk(required="rack", exclusive="rack")


def racks(*gpus: int, block: str = "b0") -> list[Node]:
    """One node per rack with so many GPUs."""
    return [node(f"{block}r{at}", count, zone="z", block=block, rack=f"{block}r{at}") for at, count in enumerate(gpus)]


def members(*asks: tuple[str, int, int]) -> tuple[Member, ...]:
    """(name, pods, GPUs of each), all of them needed."""
    return tuple(Member(name, shape(gpus), pods, pods) for name, pods, gpus in asks)


def flat(name: str, own: tuple[Member, ...], ask: TopologyAsk, leader: str = "") -> Gang:
    pods = sum(member.count for member in own)
    return msgspec.structs.replace(tree(name, own, (Branch("", -1, pods, 0, ask),)), leader=leader)


# --- slices -----------------------------------------------------------------------------------------------------------


def test_slices_stand_in_one_domain_each() -> None:
    assert placed(built(racks(3, 3, 1), [gang("g", 4, ask=PAIRS)])) == {"g": {"b0r0": 2, "b0r1": 2}}
    assert placed(built(racks(3, 1, 1), [gang("g", 4, ask=PAIRS)])) == {}


def test_an_elastic_gang_starts_and_grows_by_whole_slices() -> None:
    assert placed(built(racks(3, 2), [gang("g", 6, minimum=3, ask=PAIRS)])) == {"g": {"b0r0": 2, "b0r1": 2}}
    assert placed(built(racks(7), [gang("g", 8, minimum=1, ask=PAIRS)])) == {"g": {"b0r0": 6}}


def test_a_slice_that_is_held_in_part_is_completed_where_it_is() -> None:
    held = (Place("worker", (NodeCount("b0r1", 1),)),)
    assert placed(built(racks(8, 2), [gang("g", 1, ask=PAIRS, held=held)])) == {"g": {"b0r1": 1}}
    assert placed(built(racks(8, 2), [gang("g", 3, ask=PAIRS, held=held)])) == {"g": {"b0r0": 2, "b0r1": 1}}
    assert placed(built(racks(8, 0), [gang("g", 1, ask=PAIRS, held=held)])) == {}


def test_a_branch_with_slices_below_other_slices_is_left_to_the_solver() -> None:
    """Two pods more would be whole slices of the branch, and a part of one of the gang."""
    own = (Member("two", shape(1), 2, 0, 1), Member("three", shape(1), 3, 0, 2))
    triples = TopologyAsk(slices=(Slice(3, "rack"),))
    branches = (Branch("", -1, 0, 1, triples), Branch("a", 0, 1, 0, PAIRS), Branch("b", 0, 1))
    case = built(racks(8), [tree("g", own, branches)])
    completed = complete(case.problem, (Put(0, 1, 0, 3),), {0})
    assert completed is not None
    assert not broken(case.problem, completed.puts)
    assert {put.member: put.count for put in completed.puts} == {1: 3}


def test_unlike_pods_share_slices() -> None:
    mixed = flat("g", members(("large", 2, 2), ("small", 2, 1)), PAIRS)
    case = built(racks(4, 4), [mixed])
    assert {name: sum(nodes.values()) for name, nodes in placed(case).items()} == {"g": 4}
    assert broken(case.problem, place(case.problem).puts) == ()


def test_the_solver_finds_the_slices_of_unlike_pods_that_greedy_misses() -> None:
    mixed = flat("g", members(("large", 3, 2), ("small", 3, 1)), PAIRS)
    case = built(racks(5, 4), [mixed])  # one large and three small beside two large: nine GPUs, nothing is left
    start = place(case.problem)
    assert start.puts == ()
    found = solved(SolveRequest(case.problem, start, wall_seconds=10.0)).incumbent
    assert found is not None
    assert sum(put.count for put in found.puts) == 6
    assert diagnosis(case, solved).fits


def test_unlike_pods_fill_a_domain_with_what_it_holds() -> None:
    mixed = flat("g", members(("large", 1, 3), ("small", 3, 1)), PAIRS)
    assert placed(built(racks(3, 5), [mixed])) == {"g": {"b0r0": 2, "b0r1": 2}}


def test_layers_of_slices_nest() -> None:
    ask = TopologyAsk(slices=(Slice(4, "block"), Slice(2, "rack")))
    nodes = [*racks(3, 3, block="b0"), *racks(3, 1, block="b1"), *racks(2, 2, block="b2")]
    assert placed(built(nodes, [gang("g", 8, ask=ask)])) == {"g": {"b0r0": 2, "b0r1": 2, "b2r0": 2, "b2r1": 2}}


def test_the_sure_no_counts_slices() -> None:
    (refusal,) = diagnosis(built(racks(3, 1, 1, 1), [gang("g", 4, ask=PAIRS)])).refusals
    assert (refusal.term, refusal.code, refusal.needed, refusal.offered) == ("slices", "NotEnough", 2, 1)
    assert dict(refusal.counts) == {"size": 2}


def test_the_smallest_blocking_set_may_be_the_slices() -> None:
    mixed = flat("g", members(("large", 2, 3), ("small", 2, 1)), PAIRS)
    case = built([*racks(4, 3), node("last", 1, zone="z", block="b0", rack="last")], [mixed])
    found = diagnosis(case, solved)
    assert not found.fits
    assert [(each.term, each.code) for each in found.refusals] == [("slices", "NotTogether")]
    assert found.proven


# --- leader -----------------------------------------------------------------------------------------------------------


def test_the_leader_belongs_to_no_slice_and_stands_beside_one() -> None:
    led = flat("g", members(("lead", 1, 1), ("work", 4, 1)), PAIRS, leader="lead")
    assert placed(built(racks(2, 3, 9), [led])) == {"g": {"b0r2": 5}}
    assert placed(built(racks(2, 3), [led])) == {"g": {"b0r0": 2, "b0r1": 3}}
    assert placed(built([*racks(2, 2), node("apart", 1, zone="z", block="b0", rack="apart")], [led])) == {}


def test_where_slices_leave_the_leader_no_room_it_goes_first() -> None:
    heavy = flat("g", members(("lead", 1, 2), ("work", 2, 1)), TopologyAsk(slices=(Slice(1, "rack"),)), leader="lead")
    case = built(racks(1, 3), [heavy])
    assert placed(case) == {"g": {"b0r0": 1, "b0r1": 2}}


# --- exclusive domains ------------------------------------------------------------------------------------------------


def test_an_exclusive_rack_is_left_to_its_gang() -> None:
    found = placed(built(racks(8, 8), [gang("alone", 2, ask=ALONE), gang("other", 2), gang("late", 9)]))
    assert found == {"alone": {"b0r0": 2}, "other": {"b0r1": 2}}


def test_a_rack_in_use_is_not_taken_exclusively() -> None:
    found = placed(built(racks(8, 8), [gang("other", 2), gang("alone", 2, ask=ALONE)]))
    assert found == {"other": {"b0r0": 2}, "alone": {"b0r1": 2}}


def test_a_node_in_no_domain_is_nobodys_alone() -> None:
    case = built([node("nowhere", 8)], [gang("alone", 2, ask=TopologyAsk(exclusive="rack"))])
    assert placed(case) == {}
    found = diagnosis(case)
    assert (found.fits, found.proven) == (False, True)


def test_pods_without_a_group_are_no_gang() -> None:
    single = gang("pods", 3, minimum=0, single=True)
    assert placed(built(racks(8), [gang("alone", 2, ask=ALONE), single])) == {"alone": {"b0r0": 2}, "pods": {"b0r0": 3}}


def test_a_gang_may_stand_beside_its_own_exclusive_part() -> None:
    own = (Member("a", shape(), 2, 2, branch=1), Member("b", shape(), 2, 2, branch=2))
    branches = (Branch("", -1, 0, 2), Branch("a", 0, 2, 0, ALONE), Branch("b", 0, 2))
    assert placed(built(racks(4), [tree("g", own, branches)])) == {"g": {"b0r0": 4}}


def test_standing_gangs_close_what_they_hold_and_what_others_want_alone() -> None:
    nodes = NodeTable.of(tuple(racks(8, 8, 8)))
    gangs = [gang("alone", 2, ask=ALONE), gang("plain", 2), gang("single", 1, single=True)]
    levels = Levels(nodes, {"fabric": FABRIC})
    branches = [level_asks(each, levels)[0] for each in gangs]
    standing = (
        Standing(GangKey("ns/holder"), ("b0r0",), (Held("", "rack", ("b0r0",)),)),
        Standing(GangKey("ns/user"), ("b0r1",)),
        Standing(GangKey("ns/plain"), ("b0r2",)),
    )
    closed = closed_nodes(gangs, branches, standing, nodes, levels)
    assert {key: mask.tolist() for key, mask in closed.items()} == {
        ("ns/alone", 0): [True, True, True],
        ("ns/plain", 0): [True, False, False],
    }


# --- nearness ---------------------------------------------------------------------------------------------------------

FABRIC = Topology("fabric", (Level("zone", "zone"), Level("block", "block"), Level("rack", "rack")))


def asked(ask: TopologyAsk, topology: Topology = FABRIC, pods: int = 8) -> tuple[tuple[str, ...], Built]:
    """The names of the levels of which few domains are sought."""
    case = built(
        [node("n", 8, zone="z", block="b", rack="r", at="0-0")], [gang("g", pods, ask=ask)], topologies=[topology]
    )
    (branch,) = case.problem.gangs[0].branches
    return tuple(case.problem.level_names[column] for column in branch.near), case


@pytest.mark.parametrize(
    ("ask", "near"),
    [
        (TopologyAsk(preferred="rack"), ("zone", "block", "rack")),
        (TopologyAsk(preferred="block"), ("zone", "block")),
        (TopologyAsk(required="block", preferred="rack"), ("rack",)),
        (TopologyAsk(required="rack", preferred="block"), ()),
        (TopologyAsk(required="rack"), ()),
        (PAIRS, ("zone", "block", "rack")),
        (TopologyAsk(required="zone", slices=(Slice(2, "block"),)), ("block",)),
        (TopologyAsk(preferred="block", balance=True), ("zone", "block", "rack")),
        (TopologyAsk(required="block", balance=True), ("rack",)),
    ],
)
def test_few_domains_are_sought_between_what_is_required_and_what_is_preferred(
    ask: TopologyAsk, near: tuple[str, ...]
) -> None:
    assert asked(ask)[0] == near


def test_a_child_is_not_wider_than_its_parent() -> None:
    branches = (
        Branch("", -1, 0, 1, TopologyAsk(required="rack")),
        Branch("a", 0, 1, 0, TopologyAsk(required="block")),
    )
    case = built(racks(8), [tree("g", (Member("a", shape(), 1, 1, branch=1),), branches)])
    ((refusal,),) = case.refused.values()
    assert (refusal.code, refusal.where) == ("WiderThanParent", "block rack")


def test_an_elastic_gang_that_asks_for_balance_stops_where_its_racks_are_full() -> None:
    even = TopologyAsk(preferred="block", balance=True)
    assert placed(built(racks(1), [gang("g", 3, minimum=1, ask=even)])) == {"g": {"b0r0": 1}}


def test_below_the_finest_level_there_is_nothing_to_balance() -> None:
    """What is asked of the finest level counts all the same."""
    even = TopologyAsk(slices=(Slice(2, "rack"),), balance=True)
    problem = built(racks(4, 4), [gang("g", 4, ask=even)]).problem
    names = [problem.level_names[level] for level in problem.gangs[0].branches[0].near]
    assert names == ["zone", "block", "rack"]
    assert [problem.level_names[level] for level in problem.gangs[0].branches[0].balance] == ["block", "rack"]


# --- torus ------------------------------------------------------------------------------------------------------------

GRID = Torus("at", (4, 4), ((2, 2), (4, 2)))
CUBE = Topology("cube", (Level("zone", "zone"),), GRID)


def grid(*missing: str) -> list[Node]:
    spots = [f"{x}-{y}" for x in range(4) for y in range(4)]
    return [node(f"n{spot}", 1, zone="z", at=spot) for spot in spots if spot not in missing]


def test_a_box_is_aligned_to_multiples_of_its_sides() -> None:
    assert [GRID.box_at(spot, (2, 2)) for spot in ("0-0", "1-1", "1-2", "3-3")] == ["0-0", "0-0", "0-2", "2-2"]
    assert [GRID.box_at(spot, (3, 2)) for spot in ("2-1", "3-0")] == ["0-0", None], "the fourth column is no whole box"
    assert [GRID.box_at(spot, (2, 2)) for spot in ("4-0", "0", "a-b", "", "0-0-0", "-1-2")] == [None] * 6


def test_without_shapes_every_box_that_divides_the_torus_will_do() -> None:
    assert Torus("at", (4, 3)).boxes == ((1, 1), (1, 3), (2, 1), (2, 3), (4, 1), (4, 3))


def test_work_gets_a_whole_box_of_as_many_nodes() -> None:
    whole = TopologyAsk(required="torus")
    found = placed(built(grid("1-1"), [gang("g", 4, ask=whole)], topologies=[CUBE]))["g"]
    assert CUBE.torus is not None
    assert len({CUBE.torus.box_at(name[1:], (2, 2)) for name in found}) == 1
    assert "n0-0" not in found, "its box lacks a node"
    assert placed(built(grid("1-1", "3-3"), [gang("g", 8, ask=whole)], topologies=[CUBE])) == {}


def test_a_shape_is_a_level_by_its_name() -> None:
    ask = TopologyAsk(slices=(Slice(4, "2x2"),))
    found = placed(built(grid("0-0"), [gang("g", 12, ask=ask)], topologies=[CUBE]))["g"]
    assert not {"n0-1", "n1-0", "n1-1"} & found.keys()


def test_each_domain_of_a_level_may_be_a_torus_of_its_own() -> None:
    topology = Topology("cube", (Level("zone", "zone"),), msgspec.structs.replace(GRID, level="zone"))
    nodes = [node(f"{zone}{at}", 1, zone=zone, at=at) for zone in "ab" for at in ("0-0", "0-1")]
    table = NodeTable.of(tuple(nodes))
    codes, names = table.domain_column(topology, 1)
    assert names == ("a/0-0", "b/0-0")
    assert np.array_equal(codes, [0, 0, 1, 1])
