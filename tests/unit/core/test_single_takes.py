"""A single pod for which others give way: it gets a PodGroup, which holds the record and goes when it has served."""

from __future__ import annotations

from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.plan import Decision
from scheduler.model.work import NodeCount, Place, group_key, single_key
from tests.unit.core.test_giving_way import gang, victims
from tests.unit.core.world import Bench, node, pod

NAME = "pod-uid-high"


def taking() -> Bench:
    """`low` of 2 fills the node; the single pod `high` is to get the place of both."""
    bench = Bench(node("n1", 2))
    bench.see(*gang("low", 2))
    bench.see(pod("high", gpus=2, preemptible=False))
    key = single_key("uid-high")
    bench.chosen[key] = Decision(key, (Place("pod", (NodeCount("n1", 1),)),), victims("low-0", "low-1"))
    return bench


def decide(bench: Bench) -> None:
    bench.tell(ev.NamespaceSeen("team", "", (("seen", str(bench.versions)),)))
    bench.tick()


def test_it_gets_a_group_then_the_record_then_the_victims_go_and_it_is_bound() -> None:
    bench = taking()
    decide(bench)
    kinds = [type(each).__name__ for each in bench.done]
    assert kinds.index("MakeGroup") < len(kinds) - 1 - kinds[::-1].index("Commit") < kinds.index("MarkEvicted")
    made = bench.groups[NAME]
    assert (made.for_pod, made.preemptible) == ("uid-high", False)
    assert made.assignment is not None
    assert not made.held, "its record needs no finalizer: when it is bound, it has served"
    assert sorted(bench.evicted()) == ["low-0", "low-1"]
    assert bench.nodes_of("high") == [""]
    bench.go("low-0", "low-1")
    assert bench.nodes_of("high") == ["n1"]


def test_when_it_runs_its_group_goes_and_it_is_single_again() -> None:
    bench = taking()
    decide(bench)
    bench.go("low-0", "low-1")
    bench.tick()
    assert NAME not in bench.groups
    assert [each.key for each in bench.engine.snapshot().running] == [single_key("uid-high")]
    assert (bench.engine.store.free() >= 0).all()
    assert group_key("team", NAME) not in bench.engine.store.books


def test_its_room_is_kept_from_the_moment_of_the_decision() -> None:
    bench = taking()
    bench.lose = [ef.MakeGroup]
    decide(bench)
    gpu = bench.engine.store.columns.names.index("nvidia.com/gpu")
    assert int(bench.engine.store.free_on("n1")[gpu]) == -2000
    (lost,) = bench.held
    bench.lose = []
    bench.tell(ev.Failed(lost, 0, "no answer"))
    bench.tick(2)
    assert NAME in bench.groups
    assert sorted(bench.evicted()) == ["low-0", "low-1"]


def test_a_group_that_exists_already_is_gone_on_with() -> None:
    bench = taking()
    bench.lose = [ef.MakeGroup]
    decide(bench)
    (lost,) = bench.held
    bench.lose = []
    bench.tell(ev.Failed(lost, 409, "already exists"))
    assert bench.evicted() == []
    bench.tell(*bench._perform(lost))
    assert sorted(bench.evicted()) == ["low-0", "low-1"]


def test_without_the_right_to_make_groups_nobody_is_evicted() -> None:
    bench = taking()
    bench.lose = [ef.MakeGroup]
    decide(bench)
    (lost,) = bench.held
    bench.tell(ev.Failed(lost, 403, "forbidden"))
    bench.tick(5)
    assert (bench.evicted(), len(bench.held)) == ([], 1)
    gpu = bench.engine.store.columns.names.index("nvidia.com/gpu")
    assert int(bench.engine.store.free_on("n1")[gpu]) == 0
    bench.tick(6)
    assert len(bench.held) == 2, "it is decided on again after a while"


def test_a_successor_finishes_it_at_every_stage() -> None:
    for lost in (ef.Commit, ef.MarkEvicted, ef.Evict, ef.Bind):
        bench = taking()
        bench.lose = [lost]
        decide(bench)
        if lost is ef.Bind:
            bench.go("low-0", "low-1")
        successor = Bench(node("n1", 2))
        successor.chosen = bench.chosen
        successor.see(*bench.groups.values(), *bench.pods.values())
        key, chosen = group_key("team", NAME), bench.chosen[single_key("uid-high")]
        successor.chosen[key] = Decision(key, chosen.places, chosen.victims)
        decide(successor)
        left = [name for name in ("low-0", "low-1") if f"uid-{name}" in successor.pods]
        successor.go(*left)
        successor.tick()
        assert (successor.nodes_of("high"), NAME in successor.groups) == (["n1"], False), lost


def test_a_pod_that_is_deleted_meanwhile_takes_its_group_along() -> None:
    bench = taking()
    bench.lose = [ef.MarkEvicted]
    decide(bench)
    bench.go("high")
    bench.tick()
    assert NAME not in bench.groups
    assert bench.evicted() == []
    assert bench.phase("low") == "Running"
