"""A plan of several takers as a whole: what one leaves over, and who need not go once all of it is carried out."""

from __future__ import annotations

from pathlib import Path

from scheduler.model.plan import Plan
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
