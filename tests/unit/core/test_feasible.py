"""What a pod may be bound to beside the pods that stand already: the rules of kube-scheduler, one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.core.objects import Raw, accepted, apart, namespace, near, node, pod, spread

HOST = "kubernetes.io/hostname"
WEB = {"app": "web"}
FLEET = (node("a1", zone="a"), node("a2", zone="a"), node("b1", zone="b"), node("bare"))


def port(number: int, ip: str = "", protocol: str = "TCP") -> list[Raw]:
    return [{"containerPort": number, "hostPort": number, "hostIP": ip, "protocol": protocol}]


# --- host ports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "wanted", "conflict"),
    [
        (port(80), port(80), True),
        (port(80), port(81), False),
        (port(80), port(80, protocol="UDP"), False),
        (port(80, "10.0.0.1"), port(80, "10.0.0.2"), False),
        (port(80, "10.0.0.1"), port(80, "10.0.0.1"), True),
        (port(80, "10.0.0.1"), port(80), True),
        (port(80, "0.0.0.0"), port(80, "10.0.0.1"), True),
    ],
)
def test_a_host_port_is_taken_by_protocol_number_and_address(
    taken: list[Raw], wanted: list[Raw], conflict: bool
) -> None:
    found = accepted(pod("new", ports=wanted), node("n1"), node("n2"), pod("old", "n1", ports=taken, ours=False))
    assert found == (["n2"] if conflict else ["n1", "n2"])


def test_the_ports_of_sidecars_count_and_those_of_other_init_containers_do_not() -> None:
    sidecar = {"name": "s", "restartPolicy": "Always", "ports": port(80)}
    once = {"name": "i", "ports": port(80)}
    fleet = (node("n1"), node("n2"))
    assert accepted(pod("new", ports=port(80)), *fleet, pod("old", "n1", initContainers=[sidecar])) == ["n2"]
    assert accepted(pod("new", ports=port(80)), *fleet, pod("old", "n1", initContainers=[once])) == ["n1", "n2"]


# --- anti-affinity ----------------------------------------------------------------------------------------------------


def test_a_pod_keeps_away_from_the_domains_of_those_it_avoids() -> None:
    assert accepted(pod("new", **apart("zone", "web")), *FLEET, pod("old", "a1", labels=WEB)) == ["b1", "bare"]
    assert accepted(pod("new", **apart(HOST, "web")), *FLEET, pod("old", "a1", labels=WEB)) == ["a2", "b1", "bare"]


def test_a_pod_is_kept_away_by_those_that_avoid_it() -> None:
    old = pod("old", "a1", ours=False, **apart("zone", "web"))
    assert accepted(pod("new", labels=WEB), *FLEET, old) == ["b1", "bare"]
    assert accepted(pod("new"), *FLEET, old) == ["a1", "a2", "b1", "bare"]


def test_a_pod_that_is_being_deleted_keeps_others_away_until_it_is_gone() -> None:
    old = pod("old", "a1", labels=WEB, leaving=True)
    assert accepted(pod("new", **apart("zone", "web")), *FLEET, old) == ["b1", "bare"]


def test_a_domain_needs_the_key_on_the_node_of_the_pod_that_stands() -> None:
    assert accepted(pod("new", **apart("zone", "web")), *FLEET, pod("old", "bare", labels=WEB)) == [
        "a1",
        "a2",
        "b1",
        "bare",
    ]


@pytest.mark.parametrize(
    ("more", "kept_away"),
    [
        ({}, False),
        ({"namespaces": ["other"]}, True),
        ({"namespaces": ["third"]}, False),
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {"matchLabels": {"kind": "prod"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"kind": "test"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kind": "test"}}, "namespaces": ["other"]}, True),
    ],
)
def test_a_term_means_its_own_namespace_unless_it_says_otherwise(more: Raw, kept_away: bool) -> None:
    fleet = (node("n1"), node("n2"), namespace("team"), namespace("other", kind="prod"))
    avoiding = pod("new", **apart(HOST, "web", **more))
    assert accepted(avoiding, *fleet, pod("old", "n1", labels=WEB, namespace="other")) == (
        ["n2"] if kept_away else ["n1", "n2"]
    )
    avoided = pod("new", labels=WEB, namespace="other")
    assert accepted(avoided, *fleet, pod("old", "n1", **apart(HOST, "web", **more))) == (
        ["n2"] if kept_away else ["n1", "n2"]
    )


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({}, True),
        (None, False),
    ],
)
def test_every_operator_of_a_label_selector(selector: Raw | None, matched: bool) -> None:
    term = {"topologyKey": HOST, "labelSelector": selector}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    found = accepted(pod("new", affinity=affinity), node("n1"), node("n2"), pod("old", "n1", labels=WEB))
    assert found == (["n2"] if matched else ["n1", "n2"])


# --- affinity ---------------------------------------------------------------------------------------------------------


def test_a_pod_goes_where_those_it_needs_are() -> None:
    assert accepted(pod("new", **near("zone", "web")), *FLEET, pod("old", "a1", labels=WEB)) == ["a1", "a2"]
    assert accepted(pod("new", **near(HOST, "web")), *FLEET, pod("old", "a1", labels=WEB)) == ["a1"]
    assert accepted(pod("new", **near("zone", "web")), *FLEET) == []


def test_the_first_of_a_group_may_go_anywhere_with_the_keys() -> None:
    first = pod("new", labels=WEB, **near("zone", "web"))
    assert accepted(first, *FLEET) == ["a1", "a2", "b1"]
    assert accepted(first, *FLEET, pod("old", "b1", labels=WEB)) == ["b1"]
    # A match on a node without any of the keys is none.
    assert accepted(first, *FLEET, pod("old", "bare", labels=WEB)) == ["a1", "a2", "b1"]


def test_all_terms_are_met_by_pods_that_match_all_of_them() -> None:
    terms = [
        {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}},
        {"topologyKey": HOST, "labelSelector": {"matchLabels": {"tier": "front"}}},
    ]
    needing = pod("new", affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
    halves = (pod("web", "a1", labels=WEB), pod("front", "a2", labels={"tier": "front"}))
    assert accepted(needing, *FLEET, *halves) == []
    assert accepted(needing, *FLEET, *halves, pod("both", "a2", labels={**WEB, "tier": "front"})) == ["a2"]


def test_match_label_keys_stand_for_the_pods_own_values() -> None:
    new = pod("new", labels={"app": "web", "version": "2"}, **near("zone", "web", matchLabelKeys=["version"]))
    old = pod("old", "a1", labels={"app": "web", "version": "1"})
    assert accepted(new, *FLEET, old) == ["a1", "a2", "b1"], "the first of version 2"
    new = pod("new", labels={"app": "web", "version": "2"}, **apart("zone", "web", mismatchLabelKeys=["version"]))
    assert accepted(new, *FLEET, old) == ["b1", "bare"]
    assert accepted(new, *FLEET, pod("old", "a1", labels={"app": "web", "version": "2"})) == ["a1", "a2", "b1", "bare"]


# --- spread -----------------------------------------------------------------------------------------------------------


def spreading(*constraints: Raw, labels: dict[str, str] | None = None, **spec: Any) -> Raw:
    own = WEB if labels is None else labels
    return pod("new", labels=own, topologySpreadConstraints=list(constraints), **spec)


def web(*nodes: str, **facts: Any) -> list[Raw]:
    return [pod(f"w{number}", name, labels=WEB, **facts) for number, name in enumerate(nodes)]


def test_no_domain_may_be_further_above_the_emptiest_than_the_skew() -> None:
    assert accepted(spreading(spread("zone", "web")), *FLEET, *web("a1")) == ["b1"]
    assert accepted(spreading(spread("zone", "web", 2)), *FLEET, *web("a1")) == ["a1", "a2", "b1"]
    assert accepted(spreading(spread("zone", "web", 2)), *FLEET, *web("a1", "a2")) == ["b1"]


def test_a_pod_that_does_not_match_itself_adds_nothing() -> None:
    assert accepted(spreading(spread("zone", "web"), labels={}), *FLEET, *web("a1")) == ["a1", "a2", "b1"]


def test_pods_being_deleted_and_pods_of_other_namespaces_are_not_counted() -> None:
    constraint = spread("zone", "web")
    assert accepted(spreading(constraint), *FLEET, *web("a1", leaving=True)) == ["a1", "a2", "b1"]
    other = pod("old", "a1", labels=WEB, namespace="other")
    assert accepted(spreading(constraint), *FLEET, other) == ["a1", "a2", "b1"]


def test_with_fewer_domains_than_asked_for_the_emptiest_is_empty() -> None:
    assert accepted(spreading(spread("zone", "web", minDomains=3)), *FLEET, *web("a1", "b1")) == []
    assert accepted(spreading(spread("zone", "web", minDomains=2)), *FLEET, *web("a1", "b1")) == ["a1", "a2", "b1"]


def test_nodes_outside_the_pods_node_affinity_do_not_count_unless_told_so() -> None:
    selector = {"nodeSelector": {"pool": "x"}}
    fleet = (node("a1", zone="a", pool="x"), node("b1", zone="b", pool="x"), node("c1", zone="c"))
    busy = web("a1", "b1")
    assert accepted(spreading(spread("zone", "web"), **selector), *fleet, *busy) == ["a1", "b1"]
    ignored = spread("zone", "web", nodeAffinityPolicy="Ignore")
    assert accepted(spreading(ignored, **selector), *fleet, *busy) == []


def test_tainted_nodes_count_unless_told_otherwise() -> None:
    taint = [{"key": "team", "value": "ml", "effect": "NoSchedule"}]
    fleet = (node("a1", zone="a"), node("b1", zone="b", taints=taint))
    assert accepted(spreading(spread("zone", "web")), *fleet, *web("a1")) == []
    honoured = spread("zone", "web", nodeTaintsPolicy="Honor")
    assert accepted(spreading(honoured), *fleet, *web("a1")) == ["a1"]


def test_only_nodes_with_the_keys_of_all_constraints_count() -> None:
    fleet = (node("a1", zone="a", rack="1"), node("b1", zone="b", rack="2"), node("c1", zone="c"))
    both = (spread("zone", "web"), spread("rack", "web"))
    assert accepted(spreading(*both), *fleet, *web("a1")) == ["b1"]
    assert accepted(spreading(*both), *fleet, *web("a1", "b1")) == ["a1", "b1"], "zone c counts for neither"


def test_match_label_keys_of_a_constraint_tell_versions_apart() -> None:
    constraint = spread("zone", "web", matchLabelKeys=["version"])
    new = spreading(constraint, labels={"app": "web", "version": "2"})
    assert accepted(new, *FLEET, pod("old", "a1", labels={"app": "web", "version": "1"})) == ["a1", "a2", "b1"]
    assert accepted(new, *FLEET, pod("old", "a1", labels={"app": "web", "version": "2"})) == ["b1"]


def test_soft_constraints_refuse_nothing() -> None:
    soft = spread("zone", "web", whenUnsatisfiable="ScheduleAnyway")
    assert accepted(spreading(soft), *FLEET, *web("a1")) == ["a1", "a2", "b1", "bare"]


# --- what stands changes ----------------------------------------------------------------------------------------------


def test_a_finished_pod_counts_nowhere() -> None:
    done = pod("old", "a1", labels=WEB, ports=port(80), **apart("zone", "web"))
    done["status"]["phase"] = "Succeeded"
    new = pod("new", labels=WEB, ports=port(80), **apart("zone", "web"))
    assert accepted(new, *FLEET, done) == ["a1", "a2", "b1", "bare"]


def test_what_was_seen_last_counts() -> None:
    old, renamed = pod("old", "a1", labels=WEB), pod("old", "b1", labels=WEB)
    assert accepted(pod("new", **apart("zone", "web")), *FLEET, old, renamed) == ["a1", "a2", "bare"]
    unlabelled = pod("old", "b1")
    assert accepted(pod("new", **apart("zone", "web")), *FLEET, renamed, unlabelled) == ["a1", "a2", "b1", "bare"]
