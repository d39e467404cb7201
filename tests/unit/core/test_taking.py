"""Who gives way for whom, on worlds small enough to be checked by hand. The budget is deterministic."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.model.plan import Decision, Plan
from scheduler.model.policy import Policy, SolverBudget
from scheduler.scenario.build import to_snapshot
from scheduler.scenario.load import load
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest, SolveResult

BUDGET = SolverBudget(wall_seconds=60.0, work=2.0)


def decided(tmp_path: Path, text: str, **taking: object) -> Plan:
    path = tmp_path / "world.yaml"
    path.write_text("id: unit/world\nsource: by hand\ntag: S\n" + text)
    (row,) = load(path)
    policy = Policy()
    policy = msgspec.structs.replace(policy, taking=msgspec.structs.replace(policy.taking, **taking))
    return run(decide(to_snapshot(row.scenario), policy, row.scenario.now, BUDGET), last_answer)


def last_answer(request: SolveRequest) -> SolveResult:
    return list(solve(request))[-1]


def victims(decision: Decision) -> list[str]:
    return sorted(each.uid.split("/")[0] for each in decision.victims)


TWO_QUEUES = """
nodes: {n0: 2, n1: 2}
queues: {a: {guaranteed: 2}, b: {guaranteed: 2}}
"""


def test_each_unit_is_taken_while_its_queue_is_above_its_guarantee(tmp_path: Path) -> None:
    plan = decided(
        tmp_path,
        TWO_QUEUES
        + """
gangs:
- {name: a0, queue: a, pods: 2, gpu: 1, on: {n0: 2}}
- {name: a1, queue: a, pods: 2, gpu: 1, on: {n1: 2}}
- {name: b0, queue: b, gpu: 1}
""",
    )
    (decision,) = plan.decisions
    assert len(set(victims(decision))) == 1
    assert len(decision.victims) == 2  # the whole gang goes, and nothing of the other
    assert decision.taken is not None
    (loss,) = decision.taken.losses
    assert (loss.right, loss.pods, loss.whole) == ("Guarantee", 2, True)
    assert decision.taken.proven


def test_nothing_is_taken_that_may_not_fall_below(tmp_path: Path) -> None:
    world = """
nodes: {n0: 4}
queues: {a: {guaranteed: 3}, b: {guaranteed: 1}}
gangs:
- {name: a0, queue: a, pods: 4, gpu: 1, on: {n0: 4}}
- {name: b0, queue: b, gpu: 1}
"""
    assert [victims(each) for each in decided(tmp_path, world).decisions] == [["a0"] * 4]
    assert decided(tmp_path, world, after_loss="mayNot").decisions == ()


def test_surplus_goes_before_whole_gangs(tmp_path: Path) -> None:
    plan = decided(
        tmp_path,
        """
nodes: {n0: 4}
queues: {a: {guaranteed: 1}, b: {guaranteed: 2}}
gangs:
- {name: a0, queue: a, gpu: 2, on: n0}
- {name: a1, queue: a, pods: 2, min: 1, gpu: 1, on: {n0: 2}}
- {name: b0, queue: b, gpu: 1}
""",
    )
    assert [victims(each) for each in plan.decisions] == [["a1"]]


def test_a_move_costs_less_than_an_eviction(tmp_path: Path) -> None:
    world = """
nodes: {n0: 3, n1: 2}
queues: {a: {guaranteed: 3}, b: {guaranteed: 2}}
gangs:
- {name: a1, queue: a, gpu: 2, on: n0}
- {name: a2, queue: a, gpu: 1, on: n1}
- {name: b1, queue: b, gpu: 2}
"""
    (decision,) = decided(tmp_path, world).decisions
    assert decision.victims == ()
    (move,) = decision.moves
    assert [each.uid.split("/")[0] for each in move.pods] == ["a2"]
    assert [(each.node, each.count) for place in move.places for each in place.nodes] == [("n0", 1)]
    assert decided(tmp_path, world, moves=False).decisions == ()


def test_equal_single_pods_each_name_their_own_victims(tmp_path: Path) -> None:
    plan = decided(
        tmp_path,
        TWO_QUEUES
        + """
