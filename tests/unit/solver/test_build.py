"""From gangs and nodes to classes: what the pending work cannot tell apart is one class."""

from __future__ import annotations

from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Slice, Topology, TopologyAsk
from scheduler.model.work import Branch, GangKey, Member, NodeCount, Place
from scheduler.solver.problem import QueueRoom
from tests.unit.solver.small import FABRIC, built, gang, node, shape, tree

RACK = TopologyAsk(required="rack")


def test_equal_nodes_are_one_class_and_the_way_back_names_their_rows() -> None:
    case = built([node("a"), node("b"), node("c", 4)], [gang("g", 8)])
    assert case.problem.class_nodes.tolist() == [2, 1]
    assert [rows.tolist() for rows in case.class_rows] == [[0, 1], [2]]


def test_a_resource_that_cannot_bind_does_not_split_classes() -> None:
    plenty = built([node("a", 8, 90), node("b", 8, 96)], [gang("g", 99, cpus=4)])
    assert plenty.problem.class_count == 1
    scarce = built([node("a", 8, 20), node("b", 8, 96)], [gang("g", 99, cpus=4)])
    assert scarce.problem.class_count == 2


def test_a_cut_leaves_room_for_the_hungriest_shape() -> None:
    modest, hungry = gang("m", 99, cpus=1), gang("h", 99, cpus=4)
    case = built([node("a", 8, 30), node("b", 8, 31)], [modest, hungry])
    assert case.problem.class_free[:, 0].tolist() == [30_000, 31_000]
    assert built([node("a", 8, 32), node("b", 8, 64)], [modest, hungry]).problem.class_free[:, 0].tolist() == [32_000]


def test_amounts_below_the_granularity_of_requests_do_not_split_classes() -> None:
    nodes = [node("a", 0, 9), node("b", 0, 10)]
    assert built(nodes, [gang("g", 99, 0, cpus=4)]).problem.class_count == 1
    assert built(nodes, [gang("g", 99, 0, cpus=5)]).problem.class_count == 2


def test_free_gpus_are_seen_whole_even_by_work_that_asks_for_few_or_none() -> None:
    nodes = [node("a", 8), node("b", 4), node("c", 0)]
    assert built(nodes, [gang("g", 1, 1)]).problem.class_free[:, 2].tolist() == [8000, 4000]
    assert built(nodes, [gang("g", 1, 0)]).problem.class_free[:, 2].tolist() == [8000, 4000, 0]


def test_domains_split_classes_only_where_somebody_asks_for_the_level() -> None:
    nodes = [node("a", zone="z", block="b", rack="r0"), node("b", zone="z", block="b", rack="r1")]
    assert built(nodes, [gang("g", 2)]).problem.class_count == 1
    asked = built(nodes, [gang("g", 2, ask=RACK)]).problem
    assert asked.class_count == 2
    assert asked.level_names == ("rack",)
    assert asked.domain_names == (("z/b/r0", "z/b/r1"),)


def test_filters_split_classes_where_some_shape_sees_a_difference() -> None:
    nodes = [node("a", model="H100"), node("b", model="A100")]
    picky = tree("p", (Member("m", shape(gpu_models=("H100",)), 1, 1),), (Branch("", -1, 1),))
    assert built(nodes, [gang("g", 2)]).problem.class_count == 1
    case = built(nodes, [gang("g", 2), picky])
    assert case.problem.class_count == 2
    assert case.problem.eligible(case.problem.gangs[1].members[0]).tolist() == [True, False]


def test_nodes_where_nothing_pending_fits_are_in_no_class() -> None:
    case = built([node("a", 1), node("b", 8)], [gang("g", 1, 2)])
    assert [rows.tolist() for rows in case.class_rows] == [[1]]


def test_tiers_follow_priorities_and_values_the_value_resource() -> None:
    case = built([node("a")], [gang("low", 1, 2), gang("high", 1, 0, priority=9)])
    assert [(ask.tier, ask.values) for ask in case.problem.gangs] == [(1, (2000,)), (0, (1,))]


def test_queue_rooms_are_cut_to_the_resources_of_the_problem() -> None:
    cpu_only = tree("g", (Member("m", Shape((("cpu", 1000), ("pods", 1))), 1, 1),), (Branch("", -1, 1),))
    rooms = (QueueRoom(-1, (1, 2, 3, 4)),)
    case = built([node("a")], [cpu_only], rooms=rooms, queue_of_gang={cpu_only.key: 0})
    assert case.problem.resources == ("cpu", "nvidia.com/gpu", "pods")
    assert case.problem.queues == (QueueRoom(-1, (1, 3, 4)),)
    assert case.problem.gangs[0].queue == 0


def test_an_ask_that_cannot_be_understood_is_refused_and_the_rest_is_built() -> None:
    asks = {
        "level": TopologyAsk(required="row"),
        "topology": TopologyAsk(topology="gone", required="rack"),
        "slices": TopologyAsk(required="block", slices=(Slice(2, "rack"),)),
        "wide-slices": TopologyAsk(required="rack", slices=(Slice(1, "block"),)),
        "unnested": TopologyAsk(slices=(Slice(3, "block"), Slice(2, "rack"))),
    }
    case = built(
        [node("a", zone="z", block="b", rack="r")],
        [gang(name, 1, ask=ask) for name, ask in asks.items()] + [gang("g", 1)],
    )
    codes = {key: [refusal.code for refusal in refusals] for key, refusals in case.refused.items()}
    assert codes == {
        "ns/level": ["UnknownLevel"],
        "ns/topology": ["UnknownTopology"],
        "ns/slices": ["NoWholeSlices"],
        "ns/wide-slices": ["WiderThanRequired"],
        "ns/unnested": ["SlicesNotNested"],
    }
    (refusal,) = case.refused[GangKey("ns/level")]
    assert refusal.where == "fabric row (there are: zone, block, rack)"
    assert [each.name for each in case.gangs] == ["g"]


def test_an_unnamed_topology_is_the_only_one_there_is() -> None:
    second = Topology("other", (Level("rack", "rack"),))
    case = built([node("a", rack="r")], [gang("g", 1, ask=RACK)], topologies=(FABRIC, second))
    assert [refusal.code for refusal in case.refused[GangKey("ns/g")]] == ["AmbiguousTopology"]
    named = TopologyAsk(topology="other", required="rack")
    assert not built([node("a", rack="r")], [gang("g", 1, ask=named)], topologies=(FABRIC, second)).refused


def test_held_places_pin_the_domain() -> None:
    nodes = [node("a", zone="z", block="b", rack="r0"), node("b", zone="z", block="b", rack="r1")]
    held = (Place("worker", (NodeCount("gone", 1), NodeCount("b", 1))),)
    case = built(nodes, [gang("g", 2, minimum=0, ask=RACK, held=held)])
    assert case.problem.gangs[0].branches[0].pinned == 1
