"""A pod that was evicted passes its age on to the one that its controller makes in its place, and to nobody else."""

from __future__ import annotations

import msgspec

from scheduler.core.facts.ages import REMEMBERED_SECONDS, Ages
from scheduler.model import events as ev
from scheduler.model.work import Pod, single_key
from tests.unit.core.world import Bench, node, pod


def made(name: str, created_seconds: float, owner: str = "job", **facts: object) -> Pod:
    return msgspec.structs.replace(pod(name), created_seconds=created_seconds, owner=owner, **facts)


def evicted(each: Pod) -> Pod:
    return msgspec.structs.replace(each, marked_evicted=True, leaving=True)


def test_the_next_pod_of_the_same_controller_takes_over_the_age_once() -> None:
    ages = Ages()
    old = made("old", 10.0, node="n0")
    for each in (old, evicted(old), evicted(old)):
        ages.observe(each, 100.0)
    others = made("other", 101.0, owner="another"), made("alone", 102.0, owner="")
    heir, later = made("heir", 103.0), made("later", 104.0)
    for each in (*others, heir, later, heir):
        ages.observe(each, 105.0)
    assert [ages.since_seconds(each) for each in (*others, heir, later)] == [101.0, 102.0, 10.0, 104.0]


def test_the_age_is_kept_from_eviction_to_eviction_and_after_the_pod_is_gone() -> None:
    ages = Ages()
    for name, created_seconds in (("first", 10.0), ("second", 50.0), ("third", 90.0)):
        own = made(name, created_seconds)
        ages.observe(own, created_seconds)
        assert ages.since_seconds(own) == 10.0
        ages.observe(evicted(own), created_seconds + 1)
        ages.forget(own.uid)


def test_who_leaves_by_itself_leaves_no_age() -> None:
    ages = Ages()
    old = made("old", 10.0, node="n0")
    ages.observe(old, 20.0)
    ages.observe(msgspec.structs.replace(old, leaving=True), 20.0)
    heir = made("heir", 30.0)
    ages.observe(heir, 30.0)
    assert ages.since_seconds(heir) == 30.0


def test_an_age_that_nobody_takes_over_is_forgotten() -> None:
    ages = Ages()
    for name, at in (("old", 10.0), ("much-later", 11.0 + REMEMBERED_SECONDS)):
        own = made(name, at, owner=name, node="n0")
        ages.observe(own, at)
        ages.observe(evicted(own), at)
    heir = made("heir", 20.0 + REMEMBERED_SECONDS, owner="old")
    ages.observe(heir, 20.0 + REMEMBERED_SECONDS)
    assert ages.since_seconds(heir) == heir.created_seconds


def test_the_engine_serves_it_by_its_old_age() -> None:
    bench = Bench(node("n0"))
    old = made("old", 10.0, node="n0")
    bench.engine.handle([ev.PodSeen(old), ev.PodSeen(evicted(old)), ev.PodGone(old.uid)], 60.0)
    bench.engine.handle([ev.PodSeen(made("between", 50.0, owner="other")), ev.PodSeen(made("heir", 61.0))], 61.0)
    arrived = {gang.key: gang.arrived_seconds for gang in bench.engine.snapshot().pending.all}
    assert arrived == {single_key("uid-between"): 50.0, single_key("uid-heir"): 10.0}
