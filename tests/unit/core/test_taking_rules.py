"""What queues do not lend, and what they count, hold where victims are chosen; by hand."""

from __future__ import annotations

from pathlib import Path

from scheduler.scenario.load import load_suite
from scheduler.scenario.run import Outcome, choose_policy, run
from tests.conformance.test_rows import find


def outcome(tmp_path: Path, world: str, policy: str = "default") -> Outcome:
    path = tmp_path / "row.yaml"
    path.write_text(f"id: x/1\npolicy: {policy}\n{world}\nexpect: {{others: any}}\n", encoding="utf-8")
    (row,) = load_suite([path])
    found = run(row.scenario, choose_policy(row.scenario.policy, find).policy)
    assert [each for each in found.differences if each.subject.startswith("promise")] == []
    return found


def losers(found: Outcome) -> dict[str, list[str]]:
    """Who is placed -> the gangs that lose pods for it."""
    return {
        decision.gang.rpartition("/")[2]: sorted({victim.name.rpartition("-")[0] for victim in decision.victims})
        for decision in found.plan.decisions
    }


COUNTED = """
nodes: {n0: 4, n1: 4}
queues: {q: {guaranteed: 8, limits: {%s}}, other: {guaranteed: 0}}
gangs:
"""


def test_somebody_leaves_so_that_a_count_holds_though_there_is_room(tmp_path: Path) -> None:
    world = COUNTED % "gangs: 2" + (
        "- {name: r1, queue: q, gpu: 1, on: n0}\n- {name: r2, queue: q, gpu: 2, on: n0}\n"
        "- {name: w, queue: q, gpu: 1, priority: 1}"
    )
    assert losers(outcome(tmp_path, world)) == {"w": ["r1"]}, "one GPU is lost rather than two"


def test_a_victim_of_another_queue_makes_no_room_in_a_count(tmp_path: Path) -> None:
    world = COUNTED % "gangs: 1" + (
        "- {name: r1, queue: q, gpu: 1, priority: 1, on: n0}\n"
        "- {name: r2, queue: other, pods: 7, min: 1, gpu: 1, on: {n0: 3, n1: 4}}\n"
        "- {name: w, queue: q, gpu: 1, priority: 1}"
    )
    assert losers(outcome(tmp_path, world)) == {}


def test_the_own_gang_goes_where_another_would_be_cheaper_but_for_the_count(tmp_path: Path) -> None:
    world = COUNTED % "gangs: 1" + (
        "- {name: r1, queue: q, pods: 4, gpu: 1, on: {n0: 4}}\n"
        "- {name: r2, queue: other, pods: 4, min: 1, gpu: 1, on: {n1: 4}}\n"
        "- {name: w, queue: q, gpu: 1, priority: 1}"
    )
    assert losers(outcome(tmp_path, world)) == {"w": ["r1"]}


def test_pods_of_a_user_are_counted(tmp_path: Path) -> None:
    world = COUNTED % "perUser: {pods: 3}" + (
        "- {name: mine, queue: q, user: ann, pods: 2, gpu: 1, on: {n0: 2}}\n"
        "- {name: theirs, queue: q, user: bob, gpu: 1, on: n1}\n"
        "- {name: w, queue: q, user: ann, pods: 2, gpu: 1, priority: 1}"
    )
    assert losers(outcome(tmp_path, world)) == {"w": ["mine"]}, "bob's gang is smaller, but it is ann who has too many"


def test_takers_share_what_a_count_leaves(tmp_path: Path) -> None:
    world = COUNTED % "gangs: 2" + (
        "- {name: r1, queue: q, pods: 4, gpu: 1, on: {n0: 4}}\n"
        "- {name: r2, queue: other, pods: 4, gpu: 1, on: {n1: 4}}\n"
        "- {name: w1, queue: q, pods: 4, gpu: 1, priority: 1}\n- {name: w2, queue: q, gpu: 1, priority: 1}\n"
        "- {name: w3, queue: q, gpu: 1, priority: 1}"
    )
    assert losers(outcome(tmp_path, world)) == {"w1": ["r2"], "w2": ["r1"]}, "for w3 there is room, and no third gang"


LENT = """
nodes: {n0: 4, n1: 4}
queues:
  keeps: {guaranteed: 4, lendable: %s}
  a: {guaranteed: 2}
  b: {guaranteed: 2}
gangs:
"""


def test_a_taker_gets_no_more_of_what_is_lent_than_there_is(tmp_path: Path) -> None:
    running = "- {name: b1, queue: b, pods: 5, min: 1, gpu: 1, on: {n0: 4, n1: 1}}\n"
    for lendable, lost in (
        (4, 0),
        (2, 1),
        (0, 2),
    ):  # what is kept, 5 of b and 2 of a are to be 8 at most, or as many as now
        found = outcome(tmp_path, LENT % lendable + running + "- {name: w, queue: a, pods: 2, gpu: 1}")
        assert [len(decision.victims) for decision in found.plan.decisions] == [lost]
    more = "- {name: b1, queue: b, pods: 2, gpu: 1, on: {n0: 2}}\n- {name: w, queue: a, pods: 3, gpu: 1}"
    assert losers(outcome(tmp_path, LENT % 0 + more)) == {}, "b has no more than it is guaranteed"
