"""The ledger of a cycle: what counts as there, as used, and as asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from scheduler.core.queues.entitled import Entitlements
from scheduler.core.queues.ledger import Ledger
from scheduler.model import events as ev
from scheduler.model.flavor import Flavor
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU
from scheduler.model.running import Running, RunningPod
from scheduler.model.work import GangKey, Member
from tests.unit.core.world import Bench, group, node, pod, shape

WHOLE = (GPU, "")


def queue(name: str, guaranteed: int, flavor: str = "", **facts: object) -> Queue:
    return Queue(name, quotas=(Quota(GPU, flavor, guaranteed=guaranteed * 1000),), **facts)  # type: ignore[arg-type]


def bench(*nodes: str, queues: Iterable[Queue] = (queue("a", 4), queue("b", 4))) -> Bench:
    return Bench(*(node(name) for name in nodes), queues=queues)


def book(world: Bench) -> Ledger:
    return Entitlements(Policy()).of(world.engine.snapshot()).book


def gpus(ledger: Ledger, what: str, name: str) -> int:
    return int(getattr(ledger, what)[ledger.row(name), ledger.columns.index(WHOLE)]) // 1000


def test_the_total_is_what_ready_and_uncordoned_nodes_have_for_us() -> None:
    world = bench("n0", "n1")
    world.tell(ev.NodeSeen(node("n2", unschedulable=True)), ev.NodeSeen(node("n3", ready=False)))
    foreign = msgspec.structs.replace(pod("other", gpus=3, node="n0"), ours=False)
    world.see(foreign)
    assert book(world).total == (13_000,)


def test_use_is_what_runs_and_request_also_what_waits() -> None:
    world = bench("n0")
    world.see(pod("runs", gpus=3, queue="a"), pod("waits", gpus=7, queue="b"), pod("too", gpus=2, queue="b"))
    ledger = book(world)
    assert [gpus(ledger, "use", name) for name in "ab"] == [3, 2]
    assert [gpus(ledger, "request", name) for name in "ab"] == [3, 9]
    assert [gpus(ledger, "fair", name) for name in "ab"] == [3, 5]


def test_work_whose_queue_is_gone_is_neither_anybodys_use_nor_there_to_share() -> None:
    world = bench("n0")
    world.see(pod("runs", gpus=3, queue="a"))
    world.tell(ev.QueueGone("a"))
    assert book(world).total == (5_000,)


def test_what_may_not_be_taken_back_is_told_apart() -> None:
    world = bench("n0")
    world.see(pod("firm", gpus=2, queue="a", preemptible=False), pod("soft", gpus=1, queue="a"))
    assert [gpus(book(world), what, "a") for what in ("use", "firm")] == [3, 2]


def test_pods_that_leave_are_nobodys_use() -> None:
    world = bench("n0")
    world.see(pod("runs", gpus=3, queue="a"))
    stays = RunningPod("uid-runs", "team", "runs", "n0", "pod")
    gang = Running(GangKey("pod/uid-runs"), "runs", "a", 0, (Member("pod", shape(3), 1, 1),), (), (stays,))
    leaves = msgspec.structs.replace(gang, pods=(msgspec.structs.replace(stays, leaving=True),))
    for running, used in ((gang, 3), (leaves, 0)):
        ledger = Entitlements(Policy()).of(replace(world.engine.snapshot(), running=(running,))).book
        assert gpus(ledger, "use", "a") == used


def test_an_elastic_gang_asks_for_all_of_its_pods() -> None:
    world = bench("n0")
    world.see(group("g", 2, queue="a"), *(pod(f"g-{number}", group="g", gpus=4) for number in range(5)))
    assert gpus(book(world), "request", "a") == 20


def test_only_what_queues_speak_of_has_a_column_and_what_work_is_worth() -> None:
    quota = Quota("cpu", guaranteed=1000)
    assert book(bench("n0")).columns == (WHOLE,)
    assert book(bench("n0", queues=[Queue("a", quotas=(quota,))])).columns == (("cpu", ""), WHOLE)
    assert book(Bench(node("n0", 0), queues=[Queue("a")])).columns == (("cpu", ""),)


def test_flavors_are_counted_apart_and_work_counts_in_the_first_it_accepts() -> None:
    world = Bench(node("n0", rack="r1"), node("n1", rack="r2"), queues=[queue("a", 4, "h100"), queue("b", 4, "a100")])
    for name, rack in (("h100", "r1"), ("a100", "r2")):
        world.tell(ev.FlavorSeen(Flavor(name, (("rack", rack),))))
    world.see(pod("one", gpus=3, queue="a"))
    ledger = book(world)
    assert ledger.columns == ((GPU, "a100"), (GPU, "h100"))
    assert ledger.total == (8_000, 8_000)
    assert ledger.use.sum() == 3_000


def test_the_tree_is_made_again_when_a_queue_says_something_else_but_not_for_its_status() -> None:
    world, entitlements = bench("n0"), Entitlements(Policy())
    before = entitlements.of(world.engine.snapshot()).book.tree
    world.tell(ev.QueueSeen(queue("a", 4, version="7")))
    assert entitlements.of(world.engine.snapshot()).book.tree is before
    world.tell(ev.QueueSeen(queue("a", 5, version="8", generation=2)))
    assert gpus(entitlements.of(world.engine.snapshot()).book, "guaranteed", "a") == 5


def test_the_demand_of_a_leaf_is_made_again_only_when_its_work_changed() -> None:
    world, entitlements = bench("n0"), Entitlements(Policy())
    world.see(pod("one", gpus=9, queue="a"), pod("two", gpus=9, queue="b"))
    before = entitlements.of(world.engine.snapshot()).waiting
    world.see(pod("three", gpus=9, queue="b"))
    after = entitlements.of(world.engine.snapshot()).waiting
    assert after["a"] is before["a"]
    assert len(after["b"].backlog.gangs) == 2
