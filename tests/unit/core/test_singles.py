"""Single pods that wait, kept together: what they say is what putting all of them together anew says."""

from __future__ import annotations

import random

import msgspec

from scheduler.core.queues.singles import Singles
from scheduler.model.bundle import bundled
from scheduler.model.resources import GPU
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, Member, single_key

SHAPES = [Shape(((GPU, gpus),)) for gpus in (1, 2)]


def single(name: str, *, queue: str = "a", shape: Shape = SHAPES[0], priority: int = 0, arrived: float = 0.0) -> Gang:
    members = (Member("pod", shape, 1, 1),)
    return Gang(single_key(name), f"team/{name}", queue, priority, arrived, members, (Branch("", -1, 1),), single=True)


def test_pods_stand_by_age_and_then_by_key_however_they_come() -> None:
    singles = Singles()
    for name, arrived in (("late", 9.0), ("b", 1.0), ("a", 1.0), ("early", 0.0)):
        singles.put(name, single(name, arrived=arrived))
    (bundle,) = singles.bundles()
    assert [pod.name for pod in bundle.pods] == ["team/early", "team/a", "team/b", "team/late"]
    assert bundle.arrived_seconds.tolist() == [0.0, 1.0, 1.0, 9.0]
    assert bundle.keys == tuple(pod.key for pod in bundle.pods)


def test_a_bundle_is_another_object_only_when_something_of_it_came_or_went() -> None:
    singles = Singles()
    singles.put("a", single("a"))
    singles.put("b", single("b", queue="b"))
    before = {bundle.first.queue: bundle for bundle in singles.bundles()}
    singles.put("c", single("c", queue="b"))
    after = {bundle.first.queue: bundle for bundle in singles.bundles()}
    assert after["a"] is before["a"]
    assert [pod.name for pod in after["b"].pods] == ["team/b", "team/c"]
    singles.drop("b")
    singles.drop("c")
    singles.drop("never-seen")
    assert [bundle.first.queue for bundle in singles.bundles()] == ["a"]


def test_it_is_what_putting_all_of_them_together_says() -> None:
    chance = random.Random(4)
    singles = Singles()
    there: dict[str, Gang] = {}
    for step in range(400):
        name = f"pod{chance.randrange(60)}"
        if chance.random() < 0.4:
            singles.drop(name)
            there.pop(name, None)
        else:
            there[name] = single(
                name,
                queue=chance.choice("ab"),
                shape=chance.choice(SHAPES),
                priority=chance.randrange(2),
                arrived=float(chance.randrange(5)),
            )
            if chance.random() < 0.2:
                there[name] = msgspec.structs.replace(there[name], preempts=False)
            singles.put(name, there[name])
        if step % 7 == 0:
            assert {bundle.pods for bundle in singles.bundles()} == {bundle.pods for bundle in bundled(there.values())}
    assert len(singles) == len(there) > 0
    assert all(singles.get(name) is gang for name, gang in there.items())
    assert singles.keys() == {gang.key for gang in there.values()}
