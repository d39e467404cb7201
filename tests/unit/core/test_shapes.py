"""Slices, leaders, exclusive domains and rank order from PodGroup to bind."""

from __future__ import annotations

import pytest

from scheduler.core.gangs.ranks import rank_of
from scheduler.core.gangs.tree import branches_of, least_pods
from scheduler.core.verify.verify import refusal_of
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.plan import Decision
from scheduler.model.relations import LabelSet
from scheduler.model.topology import Slice, TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member, MemberSpec, NodeCount, Place, PodGroup, SubGroup
from tests.unit.core.world import Bench, group, node, pod, shape

PAIRS = TopologyAsk(slices=(Slice(2, "rack"),))
ALONE = TopologyAsk(required="rack", exclusive="rack")


def asking(name: str, minimum: int, ask: TopologyAsk, **facts: object) -> PodGroup:
    return PodGroup(f"uid-{name}", "team", name, "1", min_member=minimum, topology=ask, **facts)  # type: ignore[arg-type]


def verdict(bench: Bench, name: str) -> str:
    return [each.status.verdict_message for each in bench.performed(ef.WriteStatus) if each.name == name][-1]


def four_racks() -> Bench:
    """Nodes of one GPU: n0 and n4 in rack r0, n1 and n5 in r1, and so on."""
    return Bench(*(node(f"n{number}", 1, rack=f"r{number % 4}") for number in range(8)))


# --- slices -----------------------------------------------------------------------------------------------------------


def test_slices_are_bound_whole() -> None:
    bench = Bench(node("a", 3, rack="r1"), node("b", 3, rack="r2"))
    bench.see(asking("g", 4, PAIRS), *(pod(f"g-{number}", group="g") for number in range(4)))
    assert sorted(bench.nodes_of("g-0", "g-1", "g-2", "g-3")) == ["a", "a", "b", "b"]


def test_a_gang_whose_slices_do_not_fit_says_how_many_do() -> None:
    bench = Bench(node("a", 3, rack="r1"), node("b", 1, rack="r2"))
    bench.see(asking("g", 4, PAIRS), *(pod(f"g-{number}", group="g") for number in range(4)))
    bench.tick()
    assert bench.nodes_of("g-0") == [""]
    assert "1 of 2 slices of 2 fit, each in one rack" in verdict(bench, "g")


def test_a_place_lost_from_a_slice_is_made_up_in_its_rack() -> None:
    bench = Bench(node("a", 2, rack="r1"), node("b", 1, rack="r2"), node("c", 1, rack="r2"), node("d", 1, rack="r2"))
    bench.see(asking("g", 4, PAIRS), *(pod(f"g-{number}", group="g") for number in range(4)))
    lost = next(name for name in ("g-0", "g-1", "g-2", "g-3") if bench.nodes_of(name)[0] in ("b", "c", "d"))
    gone = bench.nodes_of(lost)[0]
    bench.tell(ev.NodeGone(gone), ev.PodGone(f"uid-{lost}"))
    bench.see(pod("g-new", group="g"))
    assert bench.nodes_of("g-new")[0] in {"b", "c", "d"} - {gone}


# --- leader -----------------------------------------------------------------------------------------------------------


def test_the_leader_stands_beside_a_slice_of_the_others() -> None:
    bench = Bench(node("a", 2, rack="r1"), node("b", 4, rack="r2"))
    members = (
        MemberSpec("lead", count=1, shape=shape(1)),
        MemberSpec("work", count=3, shape=shape(1)),
    )
    led = PodGroup(
        "uid-g",
        "team",
        "g",
        "1",
        members=members,
        leader="lead",
        topology=TopologyAsk(slices=(Slice(3, "rack"),)),
    )
    bench.see(led, pod("g-l", group="g", member="lead"), *(pod(f"g-{n}", group="g", member="work") for n in range(3)))
    assert bench.nodes_of("g-l", "g-0", "g-1", "g-2") == ["b", "b", "b", "b"]


# --- exclusive domains ------------------------------------------------------------------------------------------------


def test_nobody_joins_a_gang_in_its_exclusive_rack() -> None:
    bench = Bench(node("a", 8, rack="r1"), node("b", 2, rack="r2"))
    bench.see(asking("alone", 3, ALONE), *(pod(f"alone-{n}", group="alone") for n in range(3)))
    bench.see(group("other", 3), *(pod(f"other-{n}", group="other") for n in range(3)))
    assert set(bench.nodes_of("alone-0", "alone-1", "alone-2")) == {"a"}
    assert bench.nodes_of("other-0") == [""]
    bench.tick()
    assert "closed to it" in verdict(bench, "other")
    bench.see(pod("single"))
    assert bench.nodes_of("single") != [""], "a pod without a PodGroup is no gang"


