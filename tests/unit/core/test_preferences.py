"""What pods prefer without requiring it: followed where it costs nothing else, and never a reason to wait."""

from __future__ import annotations

from typing import Any

from scheduler.model.work import Pod
from tests.unit.core.objects import Raw, node, pod, spread
from tests.unit.core.test_relations import HOST, ZONES, bench, many, observed, places, zones
from tests.unit.core.world import group


def soft(kind: str, key: str, app: str, weight: int = 50) -> Raw:
    """``affinity`` with a preferred term about pods with the label ``app``."""
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    weighted = {"weight": weight, "podAffinityTerm": term}
    return {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}}}


def prefers(weight: int, key: str, value: str) -> Raw:
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
    weighted = {"weight": weight, "preference": term}
    return {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}}}


def advised(name: str, **labels: str) -> Raw:
    return node(name, taints=[{"key": "spot", "value": "yes", "effect": "PreferNoSchedule"}], **labels)


def running(app: str, on: str, number: int = 0) -> Pod:
    return observed(pod(f"{app}-on-{on}-{number}", on, labels={"app": app}))


def anyway(key: str, app: str, **more: Any) -> Raw:
    return {"topologySpreadConstraints": [spread(key, app, whenUnsatisfiable="ScheduleAnyway", **more)]}


def test_a_preferred_node_is_taken_while_it_has_room_and_others_after_it() -> None:
    world = bench(*ZONES)
    world.see(*many(10, **prefers(10, "kubernetes.io/hostname", "c2")))
    taken = list(places(world).values())
    assert (len(taken), taken.count("c2")) == (10, 8)


def test_the_heavier_preference_wins() -> None:
    terms = [prefers(30, "zone", "a"), prefers(60, "zone", "b"), prefers(40, "zone", "c")]
    key = "preferredDuringSchedulingIgnoredDuringExecution"
    both = [each["affinity"]["nodeAffinity"][key][0] for each in terms]
    world = bench(*ZONES)
    world.see(*many(1, affinity={"nodeAffinity": {key: both}}))
    assert zones(world) == {"b": 1}


def test_an_empty_preferred_term_says_nothing() -> None:
    key = "preferredDuringSchedulingIgnoredDuringExecution"
    empty = {"nodeAffinity": {key: [{"weight": 5, "preference": {}}]}}
    world = bench(*ZONES)
    world.see(*many(1, affinity=empty))
    assert len(places(world)) == 1


def test_nodes_with_a_soft_taint_come_last_unless_it_is_tolerated() -> None:
    world = bench(advised("a1", zone="a"), node("b1", zone="b"))
    world.see(*many(9))
    assert zones(world) == {"b": 8, "a": 1}
    world = bench(advised("a1", zone="a"), node("b1", zone="b"))
    world.see(running("web", "a1"), *many(3, tolerations=[{"operator": "Exists"}]))
    assert zones(world)["a"] == 4


def test_pods_that_would_rather_be_apart_are_and_share_when_they_must() -> None:
    world = bench(*ZONES)
    world.see(*many(9, **soft("podAntiAffinity", HOST, "web")))
    taken = list(places(world).values())
    assert sorted(taken.count(each) for each in set(taken)) == [1, 1, 1, 2, 2, 2]


def test_pods_that_would_rather_be_together_are_and_part_when_they_must() -> None:
    world = bench(*ZONES)
    world.see(running("db", "b2"), *many(20, **soft("podAffinity", "zone", "db")))
    assert zones(world) == {"b": 16, "a": 5} or zones(world) == {"b": 16, "c": 5}


def test_who_comes_alone_goes_by_who_stands() -> None:
    world = bench(*ZONES)
    world.see(running("db", "c1"), *many(1, **soft("podAffinity", "zone", "db")))
    assert zones(world) == {"c": 2}
    world = bench(*ZONES)
    world.see(running("db", "a1"), running("db", "b1"), *many(1, **soft("podAntiAffinity", "zone", "db")))
    assert zones(world)["c"] == 1


def test_a_soft_spread_levels_what_stands_and_what_comes() -> None:
    world = bench(*ZONES)
    world.see(running("web", "a1"), running("web", "a1", 1), *many(7, **anyway("zone", "web")))
    assert zones(world) == {"a": 3, "b": 3, "c": 3}


def test_a_soft_spread_never_keeps_a_pod_waiting_and_avoids_nodes_without_the_key() -> None:
    world = bench(node("a1", zone="a"), node("x1"))
    world.see(*many(12, **anyway("zone", "web")))
    assert sorted(places(world).values()) == ["a1"] * 8 + ["x1"] * 4


def test_a_gang_is_spread_softly_inside_the_zone_that_it_needs() -> None:
    world = bench(*ZONES)
    world.see(group("wide", 6), *many(6, gang="wide", **anyway(HOST, "web")))
    assert sorted(places(world).values()) == [each["metadata"]["name"] for each in ZONES]


def test_pods_of_one_gang_that_only_a_preference_tells_apart_are_decided_on() -> None:
    """A preference of another pod looks at a label that tells the gang's pods apart."""
    world = bench(*ZONES)
    lookers = [observed(pod("eye", labels={"app": "eye"}, **soft("podAntiAffinity", "zone", "web-1")))]
    gang = [observed(pod(f"web-{number}", labels={"app": f"web-{number}"}), "wide") for number in range(2)]
    world.see(*lookers, group("wide", 2), *gang)
    assert len(places(world)) == 3
