"""A queue with work in it outlives its deletion, and says by how many gangs it is kept."""

from __future__ import annotations

import msgspec
import pytest

from scheduler.core.queues.words import PROTECTION_RETRY_SECONDS
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.events import Event
from scheduler.model.queue import QUEUE_FINALIZER, Queue
from tests.unit.core.world import Bench, group, node, pod

THEIRS = "example.com/billing"


def tree(**of_a: object) -> Bench:
    made = Queue("a", parent="root", finalizers=(THEIRS,))
    return Bench(
        node("n0"), queues=[Queue("root"), msgspec.structs.replace(made, **of_a), Queue("idle", parent="root")]
    )


def protections(bench: Bench) -> dict[str, tuple[str, ...]]:
    return {each.name: each.finalizers for each in bench.performed(ef.ProtectQueue)}


def delete(bench: Bench, name: str) -> None:
    bench.tell(ev.QueueSeen(msgspec.structs.replace(bench.engine.store.queues[name], leaving=True, version="9000")))


def ready(bench: Bench, name: str) -> tuple[str, str, str]:
    (last,) = [each for each in bench.performed(ef.WriteQueueStatus) if each.name == name][-1].conditions
    return last.status, last.reason, last.message


def test_a_queue_is_protected_once_when_work_holds_places_in_it_or_below_it() -> None:
    bench = tree()
    bench.tick()
    assert protections(bench) == {}
    bench.see(pod("one", queue="a"))
    bench.tick()
    assert protections(bench) == {"root": (QUEUE_FINALIZER,), "a": (THEIRS, QUEUE_FINALIZER)}
    bench.see(pod("two", queue="a"))
    bench.tick(5.0)
    bench.tick(5.0)
    assert len(bench.performed(ef.ProtectQueue)) == 2


def test_what_waits_does_not_hold_a_queue() -> None:
    bench = tree()
    bench.see(pod("too-large", gpus=9, queue="a"))
    bench.tick()
    assert protections(bench) == {}


@pytest.mark.parametrize("deleted", ["a", "root"])
def test_a_deleted_queue_stays_until_its_work_is_gone_and_admits_nothing_new(deleted: str) -> None:
    bench = tree()
    bench.see(group("g", 2, queue="a"), pod("g-0", group="g"), pod("g-1", group="g"), pod("single", queue="a"))
    bench.tick()
    delete(bench, deleted)
    bench.see(pod("late", queue="a"))
    bench.tick(2.0)
    bench.tick(2.0)
    assert bench.nodes_of("late") == [""]
    said = bench.performed(ef.MarkPod)[-1]
    words = f"queue {deleted} is being deleted and admits nothing new"
    assert (said.name, said.reason, said.message) == ("late", "QueueHeld", words)
    says = "it is being deleted and admits nothing new; it stays while gangs hold places in it or below it: now "
    assert ready(bench, deleted) == ("False", "Terminating", f"{says}2")
    assert QUEUE_FINALIZER in protections(bench)[deleted]
    bench.tell(ev.PodGone("uid-single"))
    bench.tick()
    assert ready(bench, deleted)[2] == f"{says}1"
    bench.tell(ev.PodGroupGone("team", "g"), ev.PodGone("uid-g-0"), ev.PodGone("uid-g-1"))
    bench.tick()
    assert protections(bench)[deleted] == ((THEIRS,) if deleted == "a" else ())


def test_a_record_without_a_bound_pod_holds_its_queue_from_the_first_moment_of_a_successor() -> None:
    """Everything is seen in one step with the tick, before any gang was looked at."""
    first = tree()
    first.lose = [ef.Hold]
    first.see(group("g", 2, queue="a"), *(pod(f"g-{index}", group="g") for index in range(2)))
    assert first.groups["g"].assignment is not None
    assert first.nodes_of("g-0", "g-1") == ["", ""]
    kept = Queue("a", parent="root", leaving=True, finalizers=(QUEUE_FINALIZER,), version="5")
    bench = Bench(node("n0"), queues=[Queue("root"), kept])
    bench.engine.handle([ev.Deposed()], bench.now)
    bench.now += 5.0
    pods = [ev.PodSeen(each) for each in first.pods.values()]
    seen: list[Event] = [ev.PodGroupSeen(first.groups["g"]), *pods, ev.Leading(2), ev.Synced(), ev.Ticked()]
    asked = bench.engine.handle(seen, bench.now)
    for _ in range(3):
        bench.now += 1.0
        asked += bench.engine.handle([ev.Ticked()], bench.now)
    assert [each for each in asked if isinstance(each, ef.ProtectQueue) and each.name == "a"] == []


def test_a_protection_that_was_refused_is_tried_again_on_the_newer_version() -> None:
    bench = tree(version="7")
    bench.lose = [ef.ProtectQueue]
    bench.see(pod("one", queue="a"))
    bench.tick()
    (lost,) = [each for each in bench.held if isinstance(each, ef.ProtectQueue) and each.name == "a"]
    assert lost.version == "7"
    bench.lose = []
    bench.tell(ev.Failed(lost, 409, "changed"), ev.QueueSeen(Queue("a", parent="root", version="8")))
    bench.tick()
    (again,) = [each for each in bench.performed(ef.ProtectQueue) if each.name == "a"]
    assert (again.version, again.finalizers) == ("8", (QUEUE_FINALIZER,))


def test_where_queues_may_not_be_patched_their_status_is_written_all_the_same() -> None:
    bench = tree()
    bench.lose = [ef.ProtectQueue]
    bench.see(pod("one", queue="a"))
    bench.tick()
    lost = [each for each in bench.held if isinstance(each, ef.ProtectQueue)]
    bench.tell(*(ev.Failed(each, 403, "forbidden") for each in lost))
    bench.lose = []
    bench.tick()
    assert ready(bench, "a") == ("True", "Valid", "")
    assert protections(bench) == {}
    bench.see(pod("two", queue="a"))
    bench.tick(PROTECTION_RETRY_SECONDS)
    assert set(protections(bench)) == {"root", "a"}, "it is tried again"
