"""What the goals count, on placements chosen by hand. That their CP-SAT forms count the same is a property test."""

from __future__ import annotations

from scheduler.model.policy import Policy
from scheduler.model.topology import TopologyAsk
from scheduler.solver.build import Built
from scheduler.solver.check import better, scores
from scheduler.solver.problem import Put
from tests.unit.solver.small import built, gang, node

SPREAD = Policy(node_score="spread")


def reached(case: Built, *puts: Put) -> dict[str, int]:
    return {score.tier: score.value for score in scores(case.problem, puts)}


def test_served_value_counts_minima_first_and_all_pods_after_them() -> None:
    case = built([node("a", 8)], [gang("elastic", 4, minimum=1), gang("rigid", 2, 2, priority=1)])
    found = reached(case, Put(0, 0, 0, 3), Put(1, 0, 0, 2))
    assert found["served-value/0"] == 4000
    assert found["served-value/1"] == 1000
    assert found["served-value/1/surplus"] == 3000


def test_every_pod_of_a_bundle_counts_as_a_gang() -> None:
    case = built([node("a", 8)], [gang("bundle", 4, minimum=0, single=True)])
    assert reached(case, Put(0, 0, 0, 3))["served-value/0"] == 3000
    assert "served-value/0/surplus" not in reached(case)


def test_preferred_topology_counts_domains_touched_and_wider_ones_four_times() -> None:
    nodes = [node(name, gpus, zone="z", block="b", rack=name) for name, gpus in (("x", 2), ("y", 3))]
    case = built([*nodes, node("no-rack", 4)], [gang("g", 9, ask=TopologyAsk(preferred="rack"))])
    assert case.problem.class_count == 3
    assert reached(case)["preferred-topology"] == 0
    assert reached(case, Put(0, 0, 0, 2), Put(0, 0, 1, 1))["preferred-topology"] == -2 * (
        1 + 4 + 16
    )  # no domain counts as one
    assert "preferred-topology" not in reached(built(nodes, [gang("g", 1)]))


def test_packing_prefers_nodes_where_less_is_free_and_spreading_the_others() -> None:
    nodes = [node("full", 8), node("half", 4)]
    for policy, wanted in ((Policy(), 1), (SPREAD, 0)):
        case = built(nodes, [gang("g", 1)], policy=policy)
        assert case.problem.class_free[:, 2].tolist() == [8000, 4000]
        by_class = [scores(case.problem, (Put(0, 0, node_class, 1),)) for node_class in range(2)]
        assert better(by_class[wanted], by_class[1 - wanted])
