"""A plan of several takers as a whole: what one leaves over, and who need not go once all of it is carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.model.plan import Plan
from scheduler.model.resources import GPU
from scheduler.scenario.aftermath import pods_of
from scheduler.scenario.load import load
from scheduler.scenario.state import world_of
from tests.unit.core.test_taking import decided, victims

ELSEWHERE = """
nodes: {n0: {gpu: 1, labels: {disk: fast}}, n1: 4}
gangs:
- {name: small, pods: 1, min: 1, gpu: 1, on: {n0: 1}}
- {name: large, pods: 4, gpu: 1, on: {n1: 4}}
- {name: first, gpu: 1, priority: 2, nodeSelector: {disk: fast}}
- {name: second, gpu: 2, priority: 1}
"""

BEYOND = """
nodes: {n0: 4}
queues: {a: {guaranteed: 1}, b: {guaranteed: 3}}
gangs:
- {name: small, queue: a, pods: 1, min: 1, gpu: 1, started: -10, on: {n0: 1}}
- {name: large, queue: a, pods: 3, gpu: 1, started: -1000, on: {n0: 3}}
- {name: w0, queue: b, gpu: 1, priority: 3}
- {name: w1, queue: b, gpu: 1, priority: 2}
- {name: w2, queue: b, gpu: 1, priority: 1}
- {name: w3, queue: b, gpu: 1}
"""


REFUSED = """
nodes: {n0: 4}
queues: {a: {guaranteed: 2, preemption: {reclaim: Never}}, b: {}, c: {guaranteed: 2}}
gangs:
- {name: large, queue: b, pods: 4, gpu: 1, on: {n0: 4}}
- {name: w0, queue: a, gpu: 1, priority: 3}
- {name: w1, queue: c, gpu: 2}
"""

ENTITLED = """
nodes: {n0: 3, n1: {gpu: 1, labels: {disk: fast}}, n2: {gpu: 1, labels: {disk: slow}}}
queues: {a: {guaranteed: 3, weight: 0}, b: {}, c: {guaranteed: 1}}
gangs:
- {name: own, queue: a, pods: 1, min: 1, gpu: 1, on: {n0: 1}}
- {name: firm, queue: a, gpu: 2, preemptible: false, on: n0}
- {name: theirs, queue: b, pods: 1, min: 1, gpu: 1, on: {n1: 1}}
- {name: low, queue: c, gpu: 1, on: n2}
- {name: first, queue: a, gpu: 1, priority: 2, nodeSelector: {disk: fast}}
- {name: second, queue: c, gpu: 1, priority: 1, nodeSelector: {disk: slow}}
"""


BESIDE = """
topology: {levels: [rack]}
nodes:
  n0: {gpu: 2, labels: {rack: r0}}
  n1: {gpu: 4, labels: {rack: r0}}
  n2: {gpu: 1, labels: {rack: r1}}
