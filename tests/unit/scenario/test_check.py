"""Plans made by hand against expectations: what holds is silent, what does not is one clear difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.model.plan import Cause, Decision, Plan, Refusal, Verdict
from scheduler.model.policy import Policy
from scheduler.model.work import GangKey, Move, NodeCount, Place, Victim
from scheduler.scenario.build import to_snapshot
from scheduler.scenario.check import check
from scheduler.scenario.difference import Difference
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.state import pod_uid
from tests.unit.scenario.texts import scenario

WORLD = """
id: x/1
nodes: [{name: "b[1-2]r[1-2]n[1-2]", gpu: 4, block: "b{1}", rack: "r{2}"}]
gangs:
- {name: a, pods: 4, min: 1, gpu: 1}
- {name: b, gpu: 1, members: [{name: m}, {name: w, pods: 2}]}
- {name: old, pods: 3, gpu: 1, on: {b1r1n1: 3}}
- {name: c, gpu: 1}
"""


def _key(name: str) -> GangKey:
    return GangKey(f"default/{name}")


def _place(member: str, **nodes: int) -> Place:
    return Place(member, tuple(NodeCount(node, count) for node, count in nodes.items()))


PLAN = Plan(
    made_from=1,
    decisions=(
        Decision(
            _key("a"),
            (_place("pods", b1r2n1=2, b1r2n2=1),),
            victims=(Victim(pod_uid("old", 0), "default", "old-0"),),
            moves=(Move(_key("old"), (_place("pods", b2r1n1=2),)),),
        ),
        Decision(_key("b"), (_place("m", b2r1n2=1), _place("w", b2r2n1=1, b2r2n2=1))),
    ),
    verdicts={
        _key("c"): Verdict(
            Cause.BLOCKED, (Refusal("capacity", "Sum", needed=1000, offered=0, resource="nvidia.com/gpu"),)
        )
    },
)
BASE = "placed: {a: 3, b: 3}, evicted: {old: 1}, moved: {old: 2}"

HOLDS = [
    BASE,
    BASE + ", pending: [c], verdicts: {c: {cause: Blocked, needed: 1, offered: 0, resource: gpu, message: [needs 1]}}",
    BASE + ", where: {a: b1/r2, b/m: b2/r1, b/w: {b2r2n1: 1, b2r2n2: 1}}",
    BASE + ", spread: {a: {host: [1, 2], rack: 1}, b: {block: 1, rack: 2}}",
    "placed: {count: 6, gangs: 2, split: [0, 3, 3], from: [a, b, c]}, evicted: {count: 1, from: old}, moved: {old: 2}",
    "others: any, placed: {a: 3}",
    BASE + ", alternatives: [{where: {a: b2}}, {where: {a: [b1r2n1, b1r2n2]}}]",
    "placed: {b: 3}, evicted: {old: 1}, moved: {old: 2}, alternatives: [{placed: {a: 2}}, {placed: {a: 3}}]",
    "where: {b: b2}, placed: {a: 3}, evicted: {old: 1}, moved: {old: 2}",
]

DIFFERS = [
    ("placed: [a, b], evicted: {old: 1}, moved: {old: 2}", "a: expected 4 pods placed, found 3"),
    ("placed: {a: 3}, evicted: {old: 1}, moved: {old: 2}", "b: expected not to be placed, found 3 pods placed"),
    ("placed: {a: 3, b: 3}, moved: {old: 2}", "old: expected not to be evicted, found 1 pods evicted"),
    ("placed: {a: 3, b: 3}, evicted: {old: 1}", "old: expected not to be moved, found 2 pods moved"),
    (BASE + ", pending: [b]", "b: expected to wait, found 3 pods placed on b2r1n2 1, b2r2n1 1, b2r2n2 1"),
    (BASE + ", where: {a: b2}", "a: expected all pods on b2, found b1r2n1 2, b1r2n2 1"),
    (BASE + ", where: {a: [b1r2n1, b1r2n2, b1r1n1]}", "a: expected all pods on b1r2n1, b1r2n2, b1r1n1"),
    (BASE + ", where: {b/w: {b2r2n1: 2}}", "b/w: expected b2r2n1 2, found b2r2n1 1, b2r2n2 1"),
    (BASE + ", spread: {a: {host: 3}}", "a: expected 3 host domains used, found 2 (b1r2n1 2, b1r2n2 1)"),
    (BASE + ", spread: {a: {host: [3]}}", "a: expected 3 pods per host, found b1r2n1 2, b1r2n2 1"),
    (BASE + ", verdicts: {c: Outranked}", "c: expected verdict Outranked, found Blocked: "),
    (
        BASE + ", verdicts: {c: {needed: 2}}",
        "c: expected a reason with needed 2, found capacity/Sum needed 1000 offered 0",
    ),
    (BASE + ", verdicts: {c: {message: seven}}", "c: expected a message with 'seven', found '"),
    (BASE + ", verdicts: {c: {by: a}}", "c: expected to be outranked by a, found nobody"),
    (
        "placed: {split: [4, 2], from: [a, b]}, evicted: {old: 1}, moved: {old: 2}",
        "placed: expected 4 + 2 pods of a, b, found 3 + 3",
    ),
    (
        BASE + ", alternatives: [{where: {a: b2}}, {where: {a: b2r1n1}, evicted: [old]}]",
        "alternatives: expected one of 2 to hold, found none, the nearest lacks: a: expected all pods on b2",
    ),
    (BASE + ", planned: {b: 60}", "planned: expected an answer, found not computed yet"),
]


def differences(world: Scenario, plan: Plan) -> list[Difference]:
    return check(world, to_snapshot(world), plan, Policy())


@pytest.mark.parametrize("expect", HOLDS)
def test_what_holds_is_silent(tmp_path: Path, expect: str) -> None:
    assert differences(scenario(tmp_path, f"{WORLD}expect: {{{expect}}}\n"), PLAN) == []


@pytest.mark.parametrize(("expect", "words"), DIFFERS, ids=[words for _, words in DIFFERS])
def test_what_does_not_hold_is_one_difference(tmp_path: Path, expect: str, words: str) -> None:
    found = differences(scenario(tmp_path, f"{WORLD}expect: {{{expect}}}\n"), PLAN)
    assert len(found) == 1, [str(each) for each in found]
    assert str(found[0]).startswith(words)


def test_a_row_about_a_rule_that_is_missing_never_passes_by_doing_nothing(tmp_path: Path) -> None:
    text = "id: x/1\nnodes: {n0: 1}\ngangs: [{name: a, gpu: 2}]\nexpect: {pending: [a], planned: {a: 60}}\n"
    found = differences(scenario(tmp_path, text), Plan(made_from=1))
    assert [str(each) for each in found] == ["planned: expected an answer, found not computed yet"]
