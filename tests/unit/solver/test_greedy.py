"""What greedy chooses: rank order, all or nothing, tight domains, whole nodes kept whole."""

from __future__ import annotations

from scheduler.model.cluster import Node
from scheduler.model.policy import Policy
from scheduler.model.resources import from_quantities
from scheduler.model.shape import Shape
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member, NodeCount, Place
from scheduler.solver.check import broken
from scheduler.solver.greedy.greedy import complete, place
from scheduler.solver.problem import Put, QueueRoom
from tests.unit.solver.small import built, gang, node, placed, shape, tree

RACK = TopologyAsk(required="rack")
SPREAD = Policy(node_score="spread")


def racks(*gpus: int, block: str = "b0") -> list[Node]:
    """One node per rack with so many GPUs."""
    return [node(f"n{number}", count, zone="z", block=block, rack=f"r{number}") for number, count in enumerate(gpus)]


def test_a_gang_is_placed_whole_or_not_at_all() -> None:
    assert placed(built([node("a", 4)], [gang("no", 5)])) == {}
    assert placed(built([node("a", 4)], [gang("yes", 4)])) == {"yes": {"a": 4}}


def test_the_first_in_rank_is_served_and_the_next_that_fits_fills_up() -> None:
    assert placed(built([node("a", 4)], [gang("first", 3), gang("second", 2), gang("third", 1)])) == {
        "first": {"a": 3},
        "third": {"a": 1},
    }


def test_pods_fill_the_tightest_nodes_and_leave_whole_ones_whole() -> None:
    nodes = [node("a", 8), node("b", 2), node("c", 3)]
    assert placed(built(nodes, [gang("g", 1, 2)])) == {"g": {"b": 1}}
    assert placed(built(nodes, [gang("g", 5)])) == {"g": {"b": 2, "c": 3}}


def test_work_without_gpus_goes_where_no_gpu_is_free() -> None:
    nodes = [node("a", 8), node("b", 0), node("c", 4)]
    assert placed(built(nodes, [gang("cpu", 1, 0), gang("gpu", 1)]))["cpu"] == {"b": 1}


def test_spreading_puts_one_pod_on_each_of_the_emptiest_nodes() -> None:
    nodes = [node("a", 4), node("b", 4), node("c", 2)]
    assert placed(built(nodes, [gang("g", 4)], policy=SPREAD)) == {"g": {"a": 2, "b": 2}}


def test_a_required_level_takes_the_tightest_domain_that_holds_the_gang() -> None:
    assert placed(built(racks(8, 2, 3), [gang("g", 3, ask=RACK)])) == {"g": {"n2": 3}}
    assert placed(built(racks(3, 2, 3), [gang("g", 4, ask=RACK)])) == {}


def test_a_node_without_the_label_is_in_no_domain() -> None:
    assert placed(built([node("a", 8)], [gang("g", 1, ask=RACK)])) == {}


def test_two_racks_of_one_name_in_different_blocks_are_two_domains() -> None:
    nodes = [node("a", 2, zone="z", block="b0", rack="r"), node("b", 2, zone="z", block="b1", rack="r")]
    assert placed(built(nodes, [gang("g", 4, ask=RACK)])) == {}


def test_a_preferred_level_is_the_largest_domain_first_and_the_tightest_for_the_rest() -> None:
    nodes = [
        node(f"{block}{number}", 1, zone="z", block=block, rack=f"{block}{number}")
        for block, count in (("b1", 2), ("b2", 1), ("b3", 4))
        for number in range(count)
    ]
    (pods,) = placed(built(nodes, [gang("g", 5, ask=TopologyAsk(preferred="block"))])).values()
    assert sorted(pods) == ["b20", "b30", "b31", "b32", "b33"]


def test_unlike_members_share_nodes_exactly_the_largest_first() -> None:
    nodes = [node("h1", 0, 2, rack="r"), node("h2", 0, 4, rack="r"), node("h3", 0, 3, rack="r")]
    members = (Member("leader", shape(0, 1), 1, 1), Member("worker", shape(0, 2), 4, 4))
    case = built(nodes, [tree("g", members, (Branch("", -1, 5),))])
    assert placed(case) == {"g": {"h1": 1, "h2": 2, "h3": 2}}


def test_all_minima_come_before_anybodys_surplus_and_surplus_is_shared_fairly() -> None:
    assert placed(built([node("a", 5)], [gang("x", 4, minimum=1), gang("y", 4, minimum=1)])) == {
        "x": {"a": 3},
        "y": {"a": 2},
    }
    assert placed(built([node("a", 4)], [gang("x", 4, minimum=1), gang("y", 3)])) == {"x": {"a": 1}, "y": {"a": 3}}


def test_many_surplus_pods_are_shared_as_if_handed_out_one_by_one() -> None:
    gangs = [gang("x", 50, minimum=1), gang("y", 7, minimum=2), gang("z", 90, minimum=3)]
    nodes = [node(f"n{number:02}", 8) for number in range(10)]
    pods = {name: sum(spots.values()) for name, spots in placed(built(nodes, gangs)).items()}
    assert pods == {"x": 1 + 35, "y": 7, "z": 3 + 34}


