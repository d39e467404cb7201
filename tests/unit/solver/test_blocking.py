"""Why a gang does not fit alone: the shortest true reason, with the numbers that people need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scheduler.model.cluster import Node
from scheduler.model.plan import Refusal
from scheduler.model.policy import Policy
from scheduler.model.resources import vector
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Branch, Gang, Member
from scheduler.solver.asks.filters import eligible
from scheduler.solver.blocking.diagnose import Diagnosis
from scheduler.solver.build import Built
from scheduler.solver.problem import TOGETHER, QueueRoom, Relation
from tests.unit.solver.small import NAMES, built, diagnosis, gang, node, shape, solved, tree

RACK = TopologyAsk(required="rack")
GPU = "nvidia.com/gpu"


def rack_nodes(*gpus: int) -> list[Node]:
    return [node(f"n{number}", count, zone="z", block="b", rack=f"r{number}") for number, count in enumerate(gpus)]


def reasons(case: Built) -> tuple[Refusal, ...]:
    capacity = np.array([vector(each.allocatable, NAMES) for each in case.nodes.nodes], dtype=np.int64)
    counts = {each: eligible(each, case.nodes, capacity, NAMES, Policy())[1] for each in case.masks}
    found = diagnosis(case, counts=counts)
    assert found.fits == (found.refusals == ())
    return found.refusals


def test_a_gang_that_fits_has_no_reason() -> None:
    assert reasons(built(rack_nodes(8, 8), [gang("g", 8, ask=RACK)])) == ()


def test_no_eligible_node_says_how_many_each_filter_refused() -> None:
    (reason,) = reasons(built([node("a", 4), node("b", 4, ready=False)], [gang("g", 1, 8)]))
    assert (reason.term, reason.code, reason.where) == ("filters", "NoEligibleNode", "2 nodes")
    assert reason.counts == (("ready", 1), ("resources", 1))


def test_the_sum_of_what_is_free_is_too_small() -> None:
    (reason,) = reasons(built([node("a"), node("b")], [gang("g", 10, 2)], used={"a": {GPU: 6}}))
    assert (reason.term, reason.code) == ("capacity", "NotEnough")
    assert (reason.needed, reason.offered, reason.resource) == (20_000, 10_000, GPU)
    assert dict(reason.counts) == {"pods-needed": 10, "pods-fit": 5}


def test_enough_in_sum_but_in_pieces() -> None:
    used = {name: {GPU: 1} for name in ("a", "b", "c")}
    (reason,) = reasons(built([node("a"), node("b"), node("c")], [gang("g", 2, 8)], used=used))
    assert (reason.term, reason.code, reason.needed, reason.offered) == ("capacity", "Fragmented", 2, 0)
    assert dict(reason.counts) == {
        "pods-needed": 2,
        "pods-fit": 0,
        f"one-pod:{GPU}": 8000,
        f"best-node:{GPU}": 7000,
        f"in-sum:{GPU}": 21_000,
    }


def test_one_rack_short_names_the_best_rack_and_what_it_has() -> None:
    case = built(rack_nodes(12, 10, 12), [gang("g", 16, ask=RACK)], used={"n0": {GPU: 1}})
    (reason,) = reasons(case)
    assert (reason.term, reason.code, reason.where) == ("required-topology", "NotEnough", "rack z/b/r2")
    assert (reason.needed, reason.offered, reason.resource) == (16_000, 12_000, GPU)
    assert dict(reason.counts) == {"pods-needed": 16, "pods-fit": 12}


def test_no_node_has_the_label_of_the_level() -> None:
    (reason,) = reasons(built([node("a")], [gang("g", 1, ask=RACK)]))
    assert (reason.term, reason.code, reason.where) == ("required-topology", "NoDomain", "rack")


def test_a_queue_is_named_with_its_room() -> None:
    ask = gang("g", 4)
    rooms = (QueueRoom(-1, (-1, -1, 3000, -1)), QueueRoom(0, (-1, -1, -1, -1)))
    case = built([node("a")], [ask], rooms=rooms, queue_of_gang={ask.key: 1}, queue_names=("all", "team"))
    assert reasons(case) == (Refusal("queue-limit", "OverLimit", 4000, 3000, GPU, where="all"),)


def test_parts_that_fit_only_one_by_one_are_blocked_by_the_rule_that_keeps_them_together() -> None:
    members = (Member("large", shape(3), 1, 1), Member("small", shape(2), 1, 1))
    pair = tree("g", members, (Branch("", -1, 2, 0, RACK),))
    nodes = [node(name, 3, zone="z", block="b", rack=rack) for name, rack in (("a", "r0"), ("b", "r1"), ("c", "r2"))]
    nodes += [node("d", 2, zone="z", block="b", rack="r0")]
    assert reasons(built(nodes, [pair])) == ()
    # Each rack has room for either part, and 5 GPUs in sum, but not for both on its nodes.
    used = {f"{rack}{index}": {GPU: 2} for rack in ("x", "y") for index in (1, 2)}
    broken_up = [node(f"{rack}{index}", 3, zone="z", block="b", rack=rack) for rack in ("x", "y") for index in range(3)]
    (reason,) = reasons(built(broken_up, [pair], used=used))
    assert (reason.term, reason.code) == ("required-topology", "NotTogether")


def test_an_elastic_gang_is_explained_by_its_minimum() -> None:
    elastic: Gang = gang("g", 9, minimum=2)
    assert reasons(built([node("a", 2)], [elastic])) == ()
    (reason,) = reasons(built([node("a", 1)], [elastic]))
    assert (reason.needed, reason.offered) == (2000, 1000)


def parts(*sizes: tuple[int, int], ask: TopologyAsk | None = None) -> Gang:
    """A gang of unlike pods, as (pods, GPUs of each)."""
    members = tuple(Member(f"m{gpus}", shape(gpus), pods, pods) for pods, gpus in sizes)
    return tree("g", members, (Branch("", -1, sum(pods for pods, _ in sizes), 0, ask),))


def test_a_no_of_greedy_is_no_proof_and_a_solve_finds_the_placement() -> None:
    """On 7 and 5 free GPUs, greedy puts the 4 where it leaves least and has no place for the 2 then."""
    case = built([node("a", 7), node("b", 5)], [parts((1, 4), (2, 3), (1, 2))])
    without_solver = diagnosis(case)
    assert (without_solver.fits, without_solver.proven) == (False, False)
    assert diagnosis(case, solved) == Diagnosis(fits=True, proven=True)


def test_unlike_pods_that_fit_in_no_way_are_proven_to() -> None:
    found = diagnosis(built([node("a", 7), node("b", 5)], [parts((4, 3))]), solved)
    assert found.proven
    assert found.refusals[0].code == "Fragmented"
    found = diagnosis(built([node("a", 5), node("b", 5)], [parts((2, 3), (2, 2), (1, 0))]), solved)
    assert found == Diagnosis(fits=True, proven=True)
    found = diagnosis(built([node("a", 5), node("b", 5)], [parts((1, 4), (2, 3))]), solved)
    assert (found.fits, found.proven) == (False, True)
    assert found.refusals == (Refusal("capacity", "NotTogether", needed=3, offered=2, where="the fleet"),)


def test_the_smallest_blocking_set_names_the_level_and_how_many_pods_fit() -> None:
    """5 and 5 in one rack do not hold 4 + 3 + 3; with a third node in another rack they fit without the rack."""
    nodes = [node(name, 5, zone="z", block="b", rack=rack) for name, rack in (("a", "r0"), ("b", "r0"), ("c", "r1"))]
    block = Branch("", -1, 0, 1, TopologyAsk(required="block"))
    inner = Branch("inner", 0, 3, 0, RACK)
    members = (Member("m4", shape(4), 1, 1, 1), Member("m3", shape(3), 2, 2, 1))
    found = diagnosis(built(nodes, [tree("g", members, (block, inner))]), solved)
    assert found.proven
    assert found.refusals == (Refusal("required-topology", "NotTogether", needed=3, offered=2, where="rack"),)


def test_a_gang_that_others_may_make_room_for_is_not_proven_to_fit_nowhere() -> None:
    """It goes where the other stands, and nobody stands anywhere yet."""
    block = TopologyAsk(required="block")
    own = (Member("m", shape(1), 2, 2),)
    near, other = (tree(name, own, (Branch("", -1, 2, 0, block),)) for name in ("near", "other"))
    case = built(rack_nodes(4, 4), [near, other])
    assert case.problem.class_domain.shape[1] == 1

    def said(relation: Relation) -> Diagnosis:
        rules = (*case.problem.rules, TOGETHER)
        return diagnosis(replace(case, problem=replace(case.problem, relations=(relation,), rules=rules)), solved)

    wanted = Relation(TOGETHER, 0, carriers=((0, 0),), targets=((1, 0),), standing=(0,))
    assert (said(wanted).fits, said(wanted).proven) == (False, False)
    nobody = wanted.of(wanted.carriers, ())
    assert (said(nobody).fits, said(nobody).proven) == (False, True)
