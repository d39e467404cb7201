"""Plans made by hand that break one promise each, and plans that keep them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.model.devices import DeviceUse
from scheduler.model.plan import Decision, Plan
from scheduler.model.work import GangKey, Move, NodeCount, Place, Victim
from scheduler.scenario.aftermath import committed, settled
from scheduler.scenario.again import needless, unsettled
from scheduler.scenario.promises import broken
from scheduler.scenario.state import World, pod_uid, world_of
from tests.unit.scenario.texts import scenario

WORLD = """
id: x/1
nodes: {n0: 4, n1: 5, n2: {gpu: 1, gpuMemory: 100Mi}}
queues:
- {name: top, limit: 10, guaranteed: 6}
- {name: a, parent: top, guaranteed: 4, lendable: 1}
- {name: b, parent: top, guaranteed: 2}
pdbs: {web: {allowed: 1, gangs: [old]}, other: {allowed: 5, gangs: [twice]}, third: {allowed: 5, gangs: [twice]}}
gangs:
- {name: old, queue: a, pods: 3, min: 1, gpu: 1, on: {n0: 3}}
- {name: firm, queue: a, gpu: 1, preemptible: false, on: n0}
- {name: fixed, queue: b, gpu: 1, movable: false, on: n1}
- {name: twice, queue: b, gpu: 1, on: n1}
- {name: jammed, queue: b, gpu: 1, stuck: true, on: n1}
- {name: half, queue: b, gpu: 0.5, on: n2/g0}
- {name: new, queue: b, pods: 2, gpu: 1}
- {name: more, queue: a, pods: 4, min: 1, gpu: 1, preemptible: false}
- {name: part, queue: b, gpu: 0.7}
"""


def _place(**nodes: int) -> tuple[Place, ...]:
    return (Place("pods", tuple(NodeCount(node, count) for node, count in nodes.items())),)


def _pods(gang: str, *numbers: int) -> tuple[Victim, ...]:
    return tuple(Victim(pod_uid(gang, number), "default", f"{gang}-{number}") for number in numbers)


def _for(
    gang: str, places: tuple[Place, ...], victims: tuple[Victim, ...] = (), moves: tuple[Move, ...] = ()
) -> Decision:
    return Decision(GangKey(f"default/{gang}"), places, victims, moves)


def _moved(gang: str, places: tuple[Place, ...], *numbers: int) -> tuple[Move, ...]:
    return (Move(GangKey(f"default/{gang}"), places, _pods(gang, *numbers)),)


KEPT = {
    "a surplus pod makes room": _for("new", _place(n0=1, n1=1), _pods("old", 2)),
    "a move makes room": _for("new", _place(n0=1, n1=1), (), _moved("old", _place(n1=1), 2)),
    "nothing has to go": _for("more", _place(n1=1)),
}

BROKEN = [
    (_for("new", _place(n0=2)), "promise 1: expected n0 within its 4 nvidia.com/gpu, found 6"),
    (
        _for("part", (Place("pods", (NodeCount("n2", 1, (DeviceUse(0, 700),)),)),)),
        "promise 1: expected GPU 0 of n2 given once, found 1200 thousandths of it taken",
    ),
    (_for("new", _place(n1=1)), "promise 2: expected new whole or absent, found 1 of pods"),
    (_for("more", _place(n1=5)), "promise 2: expected 4 pods of more/pods, found 5"),
    (_for("new", (), _pods("old", 2)), "promise 3: expected a place for new, found 1 evicted and 0 moved for nothing"),
    (_for("new", _place(n1=1, n0=1), _pods("jammed", 0)), "promise 3: expected victims that are there, found jammed/0"),
    (
        _for("new", _place(n0=1, n1=1), (), (*_moved("old", _place(n1=1), 1, 2),)),
        "promise 3: expected a place for each of 2 moved pods of old, found 1",
    ),
    (
        _for("new", _place(n0=1, n1=1), _pods("firm", 0)),
        "promise 4: expected firm left alone: it is not preemptible, found firm/0 goes for new",
    ),
    (
        _for("new", _place(n1=2), (), _moved("fixed", _place(n1=1), 0)),
        "promise 4: expected fixed left in place: it is not movable, found fixed/0 moved",
    ),
    (
        _for("more", _place(n0=3, n1=1), _pods("old", 0, 1, 2)),
        (
            "promise 4: expected not preemptible work of a within its guarantee of 4 nvidia.com/gpu, "
            "found 5 nvidia.com/gpu"
        ),
    ),
    (
        _for("new", _place(n0=1, n1=1), _pods("old", 1, 2)),
        "promise 8: expected 1 evictions under default/web, found 2",
    ),
    (
        _for("new", _place(n1=2), _pods("twice", 0)),
        "promise 8: expected twice/0 left alone: it has two budgets, found it goes for default/new",
    ),
]


def _world(directory: Path, text: str = WORLD) -> World:
    return world_of(scenario(directory, text))


@pytest.mark.parametrize("decision", KEPT.values(), ids=list(KEPT))
def test_what_keeps_them_is_silent(tmp_path: Path, decision: Decision) -> None:
    assert [str(each) for each in broken(_world(tmp_path), Plan(1, (decision,)))] == []


@pytest.mark.parametrize(("decision", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_what_breaks_one_is_said(tmp_path: Path, decision: Decision, words: str) -> None:
    assert words in [str(each) for each in broken(_world(tmp_path), Plan(1, (decision,)))]


def test_a_limit_binds_the_subtree_and_what_is_not_lent_is_kept(tmp_path: Path) -> None:
    text = (
        "id: x/1\nnodes: {n0: 9}\nqueues: [{name: top, limit: 2}, {name: a, parent: top}, "
        "{name: b, guaranteed: 5, lendable: 1}]\n"
        "gangs: [{name: one, queue: a, gpu: 1, on: n0}, {name: two, queue: a, pods: 5, gpu: 1}]"
    )
    found = [str(each) for each in broken(_world(tmp_path, text), Plan(1, (_for("two", _place(n0=5)),)))]
    assert found == [
        "promise 5: expected top within its limit of 2 nvidia.com/gpu, found 6 nvidia.com/gpu",
        "promise 5: expected nvidia.com/gpu used or not lent within 9000, found 10000",
    ]


def test_what_was_wrong_before_is_not_held_against_a_plan(tmp_path: Path) -> None:
    text = (
        "id: x/1\nnodes: {n0: 9}\nqueues: {a: {limit: 1}, b: 1}\n"
        "gangs: [{name: one, queue: a, pods: 3, gpu: 1, on: {n0: 3}}, {name: two, queue: b, gpu: 1}]"
    )
    assert list(broken(_world(tmp_path, text), Plan(1, (_for("two", _place(n0=1)),)))) == []


def test_victims_leave_whoever_follows_awaits_them_and_they_wait_again(tmp_path: Path) -> None:
    before = _world(tmp_path)
    decision = _for("new", _place(n0=1, n1=1), _pods("old", 2), _moved("twice", _place(n1=1), 0))
    after = committed(before, (decision,))
    assert {pod.awaits for pod in after.gangs["new"].pods} == {("old/2", "twice/0")}
    assert (after.gangs["old"].waits, after.gangs["twice"].waits, after.gangs["new"].waits) == (True, False, False)
    assert after.gangs["old"].gang().branches[0].minimum == 0, "its minimum runs on"
    assert after.guards["default/web"] == 0
    end = settled(after)
    assert [pod.uid for pod in end.gangs["old"].pods] == ["old/0", "old/1"]
    assert [pod.awaits for pod in end.gangs["new"].pods] == [(), ()]
    assert [pod.uid for pod in end.gangs["twice"].pods] == ["twice/1"]


def test_a_second_decision_is_said_with_its_moment(tmp_path: Path) -> None:
    world = _world(tmp_path)
    first = Plan(1, (_for("more", _place(n1=1)),))
    further = Plan(2, (_for("new", _place(n0=2), _pods("old", 2)),))
    found = [str(each) for each in unsettled(world, first, lambda _: further)]
    assert found == [
        f"promise 6: expected nothing decided {moment}, found 2 more pods of new, evicting old/2"
        for moment in ("right afterwards", "once all is gone")
    ]
    assert list(unsettled(world, first, lambda _: Plan(2))) == []


def test_who_was_evicted_may_find_a_place_elsewhere_only_where_nothing_moves(tmp_path: Path) -> None:
    world = _world(tmp_path)
    first = Plan(1, (_for("new", _place(n0=1, n1=1), _pods("old", 2)),))
    elsewhere = Plan(2, (_for("old", _place(n2=1)),))
    assert len(list(unsettled(world, first, lambda _: elsewhere))) == 2
    assert list(unsettled(world, first, lambda _: elsewhere, moves=False)) == []
    at_a_cost = Plan(2, (_for("old", _place(n2=1), _pods("half", 0)),))
    assert len(list(unsettled(world, first, lambda _: at_a_cost, moves=False))) == 2


def test_a_victim_that_could_have_stayed_is_needless(tmp_path: Path) -> None:
    """``new`` needs two places: with one more free than it needs, one of the victims is too many."""
    text = (
        "id: x/1\nnodes: {n0: 4}\ngangs:\n- {name: whole, pods: 2, gpu: 1, on: {n0: 2}}\n"
        "- {name: many, pods: 2, min: 1, gpu: 1, on: {n0: 2}}\n- {name: new, gpu: 2}\n- {name: idle, gpu: 1}"
    )
    world = _world(tmp_path, text)
    plan = Plan(1, (_for("new", _place(n0=1), (*_pods("whole", 0, 1), *_pods("many", 1))),))
    asked: list[tuple[int, list[str]]] = []

    def place(snapshot: object) -> Plan:
        free = int(snapshot.free[0, 3]) // 1000  # type: ignore[attr-defined]
        waiting = [gang.name for gang in snapshot.gangs]  # type: ignore[attr-defined]
        asked.append((free, waiting))
        return Plan(2, (_for("new", _place(n0=1)),) if free >= 2 else ())

    found = [str(each) for each in needless(world, plan, place)]
    assert found == ["promise 7: expected many/1 needed as victims, found all fits without"]
    assert asked == [(1, ["new"]), (2, ["new"])], "a gang of which nothing is left comes back as a whole"


def test_a_tree_needs_every_branch(tmp_path: Path) -> None:
    parts = "[{name: s, pods: 2, min: 1}, {name: t, pods: 1}]"
    text = f"id: x/1\nnodes: {{n0: 4}}\ngangs: [{{name: tree, gpu: 1, subgroups: {parts}}}]"
    world = _world(tmp_path, text)
    places = {part: Place(part, (NodeCount("n0", 1),)) for part in ("s", "t")}
    assert list(broken(world, Plan(1, (_for("tree", (places["s"], places["t"])),)))) == []
    found = [str(each) for each in broken(world, Plan(1, (_for("tree", (places["s"],)),)))]
    assert found == ["promise 2: expected tree whole or absent, found 1 of s"]