gangs:
- {name: beside, pods: 2, gpu: 1, movable: false, on: {n0: 2}}
- {name: low, pods: 2, gpu: 2, movable: false, on: {n1: 2}}
- {name: another, gpu: 1, movable: false, on: n2}
- {name: only, gpu: 4, priority: 2, topology: {required: rack, exclusive: rack}}
- {name: second, gpu: 1, priority: 1, nodeSelector: {rack: r1}}
"""

COUNTED = """
nodes: {n0: 4}
queues: {a: {guaranteed: 2, weight: 0, limits: {pods: 1}}, b: {guaranteed: 1, weight: 0}, c: {}}
gangs:
- {name: low, queue: a, pods: 1, min: 1, gpu: 1, on: {n0: 1}}
- {name: large, queue: c, pods: 3, gpu: 1, on: {n0: 3}}
- {name: w0, queue: a, gpu: 1, priority: 3}
- {name: w1, queue: b, gpu: 1, priority: 2}
- {name: w2, queue: b, gpu: 1, priority: 1}
"""

GIVES_AGAIN = """
nodes: {'n[0-4]': 8}
queues:
- {name: a, guaranteed: 1}
- {name: b, guaranteed: 15}
- {name: below, parent: b, guaranteed: 16, limit: 20}
gangs:
- {name: run1, queue: below, pods: 1, gpu: 2, priority: 1, min: 1, on: {n4: 1}}
- {name: run2, queue: below, pods: 3, gpu: 1, min: 3, on: {n2: 2, n4: 1}}
- {name: run3, queue: below, pods: 1, gpu: 2, priority: 2, min: 1, on: {n0: 1}}
- {name: run4, queue: below, pods: 1, gpu: 1, min: 1, on: {n0: 1}}
- {name: run5, queue: a, pods: 3, gpu: 1, priority: 1, min: 1, on: {n0: 1, n2: 1, n4: 1}}
- {name: run6, queue: a, pods: 4, gpu: 2, priority: 2, min: 2, on: {n0: 1, n2: 1, n3: 1, n4: 1}}
- {name: run7, queue: a, pods: 2, gpu: 1, min: 1, on: {n3: 1, n4: 1}}
- {name: run8, queue: below, pods: 4, gpu: 2, min: 4, on: {n0: 1, n2: 1, n3: 2}}
- {name: run9, queue: below, pods: 1, gpu: 2, priority: 1, min: 1, on: {n1: 1}}
- {name: run12, queue: below, pods: 1, gpu: 1, min: 1, on: {n1: 1}}
- {name: run13, queue: a, pods: 1, gpu: 1, priority: 2, min: 1, on: {n4: 1}}
- {name: run16, queue: below, pods: 1, gpu: 1, min: 1, on: {n1: 1}}
- {name: w0, pods: 5, min: 5, queue: a, priority: 3, gpu: 4}
- {name: w1, pods: 1, min: 1, queue: below, priority: 2, gpu: 4}
"""

MOVES_ON = """
nodes: {'n[0-4]': 8}
queues:
- {name: a, guaranteed: 8}
- {name: b, guaranteed: 2, limits: {pods: 10}}
- {name: below, parent: b, guaranteed: 5, limits: {pods: 6}}
gangs:
- {name: run1, queue: below, pods: 4, gpu: 1, priority: 1, min: 2, on: {n0: 2, n3: 1, n4: 1}}
- {name: run2, queue: below, pods: 3, gpu: 1, min: 3, on: {n1: 1, n2: 2}}
- {name: run3, queue: a, pods: 1, gpu: 1, min: 1, on: {n3: 1}}
- {name: run4, queue: a, pods: 4, gpu: 1, min: 1, on: {n0: 1, n1: 2, n2: 1}}
- {name: run5, queue: a, pods: 4, gpu: 2, priority: 2, min: 1, on: {n0: 1, n1: 1, n3: 2}}
- {name: run7, queue: a, pods: 1, gpu: 2, min: 1, on: {n4: 1}}
- {name: run9, queue: below, pods: 1, gpu: 2, priority: 2, min: 1, on: {n2: 1}}
- {name: run10, queue: below, pods: 2, gpu: 1, min: 2, on: {n0: 1, n2: 1}}
- {name: run11, queue: below, pods: 4, gpu: 2, min: 4, on: {n1: 1, n2: 1, n4: 2}}
- {name: run12, queue: a, pods: 2, gpu: 1, min: 1, on: {n1: 1, n3: 1}}
- {name: "w1x[0-5]", queue: a, priority: 2, gpu: 2}
pdbs: {web: {allowed: 2, gangs: [run2, run12]}}
"""


def said(plan: Plan) -> list[tuple[str, list[str]]]:
    return [(each.gang.partition("/")[2], victims(each)) for each in plan.decisions]


def test_who_was_to_go_moves_into_what_others_leave_over(tmp_path: Path) -> None:
    plan = decided(tmp_path, ELSEWHERE)
    assert said(plan) == [("second", ["large"] * 4), ("first", ["large"] * 4)]
    second, first = plan.decisions
    assert not second.moves
    (move,) = first.moves
    assert (move.gang, [each.node for place in move.places for each in place.nodes]) == ("default/small", ["n1"])
    assert first.taken is not None
    assert [(loss.gang, loss.right) for loss in first.taken.losses] == [("default/small", "Move")]
    costs = {score.tier: score.value for score in first.taken.costs}
    assert costs["pods-evicted"] == 0
    assert costs["pods-moved"] == -1


def test_nobody_moves_where_moves_are_not_allowed(tmp_path: Path) -> None:
    plan = decided(tmp_path, ELSEWHERE, moves=False)
    assert sorted(said(plan)) == [("first", ["small"]), ("second", ["large"] * 4)]


def test_who_takes_back_what_is_left_over_keeps_it(tmp_path: Path) -> None:
    """The last pod of b would stand beyond its guarantee and share, and a, below its own, would take that back."""
    plan = decided(tmp_path, BEYOND)
    assert {name for name, _ in said(plan)} == {"w0", "w1", "w2"}
    assert {uid for _, gone in said(plan) for uid in gone} == {"large"}


def test_who_may_not_take_stands_in_what_others_leave_over(tmp_path: Path) -> None:
    assert said(decided(tmp_path, REFUSED)) == [("w1", ["large"] * 4), ("w0", ["large"] * 4)]


def test_who_goes_so_that_his_queue_is_entitled_to_take_is_not_spared(tmp_path: Path) -> None:
    plan = decided(tmp_path, ENTITLED, moves=False)
    assert sorted(said(plan)) == [("first", ["own", "theirs"]), ("second", ["low"])]


def test_nobody_is_put_beside_a_taker_that_asks_for_more_than_room(tmp_path: Path) -> None:
    asks_for_more = ELSEWHERE.replace("priority: 1}", "priority: 1, topology: {preferred: rack}}")
    plan = decided(tmp_path, "topology: {levels: [rack]}" + asks_for_more)
    assert sorted(said(plan)) == [("first", ["small"]), ("second", ["large"] * 4)]


def test_nobody_is_spared_in_a_domain_that_a_taker_wants_for_itself(tmp_path: Path) -> None:
    plan = decided(tmp_path, BESIDE)
    assert sorted(said(plan)) == [("only", ["beside", "beside", "low", "low"]), ("second", ["another"])]


def test_who_goes_so_that_a_count_holds_is_not_spared(tmp_path: Path) -> None:
    plan = decided(tmp_path, COUNTED)
    assert "w0" in {name for name, _ in said(plan)}
    assert "low" in {uid for _, gone in said(plan) for uid in gone}


@pytest.mark.parametrize("guarded", ["large", "small"])
def test_a_plan_that_is_looked_at_as_a_whole_says_which_budgets_it_breaks(tmp_path: Path, guarded: str) -> None:
    """A decision that would not say so is refused by the budget."""
    budget = f"pdbs: [{{name: web, allowed: 0, gangs: [{guarded}]}}]\n"
    plan = decided(tmp_path, ELSEWHERE + budget, break_guards=True)
    assert [name for name, _ in said(plan)] == ["second", "first"]
    broken = [
        {score.tier: score.value for score in each.taken.costs}["guards-broken"]
        for each in plan.decisions
        if each.taken
    ]
    assert broken == ([-4, 0] if guarded == "large" else [0, -1])


@pytest.mark.parametrize("text", [GIVES_AGAIN, MOVES_ON])
def test_every_decision_finds_its_room_among_those_who_are_named_by_then(tmp_path: Path, text: str) -> None:
    """Who was moved into the room of others' victims leaves it, or moves on into such room."""
    plan = decided(tmp_path, text)
    assert len(plan.decisions) > 1
    (row,) = load(tmp_path / "world.yaml")
    world = world_of(row.scenario)
    gpus = {state.plan.key: dict(state.plan.members[0].shape.requests)[GPU] for state in world.gangs.values()}
    pods = {pod.uid: (pod.node, gpus[world.gangs[pod.gang].plan.key]) for pod in pods_of(world)}
    free = {node.name: dict(node.allocatable)[GPU] for node in world.nodes}
    for node, taken in pods.values():
        free[node] -= taken
    named = set[str]()
    for decision in plan.decisions:
        gone = {each.uid for each in decision.victims} | {pod.uid for move in decision.moves for pod in move.pods}
        for uid in gone - named:
            free[pods[uid][0]] += pods[uid][1]
        named |= gone
        for key, places in ((decision.gang, decision.places), *((move.gang, move.places) for move in decision.moves)):
            for each in (each for place in places for each in place.nodes):
                free[each.node] -= gpus[key] * each.count
        assert min(free.values()) >= 0, f"{decision.gang} waits for somebody who is not named yet"
