"""Eligibility counts every refused node once, under the first filter that refuses it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from scheduler.model.cluster import NodeTable
from scheduler.model.flavor import Flavor
from scheduler.model.policy import Policy
from scheduler.model.resources import vector
from scheduler.model.shape import Taint, Toleration
from scheduler.solver.asks.filters import eligible
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.terms.table import FILTERS
from tests.unit.solver.small import NAMES, node, shape

NODES = NodeTable.of(
    (
        node("a", model="H100"),
        node("b", model="A100", taints=(Taint("team"),)),
        node("c", model="A100"),
        node("d", model="A100"),
        node("e", ready=False),
    )
)
CAPACITY = np.array([vector(each.allocatable, NAMES) for each in NODES.nodes], dtype=np.int64)


def test_counts_add_up_in_the_order_of_the_policy() -> None:
    mask, counts = eligible(shape(gpu_models=("H100",)), NODES, CAPACITY, NAMES, Policy())
    assert mask.tolist() == [True, False, False, False, False]
    assert counts == (("ready", 1), ("taints", 1), ("gpu-model", 2))


def test_only_the_filters_of_the_policy_are_asked() -> None:
    mask, counts = eligible(shape(gpu_models=("H100",)), NODES, CAPACITY, NAMES, Policy(filters=("taints",)))
    assert mask.tolist() == [True, False, True, True, True]
    assert counts == (("taints", 1),)


def test_an_unknown_filter_is_an_error() -> None:
    with pytest.raises(KeyError, match="moon-phase"):
        eligible(shape(), NODES, CAPACITY, NAMES, Policy(filters=("moon-phase",)))


def test_a_flavor_tolerates_for_those_that_accept_it_by_name() -> None:
    reserved = Taint("reserved", "h100")
    nodes = (node("n0", taints=(reserved,), kind="h100"), node("n1", kind="h100"), node("n2", taints=(reserved,)))
    flavors = (Flavor("h100", (("kind", "h100"),), (Toleration("reserved", "Exists"),)),)
    table = NodeTable.of(nodes, flavors)

    def open_to(*accepted: str) -> list[bool]:
        asking = msgspec.structs.replace(shape(), flavors=accepted)
        refused = FILTERS["taints"](asking, Fleet(table, np.zeros((3, 0), dtype=np.int64), ()))
        return [not each for each in refused.tolist()]

    assert open_to() == [False, True, False]
    assert open_to("h100") == [True, True, False]
