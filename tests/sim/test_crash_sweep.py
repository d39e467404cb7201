"""The scheduler dies after every effect in turn, in each way it can; its successor finishes what was promised."""

from __future__ import annotations

import pytest

from scheduler.model.effects import Effect
from scheduler.sim import manifests
from scheduler.sim.process import Moment, Process
from scheduler.sim.run import Simulation
from tests.sim.worlds import assert_at_rest, assert_on_record, racks

PODS = 8
SETTLED_SECONDS = 30.0
EFFECTS_LIMIT = 60
"""No story below asks for so many effects: a sweep that gets here does not end by itself."""


def rack_gang(world: Simulation) -> None:
    """One gang of 8 that needs a whole rack, beside another that is bound already."""
    world.gang("first", 2)
    world.run(SETTLED_SECONDS)
    world.gang("gang", PODS, gpus=2, rack=True)
    world.run(SETTLED_SECONDS)


def elastic_gang(world: Simulation) -> None:
    """A gang of 4 to 8 of which 6 fit at first; a node that comes later lets it grow."""
    world.add(manifests.node("r9n0", "r9", gpus=6))
    for rack in (0, 1):
        for index in range(3):
            world.change("nodes", f"r{rack}n{index}", {"spec": {"unschedulable": True}})
    world.run(SETTLED_SECONDS)
    world.gang("gang", PODS, minimum=4)
    world.run(SETTLED_SECONDS)
    assert sum(map(bool, world.pods("gang-").values())) >= 6
    world.add(manifests.node("r9n1", "r9", gpus=6))
    world.run(SETTLED_SECONDS)


def gang_with_claims(world: Simulation) -> None:
    """A gang of which each pod has a claim that is provisioned on its node, or finds one of the local volumes."""
    world.add(manifests.storage_class("made", "csi.example"), manifests.storage_class("local"))
    for index in range(2):
        world.add(manifests.volume(f"disk-{index}", "local", "r1n2"))
    world.run(SETTLED_SECONDS)
    world.add(manifests.pod_group("gang", PODS, gpus=2))
    for index in range(PODS):
        world.add(manifests.claim(f"data-{index}", "local" if index < 2 else "made"))
        world.add(manifests.pod(f"gang-{index}", group="gang", gpus=2, claims=(f"data-{index}",)))
    world.run(SETTLED_SECONDS)


def another_place(world: Simulation) -> None:
    """A rack that the gang fills exactly: better than those there are, which it would leave half used."""
    world.add(manifests.node("another", "another", gpus=2 * PODS))


class DeathAt:
    """Lets the process die the n-th time that a moment comes, counted over the whole world.

    With the death comes a better place than the recorded one (where it ``betters``): a successor that decided anew
    would decide otherwise.
    """

    def __init__(self, world: Simulation, moment: Moment, count: int, *, betters: bool = True) -> None:
        self.died_in: Effect | None = None
        self._betters = betters
        self._world = world
        self._moment = moment
        self._left = count

    def __call__(self, _process: Process, effect: Effect, moment: Moment) -> bool:
        if moment is self._moment:
            self._left -= 1
            if self._left == 0:
                self.died_in = effect
                if self._betters:
                    another_place(self._world)
                return True
        return False


@pytest.mark.parametrize("sent_survives", [False, True], ids=["sent-is-lost", "sent-arrives"])
@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("story", [rack_gang, elastic_gang, gang_with_claims])
def test_a_successor_completes_the_gang_on_its_record(story: object, moment: Moment, sent_survives: bool) -> None:
    assert callable(story)
    deaths = 0
    for count in range(1, EFFECTS_LIMIT):
        world = racks(seed=count, nodes_per_rack=3)
        death = DeathAt(world, moment, count)
        world.interrupt, world.sent_survives = death, sent_survives
        world.start_scheduler()
        story(world)
        try:
            assert_on_record(world, "gang", PODS)
            assert_at_rest(world)
        except AssertionError as trouble:
            raise AssertionError(f"death {count} ({moment}): {death.died_in}\n{trouble}") from trouble
        if death.died_in is None:
            break
        deaths += 1
    assert deaths > PODS, f"only {deaths} deaths were tried"


def test_without_a_record_the_gang_goes_to_the_other_place() -> None:
    """Else the sweep would not notice a successor that decides anew."""
    world = racks(nodes_per_rack=3)
    world.start_scheduler()
    world.gang("first", 2)
    world.run(SETTLED_SECONDS)
    another_place(world)
    world.run(SETTLED_SECONDS)
    world.gang("gang", PODS, gpus=2, rack=True)
    world.run(SETTLED_SECONDS)
    assert set(world.pods("gang-").values()) == {"another"}
