"""The scheduler dies after every effect of a decision with victims; its successor finishes it, and nobody leaves twice.

As in `test_crash_sweep`, but from the moment on when somebody gives way.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduler.model.policy import Policy, SolverBudget
from scheduler.sim import manifests
from scheduler.sim.process import Moment
from scheduler.sim.run import Simulation, improved_by_solver
from scheduler.wire import names
from tests.sim.test_crash_sweep import DeathAt
from tests.sim.worlds import assert_at_rest, assert_on_record, racks

POLICY = Policy(budget=SolverBudget(wall_seconds=60.0, work=0.2))
SETTLED_SECONDS = 40.0
EFFECTS_LIMIT = 80


class Story:
    """What stands first, what comes then, and what is true in the end. ``deaths`` is how many it must take at least."""

    def __init__(
        self,
        before: Callable[[Simulation], None],
        comes: Callable[[Simulation], None],
        after: Callable[[Simulation], None],
        deaths: int,
    ) -> None:
        self.before, self.comes, self.after, self.deaths = before, comes, after, deaths


def whole(world: Simulation) -> None:
    world.gang("low", 4, gpus=4, priority="low")


def elastic(world: Simulation) -> None:
    world.gang("low", 8, gpus=2, minimum=4, priority="low")


def singles(world: Simulation) -> None:
    world.add(*(manifests.pod(f"low-{index}", gpus=8, priority="low") for index in range(2)))


def apart(world: Simulation) -> None:
    """Two gangs on half a node each: one of them has to move before anybody gets a whole node."""
    world.gang("low", 1, gpus=4)
    world.run(5.0)
    node = world.pods("low-")["low-0"]
    world.change("nodes", node, {"spec": {"unschedulable": True}})
    world.run(2.0)
    world.gang("lax", 1, gpus=4)
    world.run(5.0)
    world.change("nodes", node, {"spec": {"unschedulable": False}})


def guarded(world: Simulation) -> None:
    whole(world)
    world.add(manifests.budget("keep", {names.LABEL_POD_GROUP: "low"}, max_unavailable=4))


def high_gang(world: Simulation) -> None:
    world.gang("high", 2, gpus=4, priority="high")


def high_single(world: Simulation) -> None:
    world.add(manifests.pod("high-0", gpus=8, priority="high"))


def whole_node(world: Simulation) -> None:
    world.gang("high", 1, gpus=8)


def all_run(world: Simulation) -> None:
    """The moved gang comes back where its own record says, without having lost its turn."""
    for name in ("low", "lax", "high"):
        assert_on_record(world, name, 1)
        assert world.status(name).get("evictions", 0) == 0


def gang_runs(world: Simulation) -> None:
    assert_on_record(world, "high", 2)


def surplus_only(world: Simulation) -> None:
    gang_runs(world)
    assert world.status("low").get("evictions", 0) == 0
    assert sum(map(bool, world.pods("low-").values())) == 4


def evicted_once(world: Simulation) -> None:
    gang_runs(world)
    assert world.status("low")["evictions"] == 1
    assert len(world.pods("low-")) == 4, "its controller has made new pods"


def single_runs(world: Simulation) -> None:
    assert world.pods("high-0")["high-0"]
    assert world.server.objects.all("podgroups") == []


STORIES = {
    "gang": Story(whole, high_gang, evicted_once, 16),
    "surplus": Story(elastic, high_gang, surplus_only, 16),
    "guarded": Story(guarded, high_gang, gang_runs, 16),
    "move": Story(apart, whole_node, all_run, 8),
    "single": Story(singles, high_single, single_runs, 5),
}


def world_of(seed: int, story: Story) -> Simulation:
    world = racks(seed=seed, racks=1, policy=POLICY, solve=improved_by_solver)
    world.add(manifests.priority_class("high", 100), manifests.priority_class("low", 1))
    world.start_scheduler()
    story.before(world)
    world.run(10.0)
    return world


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("name", STORIES)
def test_a_successor_finishes_what_was_committed(name: str, moment: Moment) -> None:
    story, deaths = STORIES[name], 0
    for count in range(1, EFFECTS_LIMIT):
        world = world_of(count, story)
        death = DeathAt(world, moment, count, betters=False)
        world.interrupt, world.sent_survives = death, bool(count % 2)
        world.processes[-1].sent_survives = world.sent_survives
        story.comes(world)
        world.run(SETTLED_SECONDS)
        try:
            story.after(world)
            assert_at_rest(world)
        except AssertionError as trouble:
            raise AssertionError(f"death {count} ({moment}): {death.died_in}\n{trouble}") from trouble
        if death.died_in is None:
            break
        deaths += 1
    assert deaths >= story.deaths, f"only {deaths} deaths were tried"
