"""Nodes are cordoned while a gang is being bound to them."""

from __future__ import annotations

import pytest

from scheduler.model.effects import Bind, Effect
from scheduler.sim.process import Moment, Process
from scheduler.sim.run import Simulation
from tests.sim.worlds import assert_at_rest, assert_on_record, racks

PODS = 8


class CordonAfter:
    """Cordons every node when so many binds have been answered, and lets the process die or live on."""

    def __init__(self, world: Simulation, binds: int, *, dies: bool) -> None:
        self._world = world
        self._left = binds
        self._dies = dies

    def __call__(self, _process: Process, effect: Effect, moment: Moment) -> bool:
        if not isinstance(effect, Bind) or moment is not Moment.ANSWERED:
            return False
        self._left -= 1
        if self._left != 0:
            return False
        for node in self._world.server.objects.all("nodes"):
            self._world.change("nodes", node["metadata"]["name"], {"spec": {"unschedulable": True}})
        return self._dies


@pytest.mark.parametrize(
    "dies",
    [
        False,
        True,
    ],
    ids=["same-process", "successor"],
)
def test_a_gang_that_is_bound_in_part_is_completed_when_its_nodes_take_pods_again(dies: bool) -> None:
    """Nothing is bound to a cordoned node, not even the rest of a gang; binds that were asked for before may land."""
    world = racks()
    world.interrupt = CordonAfter(world, binds=4, dies=dies)
    world.start_scheduler()
    world.gang("gang", PODS, gpus=2, rack=True)
    world.run(30.0)
    for node in world.server.objects.all("nodes"):
        world.change("nodes", node["metadata"]["name"], {"spec": {"unschedulable": False}})
    world.run(60.0)
    assert_on_record(world, "gang", PODS)
    assert_at_rest(world)