def test_an_exclusive_rack_is_one_that_no_other_gang_uses() -> None:
    bench = Bench(node("a", 8, rack="r1"), node("b", 8, rack="r2"))
    bench.see(group("other", 1), pod("other-0", group="other"))
    bench.see(asking("alone", 1, ALONE), pod("alone-0", group="alone"))
    assert set(bench.nodes_of("other-0", "alone-0")) == {"a", "b"}
    bench.see(asking("late", 1, ALONE), pod("late-0", group="late"))
    assert bench.nodes_of("late-0") == [""]


def test_a_decision_into_a_rack_that_was_taken_meanwhile_is_refused() -> None:
    bench = Bench(node("a", 8, rack="r1"))
    bench.see(asking("alone", 1, ALONE), pod("alone-0", group="alone"))
    members = (Member("pods", shape(1), 1, 1),)
    intruder = Gang(GangKey("team/x"), "x", "default", 0, 0.0, members, (Branch("", -1, 1),))
    decision = Decision(intruder.key, (Place("pods", (NodeCount("a", 1),)),))
    refusal = refusal_of(bench.engine.store, None, intruder, decision)
    assert refusal is not None
    assert (refusal.term, refusal.code) == ("exclusive-domains", "Shared")


# --- rank order -------------------------------------------------------------------------------------------------------


def test_consecutive_ranks_get_neighbouring_places() -> None:
    bench = four_racks()
    ranked = asking("g", 8, TopologyAsk(), rank_label="rank")
    shuffled = (3, 0, 7, 4, 1, 6, 2, 5)
    labels = {n: LabelSet("team", (("rank", str(n)),)) for n in shuffled}
    bench.see(ranked, *(pod(f"g-x{n}", group="g", label_set=labels[n]) for n in shuffled))
    assert bench.nodes_of(*(f"g-x{n}" for n in range(8))) == ["n0", "n4", "n1", "n5", "n2", "n6", "n3", "n7"]


def test_a_replacement_gets_the_place_of_its_rank() -> None:
    bench = four_racks()
    bench.see(asking("g", 8, TopologyAsk(), rank_label="rank"), *(pod(f"g-{n}", group="g") for n in range(8)))
    bench.tell(ev.PodGone("uid-g-2"), ev.PodGone("uid-g-5"))
    bench.see(pod("again-5", group="g"), pod("again-2", group="g"))
    assert bench.nodes_of("again-2", "again-5") == ["n1", "n6"]


@pytest.mark.parametrize(
    ("labels", "name", "rank"),
    [
        ((("rank", "3"), ("apps.kubernetes.io/pod-index", "1")), "g-9", 3),
        ((("apps.kubernetes.io/pod-index", "1"),), "g-9", 1),
        ((("leaderworkerset.sigs.k8s.io/worker-index", "4"),), "g-0-9", 4),
        ((("rank", "third"),), "g-9", 9),
        ((), "g-abc", None),
    ],
)
def test_where_a_rank_comes_from(labels: tuple[tuple[str, str], ...], name: str, rank: int | None) -> None:
    assert rank_of(pod(name, label_set=LabelSet("team", labels)), "rank") == rank


# --- trees ------------------------------------------------------------------------------------------------------------


def test_a_tree_that_counts_nothing_needs_all_of_it() -> None:
    subs = (SubGroup("a"), SubGroup("a0", "a", min_member=2), SubGroup("a1", "a", min_member=3), SubGroup("b"))
    tree = PodGroup("u", "team", "g", "1", sub_groups=subs)
    found = branches_of(tree, {"b-123abc": 4, "a0-123abc": 2})
    assert [(each.name, each.parent, each.minimum, each.min_branches) for each in found] == [
        ("", -1, 0, 2),
        ("a", 0, 0, 2),
        ("a0", 1, 2, 0),
        ("a1", 1, 3, 0),
        ("b", 0, 4, 0),
    ]
    assert least_pods(tree, {"b-123abc": 4, "a0-123abc": 2}) == 9


def test_min_sub_group_takes_the_cheapest_branches() -> None:
    subs = (SubGroup("a", min_member=2), SubGroup("b", min_member=3), SubGroup("c", min_member=4))
    tree = PodGroup("u", "team", "g", "1", sub_groups=subs, min_sub_group=2)
    assert least_pods(tree, {}) == 5


@pytest.mark.parametrize(("minimum", "pods"), [(0, 2), (1, 2), (3, 0)])
def test_min_member_0_makes_all_pods_optional_as_1_does(minimum: int, pods: int) -> None:
    """Three pods, and room for two."""
    bench = Bench(node("n0", gpus=2))
    bench.see(group("g", minimum), *(pod(f"g-{index}", group="g") for index in range(3)))
    assert bench.nodes_of("g-0", "g-1", "g-2").count("n0") == pods


def test_min_member_of_a_subgroup_says_how_many_of_its_members_are_enough() -> None:
    members = (MemberSpec("work", count=4, shape=shape(1), sub_group="a"),)
    tree = PodGroup("u", "team", "g", "1", members=members, sub_groups=(SubGroup("a", min_member=2),))
    assert least_pods(tree, {}) == 2