def test_surplus_of_unlike_members_is_shared_by_them() -> None:
    members = (Member("left", shape(), 20, 1), Member("right", shape(), 20, 1))
    case = built([node("a", 8), node("b", 8)], [tree("g", members, (Branch("", -1, 2),))])
    counts = {put.member: put.count for put in place(case.problem).puts if put.gang == 0}
    assert sum(put.count for put in place(case.problem).puts) == 16
    assert set(counts) == {0, 1}


def test_every_branch_gets_its_minimum() -> None:
    def pair(name: str) -> Gang:
        members = (Member("left", shape(), 2, 0, 1), Member("right", shape(), 2, 0, 2))
        return tree(name, members, (Branch("", -1, 0, 2), Branch("left", 0, 1), Branch("right", 0, 1)))

    case = built([node("a", 4)], [pair("x"), pair("y")])
    counts = {(put.gang, put.member): put.count for put in place(case.problem).puts}
    assert counts == {(0, 0): 1, (0, 1): 1, (1, 0): 1, (1, 1): 1}


def test_a_tree_that_misses_one_needed_branch_is_not_placed() -> None:
    members = (Member("left", shape(3), 1, 1, 1), Member("right", shape(1), 2, 2, 2))
    branches = (Branch("", -1, 0, 2), Branch("left", 0, 1), Branch("right", 0, 2))
    assert placed(built([node("a", 4)], [tree("g", members, branches)])) == {}
    optional = (Branch("", -1, 0, 1), Branch("left", 0, 1), Branch("right", 0, 2))
    assert placed(built([node("a", 4)], [tree("g", members, optional)])) == {"g": {"a": 1}}


def test_each_branch_may_require_a_domain_inside_its_parents() -> None:
    nodes = [
        node(f"{block}{rack}", 2, zone="z", block=block, rack=f"{block}{rack}") for block in ("x", "y") for rack in "01"
    ]
    members = (Member("left", shape(), 2, 2, 1), Member("right", shape(), 2, 2, 2))
    branches = (
        Branch("", -1, 0, 2, TopologyAsk(required="block")),
        Branch("left", 0, 2, 0, RACK),
        Branch("right", 0, 2, 0, RACK),
    )
    case = built(nodes, [tree("g", members, branches)], used={"x0": {"nvidia.com/gpu": 1}})
    assert placed(case) == {"g": {"y0": 2, "y1": 2}}


def test_a_gang_that_holds_places_grows_in_their_domain_only() -> None:
    held = (Place("worker", (NodeCount("n1", 2),)),)
    case = built(racks(8, 1), [gang("g", 4, minimum=0, ask=RACK, held=held)])
    assert placed(case) == {"g": {"n1": 1}}


def test_queues_bind_with_everything_below_them() -> None:
    rooms = (QueueRoom(-1, (-1, -1, 3000, -1)), QueueRoom(0, (-1, -1, 2000, -1)), QueueRoom(0, (-1, -1, -1, -1)))
    gangs = [gang("x", 2), gang("y", 2), gang("z", 1)]
    queue_of_gang = {gangs[0].key: 1, gangs[1].key: 2, gangs[2].key: 2}
    case = built([node("a", 8)], gangs, rooms=rooms, queue_of_gang=queue_of_gang)
    assert placed(case) == {"x": {"a": 2}, "z": {"a": 1}}


def test_a_bundle_takes_what_fits_before_any_surplus() -> None:
    case = built([node("a", 4)], [gang("elastic", 4, minimum=1), gang("bundle", 9, minimum=0, single=True)])
    assert placed(case) == {"elastic": {"a": 1}, "bundle": {"a": 3}}


def test_pods_that_ask_for_nothing_countable_still_count_as_pods() -> None:
    tiny = Shape(from_quantities({"pods": 1}))
    best_effort = Gang(GangKey("ns/g"), "g", "", 0, 0.0, (Member("m", tiny, 200, 0),), (Branch("", -1),), single=True)
    assert placed(built([node("a")], [best_effort])) == {"g": {"a": 110}}


def test_a_placement_made_elsewhere_is_completed_by_what_still_fits() -> None:
    case = built([node("a", 4), node("b", 2)], [gang("x", 2), gang("y", 3, minimum=1), gang("z", 1)])
    node_class = int(case.problem.class_free[0, 2] < case.problem.class_free[1, 2])
    start = (Put(1, 0, node_class, 1),)
    completed = complete(case.problem, start, {1, 2})
    assert completed is not None
    assert broken(case.problem, completed.puts) == ()
    pods = {index: sum(put.count for put in completed.puts if put.gang == index) for index in range(3)}
    assert pods == {0: 0, 1: 3, 2: 1}


def test_a_placement_that_stands_on_no_nodes_is_not_completed() -> None:
    case = built([node("a", 3), node("b", 3)], [gang("x", 3, 2)])
    assert complete(case.problem, (Put(0, 0, 0, 3),), {0}) is None