gangs:
- {name: "a[0-1]", queue: a, gpu: 1, on: n0}
- {name: "a[2-3]", queue: a, gpu: 1, on: n1}
- {name: "b[0-3]", queue: b, gpu: 1}
""",
    )
    named = [uid for each in plan.decisions for uid in victims(each)]
    assert len(plan.decisions) == 2
    assert len(named) == len(set(named)) == 2


@pytest.mark.parametrize(("priority", "placed"), [(50, 0), (51, 1)])
def test_inside_a_queue_only_strictly_lower_priority_gives_way(tmp_path: Path, priority: int, placed: int) -> None:
    plan = decided(
        tmp_path,
        f"""
nodes: {{n0: 1}}
queues: {{a: {{guaranteed: 1}}}}
gangs:
- {{name: a0, queue: a, gpu: 1, priority: 50, on: n0}}
- {{name: a1, queue: a, gpu: 1, priority: {priority}}}
""",
    )
    assert len(plan.decisions) == placed


def test_who_is_protected_for_a_while_makes_the_plan_say_when_to_look_again(tmp_path: Path) -> None:
    world = """
now: 100
nodes: {n0: 2}
queues: {a: {guaranteed: 0, preemption: {minRuntime: {reclaim: 60}}}, b: {guaranteed: 2}}
gangs:
- {name: a0, queue: a, gpu: 2, started: 70, on: n0}
- {name: b0, queue: b, gpu: 2}
"""
    assert decided(tmp_path, world).again_at_seconds == 130
    later = decided(tmp_path, world.replace("now: 100", "now: 130"))
    assert (len(later.decisions), later.again_at_seconds) == (1, None)


SOLVERLESS = """
nodes: {n0: 2}
queues: {a: {guaranteed: 0}, b: {guaranteed: 2}}
gangs:
- {name: a0, queue: a, gpu: 2, on: n0}
"""


def without_a_solver(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "world.yaml"
    path.write_text("id: unit/world\nsource: by hand\ntag: S\n" + text)
    (row,) = load(path)
    return run(decide(to_snapshot(row.scenario), Policy(), 50.0, BUDGET), greedy_only)


def test_room_is_made_without_a_solver_where_nothing_but_room_is_asked_for(tmp_path: Path) -> None:
    (decision,) = without_a_solver(tmp_path, SOLVERLESS + "- {name: b0, queue: b, gpu: 2}").decisions
    assert victims(decision) == ["a0"]
    assert decision.taken is not None
    assert decision.taken.proven


def test_what_needs_a_solver_is_tried_again_soon(tmp_path: Path) -> None:
    tree = "- {name: b0, queue: b, gpu: 1, subgroups: [{name: s0, pods: 1}, {name: s1, pods: 1}]}"
    plan = without_a_solver(tmp_path, SOLVERLESS + tree)
    assert not plan.decisions
    assert plan.again_at_seconds is not None
    assert 50.0 < plan.again_at_seconds <= 60.0


@pytest.mark.parametrize(("let_go", "asked"), [(0, 1), (1, 2)])
def test_budgets_that_let_too_few_go_are_named(tmp_path: Path, let_go: int, asked: int) -> None:
    plan = decided(
        tmp_path,
        f"""
nodes: {{n0: 1, n1: 1, n2: 1}}
pdbs: {{web: {{allowed: {let_go}, gangs: ["w[0-2]"]}}}}
gangs:
- {{name: "w[0-2]", gpu: 1, priority: 1, on: "n{{1}}"}}
- {{name: high, pods: {asked}, gpu: 1, priority: 9}}
""",
        moves=False,
    )
    assert plan.decisions == ()
    (verdict,) = plan.verdicts.values()
    budgets = [each for each in verdict.refusals if each.code == "Budget"]
    assert [(each.where, each.offered, each.needed) for each in budgets] == [("default/web", let_go, 3)]


def test_a_budget_of_those_who_would_not_go_anyway_is_not_named(tmp_path: Path) -> None:
    plan = decided(
        tmp_path,
        """
nodes: {n0: 1}
pdbs: {web: {allowed: 0, gangs: [w]}}
gangs:
- {name: w, gpu: 1, priority: 9, on: n0}
- {name: low, gpu: 1, priority: 1}
""",
    )
    (verdict,) = plan.verdicts.values()
    assert [each for each in verdict.refusals if each.code == "Budget"] == []


@pytest.mark.parametrize(
    ("asks", "code", "needed"),
    [("priority: 9, preemptionDelay: 4s, arrived: 0", "Delay", 4), ("class: meek", "Never", 0)],
)
def test_who_may_not_take_yet_says_so(tmp_path: Path, asks: str, code: str, needed: int) -> None:
    plan = decided(
        tmp_path,
        f"""
