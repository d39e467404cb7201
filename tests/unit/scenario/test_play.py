"""Worlds that unfold, with decisions made by hand: what is asked of the decider, and what comes of its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Decision, Plan
from scheduler.model.resources import GPU
from scheduler.model.work import GangKey, NodeCount, Place, Victim
from scheduler.scenario.play import Play
from tests.unit.scenario.texts import scenario

WORLD = """
id: x/1
nodes: {n0: 2}
queues: {a: 1, b: 1}
gangs: [{name: "a[1-2]", queue: a, gpu: 1, on: n0}]
"""


def _decision(gang: str, *victims: str, node: str = "n0") -> Decision:
    places = (Place("pods", (NodeCount(node, 1),)),)
    return Decision(GangKey(f"default/{gang}"), places, tuple(Victim(uid, "default", uid) for uid in victims))


class Taker:
    """Places what fits on free room, and for b1 evicts a1 where there is none; notes what it saw and when."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int, list[str]]] = []

    def __call__(self, snapshot: Snapshot, now_seconds: float) -> Plan:
        free = int(snapshot.free[0, snapshot.resources.index(GPU)]) // 1000
        waiting = [gang.name for gang in snapshot.gangs]
        self.seen.append((now_seconds, free, waiting))
        if waiting and free > 0:
            return Plan(1, (_decision(waiting[0], node=snapshot.nodes.nodes[0].name),))
        victims = [pod.uid for gang in snapshot.running for pod in gang.pods if gang.name == "a1" and not pod.leaving]
        return Plan(1, (_decision("b1", *victims),)) if "b1" in waiting and victims else Plan(1)


def _play(directory: Path, text: str, decide: Taker, seed: int = 0) -> Play:
    play = Play(scenario(directory, WORLD + text), decide, seed)
    play.run()
    return play


def test_a_victim_takes_its_time_waits_again_and_its_room_is_kept(tmp_path: Path) -> None:
    taker = Taker()
    play = _play(
        tmp_path,
        "termination: 10s\nsteps:\n- {at: 1m, submit: [{name: b1, queue: b, gpu: 1}]}\n"
        "- {at: 65s, expect: {evicted: [a1], placed: [b1]}}\n- {at: 2m, finish: a2}\n"
        "expect: {after: settled, placed: [a1]}",
        taker,
    )
    assert play.trouble == []
    assert taker.seen == [
        (0.0, 0, []),
        (60.0, 0, ["b1"]),
        (60.0, -1, ["a1"]),  # a1 leaves, b1 has its place, a1 waits for another
        (65.0, -1, ["a1"]),
        (65.0, -1, ["a1"]),
        (70.0, 0, ["a1"]),
        (120.0, 1, ["a1"]),
        (120.0, 0, []),
    ]
    first, last = play.moments
    assert (first.changes.evicted, sum(first.changes.nodes("b1").values())) == ({"a1": 1}, 1)
    assert (last.changes.evicted, sum(last.changes.nodes("a1").values()), last.missing["a1"]) == ({}, 1, 1)


def test_who_is_evicted_twice_for_one_beneficiary_is_said(tmp_path: Path) -> None:
    """b1 is deleted before it runs, a1 comes back, b1 is submitted by its owner once more under the same name."""
    play = _play(
        tmp_path,
        "steps:\n- {at: 1m, submit: [{name: b1, queue: b, gpu: 1}]}\n- {at: 2m, finish: b1}\n"
        "- {at: 3m, submit: [{name: b2, queue: b, gpu: 1, suspend: true}]}\nexpect: {after: settled, others: any}",
        Taker(),
    )
    assert play.trouble == []
    play._note((_decision("b1", "a1/7"),))
    assert [str(each) for each in play.trouble] == ["steps: expected a1 evicted once for b1, found twice"]


def test_a_world_that_does_not_settle_is_said(tmp_path: Path) -> None:
    class Restless(Taker):
        def __call__(self, snapshot: Snapshot, now_seconds: float) -> Plan:
            return Plan(1, (Decision(GangKey("default/a1"), ()),))

    play = Play(scenario(tmp_path, WORLD + "expect: {after: settled}"), Restless())
    play.run()
    assert [str(each) for each in play.trouble] == ["steps: expected to settle, found 30 decisions at 0 s"]


@pytest.mark.parametrize("seed", range(5))
def test_the_seed_draws_how_long_each_takes(tmp_path: Path, seed: int) -> None:
    def times(again: int) -> list[float]:
        taker = Taker()
        text = "termination: {seconds: 2, upTo: 30s}\nsteps: [{at: 1m, submit: [{name: b1, queue: b, gpu: 1}]}]"
        _play(tmp_path, text, taker, again)
        return [at for at, _, _ in taker.seen]

    assert times(seed) == times(seed)
    assert 62.0 <= times(seed)[-1] <= 90.0
    assert times(seed)[-1] != times(seed + 100)[-1]


def test_nodes_and_queues_change(tmp_path: Path) -> None:
    taker = Taker()
    play = _play(
        tmp_path,
        "steps:\n- {at: 1m, addNodes: [{name: n1, gpu: 1}]}\n- {at: 2m, cordon: n1}\n- {at: 3m, removeNodes: n0}\n"
        "- {at: 4m, changeQueue: {name: a, limit: 0}}",
        taker,
    )
    assert [node.name for node in play.world.nodes] == ["n1"]
    assert play.world.nodes[0].unschedulable
    assert play.world.queues["a"].quotas[0].limit == 0
    places = {name: [pod.node for pod in state.pods] for name, state in play.world.gangs.items()}
    assert places == {"a1": ["n1"], "a2": []}, "what ran on the node that is gone waits again"


def test_time_alone_may_allow_something(tmp_path: Path) -> None:
    class Patient(Taker):
        def __call__(self, snapshot: Snapshot, now_seconds: float) -> Plan:
            super().__call__(snapshot, now_seconds)
            return Plan(1, again_at_seconds=25.0)

    taker = Patient()
    Play(scenario(tmp_path, WORLD + "steps: [{at: 10s, expect: {others: any}}]"), taker).run()
    assert [at for at, _, _ in taker.seen] == [0.0, 10.0, 10.0, 25.0]
