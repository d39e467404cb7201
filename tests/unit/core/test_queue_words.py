"""What is written about queues: use, shares and counts, on change only; and what they used in the past."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from scheduler.core.queues.history import History as Averages
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.flavor import Flavor
from scheduler.model.queue import QUEUE_FINALIZER, History, Queue, QueueLine, QueueReport, Quota
from scheduler.model.resources import GPU
from tests.unit.core.world import Bench, group, node, pod

IN_USE = (QUEUE_FINALIZER,)
"""Queues here are protected already: what is written is what is said of them."""


def queue(name: str, guaranteed: int = 4, parent: str = "", **facts: object) -> Queue:
    quotas = () if parent == "" and name == "root" else (Quota(GPU, guaranteed=guaranteed * 1000),)
    return Queue(name, parent=parent, quotas=quotas, finalizers=IN_USE, **facts)  # type: ignore[arg-type]


def tree() -> Bench:
    return Bench(node("n0"), queues=[queue("root"), queue("a", parent="root"), queue("b", parent="root")])


def written(bench: Bench) -> dict[str, QueueReport]:
    """The last report of each queue."""
    return {each.name: each.report for each in bench.performed(ef.WriteQueueStatus)}


def line(bench: Bench, name: str) -> QueueLine:
    return next(each for each in written(bench)[name].lines if each.resource == GPU)


def test_use_shares_and_counts_go_up_the_tree() -> None:
    bench = tree()
    bench.see(group("g", 2, queue="a"), pod("g-0", group="g", gpus=3), pod("g-1", group="g", gpus=3))
    bench.see(pod("waits", gpus=4, queue="b", preempts=False))
    bench.tick()
    reports = written(bench)
    assert (reports["a"].running_gangs, reports["a"].running_pods, reports["a"].pending_gangs) == (1, 2, 0)
    assert (reports["root"].running_gangs, reports["root"].pending_gangs, reports["b"].pending_pods) == (1, 1, 1)
    assert [line(bench, name).used for name in ("a", "b", "root")] == [6000, 0, 6000]
    assert [line(bench, name).fair for name in ("a", "b", "root")] == [4000, 4000, 8000]
    assert (line(bench, "a").borrowed, line(bench, "b").lent) == (2000, 2000)


def test_the_next_write_comes_a_second_after_the_answer_to_a_slow_one() -> None:
    bench = tree()
    bench.tick()
    bench.lose = [ef.WriteQueueStatus]
    bench.see(pod("first", queue="a"))
    bench.tick()
    assert bench.held, "they are on their way for long"
    bench.lose = []
    bench.see(pod("second", queue="a"))
    bench.tick(0.9)
    bench.tell(*(ev.Done(each, "9000") for each in bench.held))
    bench.tick(0.9)
    assert written(bench)["a"].running_pods == 0, "not a second has gone by since the answer"
    bench.tick(0.2)
    assert written(bench)["a"].running_pods == 2


def test_a_guarantee_that_is_not_stated_is_the_sum_of_the_childrens_and_a_limit_is_the_own_one() -> None:
    quotas = (Quota(GPU, guaranteed=3000, limit=6000),)
    bench = Bench(
        node("n0"), queues=[queue("root"), queue("a", parent="root"), Queue("b", parent="root", quotas=quotas)]
    )
    bench.tick()
    found = {name: (line(bench, name).guaranteed, line(bench, name).limit) for name in ("root", "a", "b")}
    assert found == {"root": (7000, None), "a": (4000, None), "b": (3000, 6000)}
    bench.tell(ev.QueueSeen(Queue("b", generation=2, parent="root", quotas=(Quota(GPU, guaranteed=2000),))))
    bench.tick(2.0)
    assert [line(bench, name).guaranteed for name in ("root", "b")] == [6000, 2000]
    assert line(bench, "b").limit is None


def test_a_gang_whose_pods_are_leaving_is_one_gang_that_holds_places() -> None:
    bench = tree()
    bench.see(group("g", 3, queue="a"), *(pod(f"g-{index}", group="g") for index in range(3)))
    bench.tick()
    assert (written(bench)["a"].running_gangs, written(bench)["a"].running_pods) == (1, 3)
    gone = [
        msgspec.structs.replace(
            bench.pods[f"uid-g-{index}"], leaving=True, leaves_seconds=bench.now + 30, version="9000"
        )
        for index in range(3)
    ]
    bench.see(msgspec.structs.replace(bench.groups["g"], assignment=None, version="9001"), *gone)
    bench.tick()
    assert (written(bench)["a"].running_gangs, written(bench)["a"].running_pods) == (1, 3)
    bench.tell(*(ev.PodGone(each.uid) for each in gone))
    bench.tick()
    assert (written(bench)["a"].running_gangs, written(bench)["a"].running_pods) == (0, 0)


def test_a_quota_in_a_flavor_that_does_not_exist_is_named_and_the_queue_works_all_the_same() -> None:
    quotas = (Quota(GPU, flavor="h200", guaranteed=4000), Quota(GPU, guaranteed=4000))
    bench = Bench(node("n0"), queues=[Queue("a", quotas=quotas, finalizers=IN_USE)])
    bench.tell(ev.FlavorSeen(Flavor("h100", (("gpu", "h100"),))))
    bench.tick()

    def said() -> tuple[str, str, str]:
        (ready,) = bench.performed(ef.WriteQueueStatus)[-1].conditions
        return ready.status, ready.reason, ready.message

    words = "its quota names the flavor h200 (there are: h100), which does not exist: that line counts no node"
    assert said() == ("True", "UnknownFlavor", words)
    bench.see(pod("works", queue="a"))
    assert bench.nodes_of("works") == ["n0"]
    bench.tell(ev.FlavorSeen(Flavor("h200", (("gpu", "h200"),))))
    bench.tick(2.0)
    assert said() == ("True", "Valid", "")


@pytest.mark.parametrize(("state", "fair"), [("Open", [4000, 4000]), ("Hold", [8000, 0])])
def test_what_waits_in_a_closed_queue_is_entitled_to_nothing(state: str, fair: list[int]) -> None:
    queues = [queue("root"), Queue("a", parent="root", finalizers=IN_USE), Queue("b", parent="root", state=state)]
    bench = Bench(node("n0"), queues=queues)
    bench.see(group("runs", 8, queue="a"), *(pod(f"runs-{index}", group="runs") for index in range(8)))
    waits = (pod(f"waits-{index}", group="waits", preempts=False) for index in range(8))
    bench.see(group("waits", 8, queue="b"), *waits)
    bench.tick()
    assert [line(bench, name).fair for name in ("a", "b")] == fair
    assert written(bench)["b"].pending_gangs == 1


def test_nothing_is_written_twice_and_at_most_once_a_second() -> None:
    bench = tree()
    bench.tick()
    count = len(bench.performed(ef.WriteQueueStatus))
    assert count == 3
    bench.tick()
    assert len(bench.performed(ef.WriteQueueStatus)) == count
    bench.see(pod("one", queue="a"))
    bench.tick(0.5)
    bench.tick(0.6)
    assert {each.name for each in bench.performed(ef.WriteQueueStatus)[count:]} == {"root", "a"}


def test_the_next_write_waits_for_the_answer_and_builds_on_what_it_made() -> None:
    """A busy server answers late, and the watch shows later still what a write made of the queue."""
    bench = Bench(node("n0"), queues=[Queue("a", version="7", finalizers=IN_USE)])

    def sent() -> list[str]:
        bench.now += 1.5
        effects = bench.engine.handle([ev.Ticked()], bench.now)
        unanswered.extend(each for each in effects if isinstance(each, ef.WriteQueueStatus))
        return [each.version for each in unanswered]

    unanswered: list[ef.WriteQueueStatus] = []
    assert sent() == ["7"]
    bench.see(pod("one", queue="a"))
    assert sent() == ["7"]
    bench.engine.handle([ev.Done(unanswered[0], "12")], bench.now)
    assert sent() == ["7", "12"]


def test_what_stands_on_the_server_is_not_written_again_by_a_successor() -> None:
    first = tree()
    first.see(pod("one", queue="a"))
    first.tick()
    stands = {each.name: each for each in first.performed(ef.WriteQueueStatus)}
    queues = [
        msgspec.structs.replace(each, report=stands[each.name].report, conditions=stands[each.name].conditions)
        for each in (queue("root"), queue("a", parent="root"), queue("b", parent="root"))
    ]
    second = Bench(node("n0"), queues=queues)
    second.see(*first.pods.values())
    second.tick()
    assert second.performed(ef.WriteQueueStatus) == []


@pytest.mark.parametrize(("status", "pause_seconds"), [(409, 1.0), (403, 10.0)])
def test_a_write_that_failed_is_tried_again(status: int, pause_seconds: float) -> None:
    bench = tree()
    bench.lose.append(ef.WriteQueueStatus)
    bench.tick()
    lost = bench.held[0]
    assert isinstance(lost, ef.WriteQueueStatus)
    bench.lose = []
    bench.tell(ev.Failed(lost, status, "changed"))
    bench.tick(pause_seconds / 2)
    assert lost.name not in written(bench)
    bench.tick(pause_seconds / 2)
    assert lost.name in written(bench)


def test_past_use_counts_half_after_each_half_life_and_survives_a_restart() -> None:
    queues = {"root": queue("root", history=History(100.0)), "a": queue("a", parent="root")}
    averages = Averages()
    eight = {("a", ""): np.array([8000], dtype=np.int64)}
    averages.advance(eight, queues, (GPU,), 0.0)
    averages.advance(eight, queues, (GPU,), 100.0)
    assert averages.past()["a", ""].tolist() == [4000]
    averages.advance({}, queues, (GPU,), 300.0)
    assert averages.past()["a", ""].tolist() == [1000]
    queues["a"] = msgspec.structs.replace(queues["a"], report=QueueReport((QueueLine(GPU, past=1000),)))
    successor = Averages()
    successor.advance({}, queues, (GPU,), 5000.0)
    assert successor.past()["a", ""].tolist() == [1000]


@pytest.mark.parametrize(("used", "fair"), [(0, [4000, 4000]), (8000, [0, 8000])])
def test_who_used_more_in_the_past_gets_less_of_the_surplus(used: int, fair: list[int]) -> None:
    parts = {name: QueueReport((QueueLine(GPU, past=each),)) for name, each in (("a", used), ("b", 0))}
    bench = Bench(
        node("n0"),
        queues=[
            queue("root", history=History(1e9)),
            *(queue(name, 0, "root", report=parts[name]) for name in ("a", "b")),
        ],
    )
    bench.tell(ev.NodeSeen(node("n1", 0)))
    bench.see(*(pod(f"{name}-{number}", gpus=9, queue=name) for name in "ab" for number in range(2)))
    bench.tick()
    bench.tick()
    assert [line(bench, name).fair for name in ("a", "b")] == fair