classes: {{meek: {{priority: 9, neverPreempts: true}}}}
nodes: {{n0: 1}}
gangs:
- {{name: low, gpu: 1, priority: 1, movable: false, on: n0}}
- {{name: high, gpu: 1, {asks}}}
""",
    )
    (verdict,) = plan.verdicts.values()
    assert [(each.code, each.needed) for each in verdict.refusals if each.term == "taking"] == [(code, needed)]


def test_what_no_node_could_ever_hold_hears_nothing_of_those_who_run(tmp_path: Path) -> None:
    plan = decided(
        tmp_path,
        TWO_QUEUES
        + """
gangs:
- {name: a0, queue: a, pods: 2, gpu: 1, on: {n0: 2}}
- {name: wide, queue: b, gpu: 3}
- {name: many, queue: b, pods: 4, gpu: 1}
""",
    )
    terms = {key: [each.term for each in verdict.refusals] for key, verdict in plan.verdicts.items()}
    assert [terms[key] for key in terms if "wide" in key] == [["filters"]]
    assert [terms[key][-1] for key in terms if "many" in key] == ["taking"]


ELASTIC = """
nodes: {n0: 4}
queues: {a: {guaranteed: %d}, b: {}}
gangs:
- {name: low, queue: %s, pods: %s, gpu: 1, on: {n0: 3}}
- {name: high, queue: a, pods: 4, min: %d, gpu: 1, priority: 1%s}
"""


@pytest.mark.parametrize(("guaranteed", "queue"), [(0, "a"), (4, "b")])
def test_a_gang_grows_at_the_expense_of_surplus_alone(tmp_path: Path, guaranteed: int, queue: str) -> None:
    for low, others in (("3", []), ("3, min: 1", ["low"])):  # both have one more than they need then
        for running in ("", ", on: {n0: 1}"):  # whether it gets its minimum in this plan or runs already
            world = ELASTIC % (guaranteed, queue, low, 1, running)
            found = decided(tmp_path, world).decisions
            assert [victim for each in found for victim in victims(each)] == others, (low, running)
    (decision,) = decided(tmp_path, ELASTIC % (guaranteed, queue, "3", 1, ""), growth="Any").decisions
    assert victims(decision) == ["low"] * 3


def test_what_a_minimum_takes_as_a_whole_is_room_to_grow_too(tmp_path: Path) -> None:
    (decision,) = decided(tmp_path, ELASTIC % (0, "a", "3", 2, "")).decisions
    assert sum(each.count for place in decision.places for each in place.nodes) == 4
    assert victims(decision) == ["low"] * 3


def test_no_more_is_taken_as_a_whole_than_a_minimum_asks_for(tmp_path: Path) -> None:
    world = """
nodes: {n0: 4}
queues: {a: {}}
gangs:
- {name: r0, queue: a, gpu: 1, on: n0}
- {name: r1, queue: a, gpu: 1, on: n0}
- {name: r2, queue: a, pods: 2, gpu: 1, on: {n0: 2}}
- {name: high, queue: a, pods: 4, min: 2, gpu: 1, priority: 1}
"""
    (decision,) = decided(tmp_path, world).decisions
    assert len(decision.victims) == 2
    assert decided(tmp_path, world.replace("min: 2, ", "")).decisions[0].victims != decision.victims


def test_a_gang_that_may_only_take_surplus_to_grow_is_told_so(tmp_path: Path) -> None:
    plan = decided(tmp_path, ELASTIC % (0, "a", "3", 1, ", on: {n0: 1}"), moves=False)
    (verdict,) = plan.verdicts.values()
    assert any(dict(each.counts).get("no-surplus") == 1 for each in verdict.refusals)


TOGETHER = """
nodes: {n0: 4}
queues: {mine: {guaranteed: 4}, other: {}}
gangs:
- {name: theirs, queue: other, gpu: 1, on: n0}
- {name: low, queue: mine, pods: %s, gpu: 1, on: {n0: 3}}
- {name: small, queue: mine, gpu: 1, priority: 1}
- {name: large, queue: mine, gpu: 2, priority: 1}
"""


def test_who_turns_out_not_to_be_needed_by_what_goes_for_others_in_the_plan_is_not_taken(tmp_path: Path) -> None:
    plan = decided(tmp_path, TOGETHER % "3")
    assert [(each.gang, victims(each)) for each in plan.decisions] == [
        ("default/large", ["low"] * 3),
        ("default/small", ["low"] * 3),
    ], "the small one stands in what the large one leaves over, and waits for it"
    assert plan.decisions[1].taken is None
    both = decided(tmp_path, TOGETHER % "3, min: 1").decisions
    assert [(each.gang, victims(each)) for each in both] == [
        ("default/small", ["theirs"]),
        ("default/large", ["low", "low"]),
    ]


def test_the_right_that_is_named_is_the_one_that_holds(tmp_path: Path) -> None:
    """Two of the five are within what the queue is guaranteed, three within its fair share alone."""
    plan = decided(
        tmp_path,
        """
