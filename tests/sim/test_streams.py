"""What the engine hears of the simulated server, whatever happens to the streams in between."""

from __future__ import annotations

from scheduler.model import events as ev
from scheduler.model.events import Event
from scheduler.sim import manifests
from scheduler.sim.chance import Chance, Odds
from scheduler.sim.run import Simulation
from scheduler.sim.streams import Streams


def listening(world: Simulation, odds: Odds | None = None) -> list[Event]:
    heard: list[Event] = []
    Streams(world.server, Chance(0, odds), heard.append, lambda: False).open()
    return heard


def world_of_one_node() -> Simulation:
    world = Simulation()
    world.add(manifests.topology(), manifests.queue("default"), manifests.node("n0", "r0"))
    return world


def kinds(heard: list[Event]) -> list[str]:
    return [type(each).__name__ for each in heard]


def test_everything_that_stands_is_told_before_synced_and_once() -> None:
    world = world_of_one_node()
    heard = listening(world)
    world.run(5)
    assert sorted(kinds(heard)) == ["NamespaceSeen", "NodeSeen", "QueueSeen", "Synced", "TopologySeen"]
    assert kinds(heard)[-1] == "Synced"


def test_what_vanished_while_the_past_was_forgotten_is_told_as_gone() -> None:
    world = world_of_one_node()
    heard = listening(world)
    world.run(5)
    world.server.restart()
    world.remove("nodes", "n0")
    world.add(manifests.node("n1", "r0"))
    world.server.objects.forget_history()
    heard.clear()
    world.run(5)
    assert [each for each in heard if isinstance(each, ev.NodeGone)] == [ev.NodeGone("n0")]
    assert [each.node.name for each in heard if isinstance(each, ev.NodeSeen)] == ["n1"]
    assert "Synced" not in kinds(heard), "it is told once"


def test_a_broken_stream_goes_on_where_it_was() -> None:
    world = world_of_one_node()
    heard = listening(world, Odds(broken_watch=0.5))
    world.run(5)
    heard.clear()
    names = [f"p{index}" for index in range(20)]
    for name in names:
        world.add(manifests.pod(name))
        world.run(0.3)
    world.run(10)
    assert [each.pod.name for each in heard if isinstance(each, ev.PodSeen)] == names, "none lost, none twice"


def test_a_bookmark_lets_a_quiet_stream_go_on_after_the_past_is_forgotten() -> None:
    world = world_of_one_node()
    heard = listening(world)
    world.run(5)
    for index in range(5):
        world.add(manifests.pod(f"p{index}"))
    world.run(1)
    world.server.bookmark()
    world.run(1)
    heard.clear()
    world.server.restart()
    world.run(5)
    assert heard == [], "no stream had to list again"
