"""What the rules and goals about work shapes say of given placements."""

from __future__ import annotations

import msgspec
import pytest

from scheduler.model.cluster import Node
from scheduler.model.topology import Slice, TopologyAsk
from scheduler.model.work import Branch, Member, NodeCount, Place
from scheduler.solver.build import Built
from scheduler.solver.problem import Put
from scheduler.solver.terms.table import GOALS, RULES
from tests.unit.solver.small import built, gang, node, shape, tree

PAIRS = TopologyAsk(slices=(Slice(2, "rack"),))
ALONE = TopologyAsk(exclusive="block")


def two_blocks() -> list[Node]:
    """Four racks of one node with 8 GPUs, two to a block, and a node without labels: classes 0 to 4 in this order."""
    labelled = [node(f"n{at}", 8, zone="z", block=f"b{at // 2}", rack=f"r{at}") for at in range(4)]
    return [*labelled, node("nowhere", 8)]


def codes(case: Built, rule: str, *puts: Put) -> list[str]:
    return [refusal.code for refusal in RULES[rule].broken(case.problem, puts)]


def cost(case: Built, goal: str, *puts: Put) -> int:
    ((_, found),) = GOALS[goal].costs(case.problem, puts)
    return found


def test_a_part_of_a_slice_breaks_the_rule() -> None:
    case = built(two_blocks(), [gang("g", 4, ask=PAIRS)])
    assert case.problem.class_count == 5
    assert codes(case, "slices", Put(0, 0, 0, 2), Put(0, 0, 1, 2)) == []
    assert codes(case, "slices", Put(0, 0, 0, 3), Put(0, 0, 1, 1)) == ["PartOfSlice"]
    assert codes(case, "slices", Put(0, 0, 4, 2)) == ["NoDomain"]


def test_held_pods_count_and_a_begun_gang_completes_them() -> None:
    held = (Place("worker", (NodeCount("n0", 1),)),)
    case = built(two_blocks(), [gang("g", 3, ask=PAIRS, held=held)])
    assert codes(case, "slices") == []
    assert codes(case, "slices", Put(0, 0, 0, 1)) == []
    assert codes(case, "slices", Put(0, 0, 1, 2)) == ["PartOfSlice"]
    assert codes(case, "slices", Put(0, 0, 0, 1), Put(0, 0, 1, 2)) == []


def test_the_leader_is_in_no_slice_and_not_alone() -> None:
    own = (Member("lead", shape(), 1, 1), Member("work", shape(), 2, 2))
    led = msgspec.structs.replace(tree("g", own, (Branch("", -1, 3, 0, PAIRS),)), leader="lead")
    case = built(two_blocks(), [led])
    together, apart = (Put(0, 0, 0, 1), Put(0, 1, 0, 2)), (Put(0, 0, 1, 1), Put(0, 1, 0, 2))
    assert codes(case, "slices", *together) == codes(case, "slices", *apart) == []
    assert codes(case, "leader", *together) == []
    assert codes(case, "leader", *apart) == ["Apart"]


def test_nobody_shares_an_exclusive_domain() -> None:
    case = built(two_blocks(), [gang("alone", 1, ask=ALONE), gang("other", 1), gang("pods", 1, minimum=0, single=True)])
    assert case.problem.class_nodes.tolist() == [2, 2, 1], "a class is a block here: nobody asks for racks"
    assert codes(case, "exclusive-domains", Put(0, 0, 0, 1), Put(1, 0, 1, 1)) == []
    assert codes(case, "exclusive-domains", Put(0, 0, 0, 1), Put(1, 0, 0, 1)) == ["Shared"]
    assert codes(case, "exclusive-domains", Put(0, 0, 0, 1), Put(2, 0, 0, 1)) == []
    assert codes(case, "exclusive-domains", Put(0, 0, 2, 1)) == ["NoDomain"]


@pytest.mark.parametrize(("split", "expected"), [((2, 2), 4 + 2), ((3, 1), 4 + 3), ((4, 0), 4 + 4)])
def test_balance_counts_the_fullest_domains(split: tuple[int, int], expected: int) -> None:
    case = built(two_blocks(), [gang("g", 4, ask=TopologyAsk(preferred="block", balance=True))])
    puts = [Put(0, 0, node_class, count) for node_class, count in enumerate(split) if count]
    assert cost(case, "balance", *puts) == expected, "one block in both, then the racks"