nodes: {n0: 8}
queues: {a: {}, b: {guaranteed: 2}}
gangs:
- {name: "a[0-7]", queue: a, gpu: 1, on: n0}
- {name: "b[0-4]", queue: b, gpu: 1}
""",
    )
    rights = [loss.right for each in plan.decisions if each.taken is not None for loss in each.taken.losses]
    assert rights == ["Guarantee"] * 2 + ["FairShare"] * 3


@pytest.mark.parametrize(
    ("low", "high", "placed", "evicted"),
    [
        ('name: "low[0-5]", gpu: 1, on: n0', 'name: "high[0-3]", gpu: 1', 2, 2),
        ("name: low, gpu: 2, pods: 3, on: {n0: 3}", "name: high, gpu: 1, pods: 6, min: 1", 2, 3),
    ],
)
def test_what_cannot_be_taken_back_takes_no_more_than_is_guaranteed(
    tmp_path: Path, low: str, high: str, placed: int, evicted: int
) -> None:
    """Whoever goes leaves use of his queue, but nothing of what is guaranteed for such work."""
    plan = decided(
        tmp_path,
        f"""
nodes: {{n0: 8}}
queues: {{q: {{guaranteed: 4}}}}
gangs:
- {{name: firm, pods: 2, gpu: 1, preemptible: false, on: {{n0: 2}}}}
- {{{low}}}
- {{{high}, preemptible: false, priority: 10}}
""",
    )
    assert sum(node.count for each in plan.decisions for place in each.places for node in place.nodes) == placed
    assert sum(len(each.victims) for each in plan.decisions) == evicted


def test_gangs_that_cannot_be_taken_back_share_what_is_guaranteed(tmp_path: Path) -> None:
    """They differ in priority, so each is looked at by itself."""
    plan = decided(
        tmp_path,
        """
nodes: {n0: 8}
queues: {q: {guaranteed: 3}}
gangs:
- {name: "low[0-7]", gpu: 1, on: n0}
- {name: first, pods: 2, gpu: 1, preemptible: false, priority: 10}
- {name: second, pods: 2, gpu: 1, preemptible: false, priority: 9}
""",
    )
    assert [each.gang for each in plan.decisions] == ["default/first"]


def test_a_budget_is_spent_by_all_takers_together(tmp_path: Path) -> None:
    """They differ in priority, so each is looked at by itself."""
    plan = decided(
        tmp_path,
        """
nodes: {n0: 2}
gangs:
- {name: "low[0-1]", gpu: 1, on: n0}
- {name: first, gpu: 1, priority: 10}
- {name: second, gpu: 1, priority: 9}
pdbs: {web: {allowed: 1, gangs: ["low[0-1]"]}}
""",
    )
    assert [each.gang for each in plan.decisions] == ["default/first"]


@pytest.mark.parametrize("priority", [3, 2])
def test_who_was_to_move_leaves_for_whoever_needs_his_other_place(tmp_path: Path, priority: int) -> None:
    """Room for the first could be made by moving one of two pods, but the second can only stand where the other is:
    so the gang goes, for the second, and the first waits for that."""
    plan = decided(
        tmp_path,
        f"""
