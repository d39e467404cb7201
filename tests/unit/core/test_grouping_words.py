"""What topologies and flavors say in their status: how many nodes they find, and which labels are missing."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.grouping_words import PAUSE_SECONDS, RETRY_SECONDS
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.cluster import Node
from scheduler.model.flavor import Flavor
from scheduler.model.grouping import GroupingReport, GroupingStatus
from scheduler.model.topology import Level, Topology, Torus
from tests.unit.core.world import RACKS, Bench, node

FABRIC = Topology("fabric", (Level("block", "example.com/block"), Level("rack", "example.com/rack")))


def labelled(name: str, **labels: str) -> Node:
    return msgspec.structs.replace(node(name), labels={f"example.com/{key}": value for key, value in labels.items()})


def said(bench: Bench, name: str) -> ef.WriteGroupingStatus:
    return [each for each in bench.performed(ef.WriteGroupingStatus) if each.name == name][-1]


def words(bench: Bench, name: str) -> tuple[str, str, str]:
    ready = said(bench, name).ready
    return ready.status, ready.reason, ready.message


def test_a_topology_counts_its_nodes_and_domains_and_names_the_labels_that_are_missing() -> None:
    nodes = [
        labelled("n0", block="b0", rack="r0"),
        labelled("n1", block="b0", rack="r1"),
        labelled("n2", block="b1", rack="r0"),
        labelled("n3", block="b1"),
        labelled("n4", rack="r0"),
    ]
    bench = Bench(*nodes)
    bench.tell(ev.TopologySeen(FABRIC))
    bench.tick()
    assert said(bench, "fabric").report == GroupingReport(3, (("block", 2), ("rack", 3)))
    missing = "1 of 5 nodes lack the label example.com/block of level block; "
    missing += "1 of 5 nodes lack the label example.com/rack of level rack"
    assert words(bench, "fabric") == ("True", "LabelsMissing", missing)
    bench.tell(ev.NodeGone("n3"), ev.NodeGone("n4"))
    bench.tick(PAUSE_SECONDS)
    assert words(bench, "fabric") == ("True", "Valid", "")


LABELS = st.dictionaries(st.sampled_from(["block", "rack"]), st.sampled_from(["x", "y", "z"]))


@settings(max_examples=50, deadline=None)
@given(st.lists(LABELS, min_size=1, max_size=8))
def test_domains_are_counted_as_decisions_see_them(labels: list[dict[str, str]]) -> None:
    bench = Bench(*(labelled(f"n{index}", **each) for index, each in enumerate(labels)))
    bench.tell(ev.TopologySeen(FABRIC))
    bench.tick()
    table = bench.engine.store.table()
    columns = [table.domain_column(FABRIC, depth) for depth in range(2)]
    domains = tuple((level.name, len(names)) for level, (_, names) in zip(FABRIC.levels, columns, strict=True))
    assert said(bench, "fabric").report == GroupingReport(int((columns[-1][0] >= 0).sum()), domains)


def test_a_topology_whose_labels_nobody_carries_is_not_ready() -> None:
    bench = Bench(node("n0"), node("n1"))
    bench.tell(ev.TopologySeen(Topology("typo", (Level("rack", "example.com/rak"),))))
    bench.tick()
    message = "no node has a domain at every level; 2 of 2 nodes lack the label example.com/rak of level rack"
    assert words(bench, "typo") == ("False", "NoNodes", message)
    since = said(bench, "typo").ready.since_seconds
    bench.tell(ev.NodeSeen(node("n2")))
    bench.tick(PAUSE_SECONDS)
    assert "3 of 3 nodes" in words(bench, "typo")[2]
    assert said(bench, "typo").ready.since_seconds == since, "it is as little ready as before"


def test_nodes_without_a_position_in_the_torus_are_counted() -> None:
    torus = Torus("example.com/at", (2, 2), level="rack")
    bench = Bench(labelled("n0", rack="r0", at="1-1"), labelled("n1", rack="r0", at="2-0"), labelled("n2", rack="r0"))
    bench.tell(ev.TopologySeen(Topology("mesh", (Level("rack", "example.com/rack"),), torus)))
    bench.tick()
    message = "2 of 3 nodes have no position in the torus by their label example.com/at"
    assert words(bench, "mesh") == ("True", "NoPosition", message)


def test_flavors_count_a_node_once() -> None:
    bench = Bench(labelled("n0", gpu="h100", zone="a"), labelled("n1", gpu="h100", zone="b"), node("n2"))
    flavors = [
        Flavor("h100", (("example.com/gpu", "h100"),)),
        Flavor("here", (("example.com/gpu", "h100"), ("example.com/zone", "a"))),
        Flavor("in-b", (("example.com/zone", "b"),)),
        Flavor("none", (("example.com/gpu", "h200"), ("example.com/zone", "a"))),
    ]
    bench.tell(*(ev.FlavorSeen(each) for each in flavors))
    bench.tick()
    assert [said(bench, each.name).report.nodes for each in flavors] == [2, 0, 0, 0]
    assert words(bench, "h100") == ("True", "Valid", "")
    elsewhere = "1 of its 1 nodes count for h100, which is first by name"
    assert words(bench, "here") == ("False", "CountedElsewhere", elsewhere)
    assert words(bench, "none") == (
        "False",
        "NoNodes",
        "no node has the labels example.com/gpu=h200, example.com/zone=a",
    )


def test_nothing_is_written_twice_and_seldom() -> None:
    bench = Bench(node("n0"))
    bench.tick()
    count = len(bench.performed(ef.WriteGroupingStatus))
    assert count == 1
    bench.tell(ev.NodeSeen(msgspec.structs.replace(node("n0"), ready=False)))
    bench.tick(PAUSE_SECONDS)
    assert len(bench.performed(ef.WriteGroupingStatus)) == count, "what it says is the same"
    for number in range(1, 9):
        bench.tell(ev.NodeSeen(node(f"n{number}")))
        bench.tick(PAUSE_SECONDS / 4)
    assert len(bench.performed(ef.WriteGroupingStatus)) <= count + 2


def test_what_stands_on_the_server_is_not_written_again_by_a_successor() -> None:
    first = Bench(labelled("n0", block="b0", rack="r0"))
    first.tell(ev.TopologySeen(FABRIC))
    first.tick()
    done = said(first, "fabric")
    stands = GroupingStatus("7", 1, 1, done.ready, done.report)
    second = Bench(labelled("n0", block="b0", rack="r0"))
    second.tell(ev.TopologySeen(FABRIC, stands))
    second.tick()
    assert [each for each in second.performed(ef.WriteGroupingStatus) if each.name == "fabric"] == []
    second.tell(ev.TopologySeen(FABRIC, msgspec.structs.replace(stands, version="8", generation=2)))
    second.tick(PAUSE_SECONDS)
    assert said(second, "fabric").observed_generation == 2, "that its spec was seen is said, too"


def test_a_status_that_comes_back_asks_for_no_decision() -> None:
    bench = Bench(node("n0"))
    bench.tell(ev.TopologySeen(FABRIC))
    before = bench.engine.stirred
    bench.tell(ev.TopologySeen(FABRIC, GroupingStatus("9")))
    assert bench.engine.stirred is before


def test_a_write_that_failed_is_tried_again() -> None:
    bench = Bench(node("n0"))
    bench.lose = [ef.WriteGroupingStatus]
    bench.tick()
    (lost,) = bench.held
    bench.lose = []
    bench.tell(ev.Failed(lost, 403, "no"))
    bench.tick(RETRY_SECONDS / 2)
    assert bench.performed(ef.WriteGroupingStatus) == []
    bench.tick(RETRY_SECONDS)
    assert len(bench.performed(ef.WriteGroupingStatus)) == 1


def test_a_fleet_without_nodes_is_no_trouble() -> None:
    bench = Bench()
    bench.tell(ev.FlavorSeen(Flavor("any")))
    bench.tick()
    assert said(bench, "any").report == GroupingReport(0)
    assert words(bench, "any") == ("False", "EmptyFleet", "there are no nodes")
    assert words(bench, RACKS.name)[:2] == ("False", "NoNodes")
