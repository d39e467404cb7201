"""Each filter refuses what kube-scheduler's plugin of that purpose refuses, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from scheduler.model.selector import Requirement
from scheduler.model.shape import NodeTerm, Shape, Taint, Toleration
from tests.unit.solver.small import node, refused, shape

PLAIN = shape()


def affine(*terms: NodeTerm, selector: tuple[tuple[str, str], ...] = ()) -> Shape:
    return msgspec.structs.replace(PLAIN, node_affinity=terms or None, node_selector=selector)


def expression(key: str, operator: str, *values: str) -> NodeTerm:
    return NodeTerm(expressions=(Requirement(key, operator, values),))


def test_an_unmodelled_feature_is_refused_everywhere() -> None:
    assert refused("modelled", msgspec.structs.replace(PLAIN, unmodelled=("hostPort",)), node("a"), node("b")) == [
        "a",
        "b",
    ]
    assert refused("modelled", PLAIN, node("a")) == []


def test_a_cordoned_node_takes_only_what_tolerates_it() -> None:
    nodes = (node("a"), node("b", unschedulable=True))
    assert refused("unschedulable", PLAIN, *nodes) == ["b"]
    assert refused("unschedulable", shape(tolerations=(Toleration("", "Exists"),)), *nodes) == []
    daemon = Toleration("node.kubernetes.io/unschedulable", "Exists", effect="NoSchedule")
    assert refused("unschedulable", shape(tolerations=(daemon,)), *nodes) == []


def test_a_node_that_is_not_ready_counts_as_tainted() -> None:
    nodes = (node("a"), node("b", ready=False))
    assert refused("ready", PLAIN, *nodes) == ["b"]
    patient = Toleration("node.kubernetes.io/not-ready", "Exists")
    assert refused("ready", shape(tolerations=(patient,)), *nodes) == []
    gone = Taint("node.kubernetes.io/unreachable", "", "NoSchedule")
    assert refused("ready", PLAIN, node("c", ready=False, taints=(gone,))) == [], "its taint decides who may stay"
    late = Toleration("node.kubernetes.io/not-ready", "Exists", effect="NoExecute")
    assert refused("ready", shape(tolerations=(late,)), *nodes) == ["b"]


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration("team", "Equal", "ml"), True),
        (Toleration("team", "", "ml"), True),
        (Toleration("team", "Equal", "web"), False),
        (Toleration("team", "Exists"), True),
        (Toleration("", "Exists"), True),
        (Toleration("", "Equal", "ml"), False),
        (Toleration("team", "Equal", "ml", "NoSchedule"), True),
        (Toleration("team", "Equal", "ml", "NoExecute"), False),
        (Toleration("other", "Exists"), False),
        (Toleration("team", "Gt", "1"), False),
    ],
)
def test_a_taint_is_tolerated_by_effect_key_and_value(toleration: Toleration, tolerated: bool) -> None:
    tainted = node("a", taints=(Taint("team", "ml", "NoSchedule"),))
    assert refused("taints", shape(tolerations=(toleration,)), tainted) == ([] if tolerated else ["a"])


@pytest.mark.parametrize(
    ("operator", "bound", "tolerated"),
    [
        ("Lt", "6", True),
        ("Lt", "5", False),
        ("Gt", "-1", True),
        ("Gt", "5", False),
        ("Gt", "04", False),
        ("Gt", "low", False),
        ("Gt", "-9223372036854775809", False),
    ],
)
def test_a_numeric_toleration_compares_the_value_of_the_taint(operator: str, bound: str, tolerated: bool) -> None:
    tainted = node("a", taints=(Taint("risk", "5", "NoSchedule"),))
    pod = shape(tolerations=(Toleration("risk", operator, bound),))
    assert refused("taints", pod, tainted) == ([] if tolerated else ["a"])
    assert refused("taints", pod, node("a", taints=(Taint("risk", "five", "NoSchedule"),))) == ["a"]


def test_every_hard_taint_needs_a_toleration_and_advice_needs_none() -> None:
    both = node("a", taints=(Taint("x", "", "NoSchedule"), Taint("y", "", "NoExecute")))
    advice = node("b", taints=(Taint("z", "", "PreferNoSchedule"),))
    assert refused("taints", PLAIN, both, advice) == ["a"]
    assert refused("taints", shape(tolerations=(Toleration("x", "Exists"),)), both) == ["a"]
    assert refused("taints", shape(tolerations=(Toleration("x", "Exists"), Toleration("y", "Exists"))), both) == []


@pytest.mark.parametrize(
    ("term", "accepted"),
    [
        (expression("gen", "In", "5", "x"), ["a"]),
        (expression("gen", "NotIn", "5"), ["b", "c"]),
        (expression("gen", "Exists"), ["a", "b"]),
        (expression("gen", "DoesNotExist"), ["c"]),
        (expression("gen", "Gt", "5"), ["b"]),
        (expression("gen", "Gt", "4"), ["a", "b"]),
        (expression("gen", "Lt", "7"), ["a"]),
        (expression("gen", "Lt", "seven"), []),
        (expression("gen", "Near", "5"), []),
        (NodeTerm(), []),
        (NodeTerm(fields=(Requirement("metadata.name", "In", ("b",)),)), ["b"]),
        (NodeTerm(fields=(Requirement("metadata.name", "NotIn", ("b",)),)), ["a", "c"]),
        (NodeTerm(fields=(Requirement("metadata.name", "In", ("gone",)),)), []),
        (NodeTerm(fields=(Requirement("spec.providerID", "In", ("b",)),)), []),
    ],
)
def test_an_affinity_term_matches_like_the_api_says(term: NodeTerm, accepted: list[str]) -> None:
    nodes = (node("a", gen="5"), node("b", gen="7"), node("c"))
    out = refused("node-affinity", affine(term), *nodes)
    assert [each.name for each in nodes if each.name not in out] == accepted


def test_a_label_that_is_no_integer_is_neither_greater_nor_smaller() -> None:
    for operator in ("Gt", "Lt"):
        for label in ("five", "99999999999999999999"):
            assert refused("node-affinity", affine(expression("gen", operator, "5")), node("a", gen=label)) == ["a"]


def test_terms_are_alternatives_and_expressions_all_hold() -> None:
    nodes = (node("a", gen="5", zone="x"), node("b", gen="5"), node("c", zone="x"))
    either = affine(expression("gen", "Exists"), expression("zone", "Exists"))
    assert refused("node-affinity", either, *nodes) == []
    both = affine(NodeTerm(expressions=(Requirement("gen", "Exists"), Requirement("zone", "Exists"))))
    assert refused("node-affinity", both, *nodes) == ["b", "c"]


def test_the_selector_holds_beside_the_affinity() -> None:
    nodes = (node("a", gen="5", zone="x"), node("b", gen="5"))
    assert refused("node-affinity", affine(expression("gen", "Exists"), selector=(("zone", "x"),)), *nodes) == ["b"]


def test_an_affinity_without_terms_matches_nothing() -> None:
    assert refused("node-affinity", msgspec.structs.replace(PLAIN, node_affinity=()), node("a")) == ["a"]


def test_a_gpu_model_must_be_one_of_those_asked_for() -> None:
    nodes = (node("a", model="H100"), node("b", model="A100"), node("c"))
    assert refused("gpu-model", shape(gpu_models=("H100", "H200")), *nodes) == ["b", "c"]
    assert refused("gpu-model", PLAIN, *nodes) == []


def test_a_request_above_the_allocatable_total_never_fits() -> None:
    assert refused("resources", shape(4), node("a", gpus=4), node("b", gpus=3)) == ["b"]
    unknown = msgspec.structs.replace(PLAIN, requests=(("example.com/fpga", 1),))
    assert refused("resources", unknown, node("a")) == ["a"]