nodes: {{n0: 2, n1: {{gpu: 2, labels: {{disk: fast}}}}, n2: 1}}
gangs:
- {{name: low, pods: 2, gpu: 1, on: {{n0: 1, n1: 1}}}}
- {{name: firm, gpu: 1, preemptible: false, on: n1}}
- {{name: first, gpu: 2, priority: 3}}
- {{name: second, gpu: 1, priority: {priority}, nodeSelector: {{disk: fast}}}}
""",
    )
    assert not any(each.moves for each in plan.decisions)
    assert [(each.gang, victims(each)) for each in plan.decisions] == [
        ("default/second", ["low"] * 2),
        ("default/first", ["low"]),
    ]
    assert [
        (loss.gang, loss.pods, loss.whole) for each in plan.decisions if each.taken for loss in each.taken.losses
    ] == [("default/low", 2, True)]


def test_what_a_plan_leaves_of_a_limit_says_who_could_stay(tmp_path: Path) -> None:
    """The larger gang goes for the second pod, and leaves room within the limit for both and for the smaller one."""
    plan = decided(
        tmp_path,
        """
nodes: {n0: 7}
queues: {top: {limit: 5}, mine: {parent: top, guaranteed: 3}, theirs: {parent: top}}
gangs:
- {name: small, queue: theirs, gpu: 1, on: n0}
- {name: large, queue: theirs, pods: 3, gpu: 2, priority: 2, on: {n0: 3}}
- {name: "w[0-1]", queue: mine, gpu: 1}
""",
    )
    assert [victims(each) for each in plan.decisions] == [["large"] * 3] * 2


def test_surplus_of_a_gang_that_goes_as_a_whole_for_others_is_not_spared(tmp_path: Path) -> None:
    """One pod of the gang is taken as surplus, the others as what is left of it; the first alone would be no gang."""
    plan = decided(
        tmp_path,
        """
nodes: {n0: 8, n1: 8}
queues:
- {name: mine, preemption: {whileBorrowing: {policy: LowerPriority}}}
- {name: top, guaranteed: 3, limit: 8}
- {name: theirs, parent: top, guaranteed: 6}
- {name: keeps, parent: top, guaranteed: 6, lendable: 1}
gangs:
- {name: low, queue: mine, gpu: 4, on: n0}
- {name: gang, queue: theirs, pods: 3, min: 2, gpu: 4, on: {n0: 1, n1: 2}}
- {name: "w[0-2]", queue: mine, gpu: 4, priority: 3}
""",
        rule="kueue-classic",
        growth="Any",
        moves=False,
        borrowing="Never",
    )
    gone = {victim.uid for each in plan.decisions for victim in each.victims}
    assert len({uid for uid in gone if uid.startswith("gang/")}) == 3


def test_a_queue_that_serves_strictly_in_order_takes_for_as_many_as_it_may(tmp_path: Path) -> None:
    """One after the other in one plan, up to the first for whom no room can be made."""
    plan = decided(
        tmp_path,
        """
nodes: {n0: 8}
queues: {mine: {guaranteed: 5, order: StrictFIFO}, theirs: {guaranteed: 3}}
gangs:
- {name: "low[0-7]", queue: theirs, gpu: 1, on: n0}
- {name: "w[0-1]", queue: mine, gpu: 1}
- {name: first, queue: mine, pods: 2, gpu: 1}
- {name: large, queue: mine, gpu: 2}
- {name: last, queue: mine, gpu: 1}
""",
    )
    assert [each.gang for each in plan.decisions] == ["default/w0", "default/w1", "default/first"]
    assert all(each.victims for each in plan.decisions)


def test_what_a_limit_holds_back_goes_before_lower_work_of_its_queue(tmp_path: Path) -> None:
    """It fits within the limit only when its own queue gives way; the lower gang would have to go for it next."""
    plan = decided(
        tmp_path,
        """
nodes: {n0: 4}
queues: {mine: {limit: 2}, theirs: {guaranteed: 1}}
gangs:
- {name: run, queue: mine, gpu: 1, priority: 1, on: n0}
- {name: surplus, queue: theirs, pods: 3, min: 1, gpu: 1, on: {n0: 3}}
- {name: low, queue: mine, gpu: 1}
- {name: high, queue: mine, gpu: 2, priority: 2}
- {name: other, queue: theirs, gpu: 1}
""",
    )
    assert [(each.gang, victims(each)) for each in plan.decisions] == [("default/high", ["run", "surplus"])]
