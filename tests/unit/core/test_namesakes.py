"""A PodGroup deleted and created again under its name: the streams of pods and of PodGroups run apart, so that the pods
of the new one may be seen before the old one is gone, and the old one may never be seen to go."""

from __future__ import annotations

import msgspec
import pytest

from scheduler.model import events as ev
from scheduler.model.work import Pod, PodGroup
from tests.unit.core.world import Bench, group, node, pod


def first_and_second() -> tuple[list[Pod | PodGroup], list[Pod], PodGroup]:
    first: list[Pod | PodGroup] = [group("g", 2), pod("g-0", group="g"), pod("g-1", group="g")]
    second = [pod("g-2", group="g"), pod("g-3", group="g")]
    return first, second, msgspec.structs.replace(group("g", 2, version="2000"), uid="uid-second")


def delete(bench: Bench) -> None:
    """Pods, then the PodGroup: it stays until the scheduler has let go of it."""
    bench.tell(ev.PodGone("uid-g-0"), ev.PodGone("uid-g-1"))
    bench.see(msgspec.structs.replace(bench.groups["g"], leaving=True))
    assert not bench.groups["g"].held


@pytest.mark.parametrize("seen_to_go", [True, False])
def test_the_second_says_that_it_runs_though_the_first_said_the_same(seen_to_go: bool) -> None:
    first, second, namesake = first_and_second()
    bench = Bench(node("n1"))
    bench.see(*first)
    assert bench.phase("g") == "Running"
    delete(bench)
    bench.see(*second)
    if seen_to_go:
        bench.tell(ev.PodGroupGone("team", "g"))
    bench.see(namesake)
    assert bench.nodes_of("g-2", "g-3") == ["n1", "n1"]
    assert (bench.phase("g"), bench.groups["g"].scheduled) == ("Running", 2)


def test_the_pods_of_the_second_are_told_why_it_waits() -> None:
    first, second, namesake = first_and_second()
    bench = Bench(node("n1", gpus=1))
    bench.see(*first)
    bench.tick()
    delete(bench)
    bench.see(*second)
    bench.tell(ev.PodGroupGone("team", "g"))
    bench.done.clear()
    bench.see(namesake)
    bench.tick()
    marked = {getattr(effect, "name", "") for effect in bench.done if type(effect).__name__ == "MarkPod"}
    assert marked == {"g-2", "g-3"}
    assert bench.phase("g") == "Queued"
