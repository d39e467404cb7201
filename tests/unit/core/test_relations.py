"""Pods that look at one another, decided together: what is bound is what Kubernetes would have allowed one by one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.work import MemberSpec, Pod
from tests.unit.core.objects import Raw, apart, events, near, node, pod, spread
from tests.unit.core.world import Bench, group

HOST = "kubernetes.io/hostname"
ZONES = tuple(node(f"{zone}{number}", zone=zone) for zone in "abc" for number in (1, 2))


def bench(*nodes: Raw) -> Bench:
    return Bench(*(event.node for event in events(*nodes) if isinstance(event, ev.NodeSeen)))


def observed(raw: Raw, gang: str = "") -> Pod:
    (event,) = events(raw)
    assert isinstance(event, ev.PodSeen)
    return msgspec.structs.replace(event.pod, group=gang)


def places(world: Bench) -> dict[str, str]:
    return {each.name: each.node for each in world.pods.values() if each.node}


def zones(world: Bench) -> Counter[str]:
    return Counter(on[0] for on in places(world).values())


def many(count: int, app: str = "web", *, gang: str = "", first: int = 0, **spec: Any) -> list[Pod]:
    pods = (pod(f"{app}-{number}", labels={"app": app}, **spec) for number in range(first, first + count))
    return [observed(each, gang) for each in pods]


def test_single_pods_that_avoid_their_like_get_nodes_of_their_own() -> None:
    world = bench(*ZONES)
    world.see(*many(8, **apart(HOST, "web")))
    assert sorted(places(world).values()) == [each["metadata"]["name"] for each in ZONES]
    world.see(*many(1, first=8, **apart(HOST, "web")))
    world.tick()
    assert "6 near pods it must be apart from" in world.performed(ef.MarkPod)[-1].message


def test_a_gang_that_is_apart_by_node_fits_or_waits_as_a_whole() -> None:
    world = bench(*ZONES)
    world.see(group("wide", 7), *many(7, gang="wide", **apart(HOST, "web")))
    assert places(world) == {}
    world = bench(*ZONES)
    world.see(group("wide", 6), *many(6, gang="wide", **apart(HOST, "web")))
    assert len(set(places(world).values())) == 6


def test_a_gang_that_is_apart_by_zone_has_one_pod_in_each() -> None:
    world = bench(*ZONES)
    world.see(group("wide", 3), *many(3, gang="wide", **apart("zone", "web")))
    assert zones(world) == {"a": 1, "b": 1, "c": 1}


def test_who_avoids_others_is_kept_from_them_in_the_same_plan_whoever_comes_first() -> None:
    for names in (("web", "db"), ("db", "web")):
        world = bench(*ZONES[:4])
        asks: dict[str, dict[str, Any]] = {"web": {}, "db": apart("zone", "web")}
        world.see(*(each for name in names for each in many(2, name, **asks[name])))
        sides = {app: {on[0] for each, on in places(world).items() if each.startswith(app)} for app in asks}
        assert len(places(world)) == 4
        assert not sides["web"] & sides["db"]


def test_a_host_port_is_given_once_per_node() -> None:
    world = bench(*ZONES)
    ports = [{"containerPort": 80, "hostPort": 80}]
    world.see(*many(7, ports=ports))
    assert sorted(places(world).values()) == [each["metadata"]["name"] for each in ZONES]


def test_wildcard_and_single_addresses_share_a_port_as_far_as_they_may() -> None:
    world = bench(ZONES[0])
    addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.1", ""]
    world.see(
        *(
            observed(pod(f"p{number}", ports=[{"containerPort": 80, "hostPort": 80, "hostIP": address}]))
            for number, address in enumerate(addresses)
        )
    )
    assert sorted(places(world)) == ["p0", "p1"]


def test_pods_are_spread_over_zones_one_by_one() -> None:
    world = bench(*ZONES)
    world.see(*many(7, topologySpreadConstraints=[spread("zone", "web")]))
    assert sorted(zones(world).values()) == [2, 2, 3]
    world.see(*many(2, first=7, topologySpreadConstraints=[spread("zone", "web")]))
    assert zones(world) == {"a": 3, "b": 3, "c": 3}


def test_a_spread_counts_what_stands_and_what_is_full() -> None:
    world = bench(*ZONES[:4])
    world.see(*(observed(pod(f"old-{number}", "a1", labels={"app": "web"})) for number in range(3)))
    world.see(*many(9, topologySpreadConstraints=[spread("zone", "web")]))
    assert zones(world) == {"a": 6, "b": 6}


def test_a_gang_keeps_zone_and_node_spread_at_once() -> None:
    world = bench(*ZONES)
    both = [spread("zone", "web"), spread(HOST, "web")]
    world.see(group("even", 9), *many(9, gang="even", topologySpreadConstraints=both))
    assert zones(world) == {"a": 3, "b": 3, "c": 3}
    assert set(Counter(places(world).values()).values()) == {1, 2}


def test_min_domains_holds_back_what_too_few_zones_cannot_spread() -> None:
    world = bench(*ZONES[:4])
    world.see(*many(4, topologySpreadConstraints=[spread("zone", "web", minDomains=3)]))
    assert zones(world) == {"a": 1, "b": 1}


def test_a_group_that_needs_its_like_begins_in_one_zone_that_holds_it_all() -> None:
    small = (node("a1", zone="a"), node("b1", zone="b"), node("b2", zone="b"))
    world = bench(*small)
    world.see(group("close", 12), *many(12, gang="close", **near("zone", "web")))
    assert zones(world) == {"b": 12}


def test_single_pods_that_need_their_like_gather() -> None:
    world = bench(*ZONES)
    world.see(*many(12, **near("zone", "web")))
    assert list(zones(world).values()) == [12]


def test_pods_follow_those_they_need_in_the_same_plan() -> None:
    world = bench(*ZONES)
    world.see(*many(1, "db"), *many(4, "web", **near("zone", "db")))
    assert len(places(world)) == 5
    assert len(zones(world)) == 1


def test_who_needs_what_nobody_brings_waits_with_the_reason() -> None:
    world = bench(*ZONES)
    world.see(*many(2, "web", **near("zone", "db")))
    world.tick()
    assert places(world) == {}
    (said,) = {each.message for each in world.performed(ef.MarkPod)}
    assert "6 without the pods it must be near" in said


def test_roles_of_one_gang_may_need_and_avoid_one_another() -> None:
    world = bench(*ZONES)
    both: Raw = {"affinity": {**near("zone", "ps")["affinity"], **apart(HOST, "ps")["affinity"]}}
    world.see(group("train", 5), *many(1, "ps", gang="train"), *many(4, "worker", gang="train", **both))
    assert len(places(world)) == 5
    assert len(zones(world)) == 1
    on = places(world)["ps-0"]
    assert [each for each, other in places(world).items() if other == on] == ["ps-0"]


def test_places_that_are_committed_count_before_their_pods_are_bound() -> None:
    world = bench(*ZONES[:4])
    world.lose = [ef.Bind]
    world.see(group("first", 2), *many(2, gang="first", **apart("zone", "web")))
    assert len(world.held) == 2
    world.lose = []
    world.see(group("second", 1), *many(1, "other", gang="second", **apart("zone", "web")))
    assert places(world) == {}


def test_pods_of_a_gang_that_come_later_see_the_earlier_ones() -> None:
    world = bench(*ZONES)
    world.see(group("grows", 2), *many(2, gang="grows", **apart("zone", "web")))
    world.see(*many(1, gang="grows", first=2, **apart("zone", "web")))
    assert zones(world) == {"a": 1, "b": 1, "c": 1}
    world.see(*many(1, gang="grows", first=3, **apart("zone", "web")))
    assert len(places(world)) == 3


def test_pods_of_one_member_that_selectors_tell_apart_are_not_decided_on() -> None:
    world = bench(*ZONES)
    world.see(observed(pod("old", "a1", **apart("zone", "web"))))
    red, blue = (observed(pod(name, labels={"app": name}), "mixed") for name in ("web", "blue"))
    world.see(group("mixed", 2), red, blue)
    world.tick()
    assert "old" in places(world)
    assert len(places(world)) == 1
    said = {each.message for each in world.performed(ef.MarkPod)}
    assert any("differ in labels" in each for each in said)


def test_what_was_decided_is_checked_again_on_what_stands_by_then() -> None:
    """A pod of another scheduler comes between the decision and its effect."""
    world = bench(*ZONES[:2])
    world.lose = [ef.Commit]
    world.see(group("late", 1), *many(1, gang="late", **apart("zone", "web")))
    assert len(world.held) == 1
    world.see(observed(pod("foreign", "a2", labels={"app": "web"}, ours=False)))
    world.lose = []
    for effect in world.held:
        world.tell(*world._perform(effect))
    assert places(world) == {"foreign": "a2"}


def test_a_template_that_asks_something_of_other_pods_promises_nothing() -> None:
    """What such pods ask goes by their labels, and a template has none."""
    world = bench(*ZONES)
    plain = observed(pod("none")).shape
    asking = observed(pod("none", **apart("zone", "web"))).shape
    for name, of in (("plain", plain), ("asking", asking)):
        world.see(group(name, 2, members=(MemberSpec("worker", 2, 2, of),)))
    assert [each.name for each in world.performed(ef.Commit)] == ["plain"]
    world.see(*many(2, gang="asking", **apart("zone", "web")))
    assert len(zones(world)) == 2


def test_who_must_be_near_later_work_is_decided_on_again_when_that_is_placed() -> None:
    world = bench(*ZONES)
    world.see(*many(2, "web", **near("zone", "db")), *many(1, "db"))
    assert len(places(world)) == 3
    assert len(zones(world)) == 1
