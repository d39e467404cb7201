"""In which flavor room is made: who is entitled there, what it costs, and what the policy's list says; by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.scenario.load import load_suite
from scheduler.scenario.run import Outcome, choose_policy, run
from tests.conformance.test_rows import find

FLAVORS = """
flavors: [{name: f1, nodeSelector: {pool: f1}}, {name: f2, nodeSelector: {pool: f2}}]
nodes: [{name: a, gpu: 4, labels: {pool: f1}}, {name: b, gpu: 4, labels: {pool: f2}}]
queues:
  mine: {guaranteed: {f1: {gpu: %s}, f2: {gpu: %s}}}
  other: {guaranteed: {f1: {gpu: %s}, f2: {gpu: %s}}}
gangs:
"""


def outcome(tmp_path: Path, quotas: tuple[int, int, int, int], gangs: str, policy: str = "default") -> Outcome:
    """``quotas`` are mine of f1 and f2, then the other's."""
    path = tmp_path / "row.yaml"
    path.write_text(
        f"id: x/1\npolicy: {policy}\n{FLAVORS % quotas}{gangs}\nexpect: {{others: any}}\n", encoding="utf-8"
    )
    (row,) = load_suite([path])
    found = run(row.scenario, choose_policy(row.scenario.policy, find).policy)
    assert [each for each in found.differences if each.subject.startswith("promise")] == []
    return found


def places(found: Outcome, name: str) -> tuple[list[str], list[str]]:
    """(nodes of its pods, gangs that lose pods for it)."""
    for decision in found.plan.decisions:
        if decision.gang.endswith(f"/{name}"):
            nodes = [each.node for place in decision.places for each in place.nodes for _ in range(each.count)]
            return nodes, sorted({victim.name.rpartition("-")[0] for victim in decision.victims})
    return [], []


RUNNING = """
- {name: r1, queue: other, pods: 4, min: 1, gpu: 1, nodeSelector: {pool: f1}, priority: %s, on: {a: 4}}
- {name: r2, queue: other, pods: 4, min: 1, gpu: 1, nodeSelector: {pool: f2}, priority: %s, on: {b: 4}}
"""


def test_it_takes_in_the_flavor_in_which_it_is_entitled(tmp_path: Path) -> None:
    wants = RUNNING % (0, 0) + "- {name: w, queue: mine, pods: 2, gpu: 1, flavors: {f1: 2, f2: 1}}"
    nodes, losers = places(outcome(tmp_path, (0, 2, 4, 2), wants), "w")
    assert (nodes, losers) == (["b", "b"], ["r2"]), "preferred is f1, of which it is guaranteed nothing"


def test_the_cheaper_flavor_before_the_preferred_one_by_default(tmp_path: Path) -> None:
    wants = RUNNING % (5, 1) + "- {name: w, queue: mine, pods: 2, gpu: 1, flavors: {f1: 2, f2: 1}}"
    assert places(outcome(tmp_path, (2, 2, 2, 2), wants), "w") == (["b", "b"], ["r2"])


@pytest.mark.parametrize("policy", ["kueue-classic", "kueue-fair"])
def test_the_preferred_flavor_before_the_cheaper_one_as_kueue_does(tmp_path: Path, policy: str) -> None:
    wants = RUNNING % (5, 1) + "- {name: w, queue: mine, pods: 2, gpu: 1, flavors: {f1: 2, f2: 1}}"
    assert places(outcome(tmp_path, (2, 2, 2, 2), wants, policy), "w") == (["a", "a"], ["r1"])


def test_the_preferred_of_equals(tmp_path: Path) -> None:
    for first, second, node in ((2, 1, "a"), (1, 2, "b")):
        wants = (
            RUNNING % (0, 0) + f"- {{name: w, queue: mine, pods: 2, gpu: 1, flavors: {{f1: {first}, f2: {second}}}}}"
        )
        assert places(outcome(tmp_path, (2, 2, 2, 2), wants), "w")[0] == [node, node]


def test_a_flavor_without_borrowing_where_the_policy_says_so(tmp_path: Path) -> None:
    wants = RUNNING % (0, 0) + "- {name: w, queue: mine, pods: 3, gpu: 1, priority: 1, flavors: {f1: 2, f2: 1}}"
    wants = wants.replace("queue: other", "queue: mine")  # of lower priority in the same queue
    assert places(outcome(tmp_path, (1, 9, 0, 0), wants), "w")[0] == ["a"] * 3
    order = "{profile: default, flavorOrder: [borrowing, costs, preference]}"
    assert places(outcome(tmp_path, (1, 9, 0, 0), wants, order), "w")[0] == ["b"] * 3


def test_work_that_names_no_flavor_takes_too(tmp_path: Path) -> None:
    wants = RUNNING % (0, 0) + "- {name: w, queue: mine, pods: 2, gpu: 1}"
    assert places(outcome(tmp_path, (0, 2, 4, 2), wants), "w") == (["b", "b"], ["r2"])


def test_what_a_selector_leaves_is_the_flavor_that_is_charged(tmp_path: Path) -> None:
    wants = RUNNING % (0, 0) + "- {name: w, queue: mine, pods: 2, gpu: 1, nodeSelector: {pool: f1}}"
    assert places(outcome(tmp_path, (0, 4, 4, 0), wants), "w") == ([], []), (
        "no guarantee of f1, and all of f1 is theirs"
    )


def test_nobody_is_moved_to_another_flavor(tmp_path: Path) -> None:
    gangs = (
        "- {name: r1, queue: other, gpu: 2, on: a}\n- {name: w, queue: mine, pods: 1, gpu: 4, nodeSelector: {pool: f1}}"
    )
    assert places(outcome(tmp_path, (0, 0, 2, 0), gangs), "w") == ([], []), "f2 is free, and a quota of its own"


def test_surplus_is_taken_in_the_same_decision_as_minima_get_what_is_free(tmp_path: Path) -> None:
    gangs = (
        "- {name: r1, queue: mine, pods: 3, min: 1, gpu: 1, nodeSelector: {pool: f1}, on: {a: 3}}\n"
        "- {name: w, queue: mine, pods: 4, min: 1, gpu: 1, priority: 1, nodeSelector: {pool: f1}}"
    )
    found = outcome(tmp_path, (4, 0, 0, 0), gangs)
    assert places(found, "w") == (["a"] * 2, ["r1"])
    assert len(found.plan.decisions) == 1
