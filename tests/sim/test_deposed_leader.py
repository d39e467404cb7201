"""Binds of a leader that lost its lease arrive when another one has decided again: the server refuses them."""

from __future__ import annotations

import pytest

from scheduler.model.effects import Bind, Effect
from scheduler.sim.process import Process
from scheduler.sim.run import Simulation
from scheduler.sim.server import Answer
from scheduler.wire.requests import Request
from tests.sim.worlds import assert_at_rest, assert_on_record, racks

LATE_SECONDS = 60.0
PODS = 8


def late_binds(effect: Effect) -> float:
    return LATE_SECONDS if isinstance(effect, Bind) else 0.0


def bindings(world: Simulation, user: str) -> list[int]:
    """The statuses of a user's binds, as they come."""
    found: list[int] = []

    def listen(who: str, request: Request, answer: Answer) -> None:
        if who == user and request.path.endswith("/binding"):
            found.append(answer.status)

    world.server.on_request.append(listen)
    return found


def committed_on_a_rack(world: Simulation) -> tuple[Process, str]:
    """A leader that has committed a gang and whose binds are under way for a long time; a node of the record."""
    leader = world.start_scheduler()
    leader.slowed = late_binds
    world.gang("gang", PODS, gpus=2, rack=True)
    assert world.run_until(lambda: world.status("gang").get("phase") == "Assigned", 10.0)
    world.run(5.0)
    assert not any(world.pods("gang-").values())
    return leader, world.status("gang")["assignment"]["places"][0]["nodes"][0]["name"]


@pytest.mark.parametrize("dies", [False, True], ids=["deposed", "dead"])
@pytest.mark.parametrize("other_rack", [False, True], ids=["no-other-rack", "another-rack"])
def test_late_binds_of_a_withdrawn_decision_are_refused(dies: bool, other_rack: bool) -> None:
    world = racks(racks=2 if other_rack else 1)
    world.sent_survives = True
    late = bindings(world, "muster-1")
    leader, lost_node = committed_on_a_rack(world)
    if dies:
        leader.die()
    else:
        leader.depose()
    world.remove("nodes", lost_node)
    if not dies:
        world.start_scheduler()
    world.run(2 * LATE_SECONDS)

    assert late == [409] * PODS
    if other_rack:
        assert_on_record(world, "gang", PODS)
    else:
        assert not any(world.pods("gang-").values())
        assert world.status("gang")["verdict"]["cause"] == "Blocked"
    assert_at_rest(world)


def test_late_binds_of_a_decision_that_stands_are_welcome_once() -> None:
    world = racks()
    world.sent_survives = True
    late = bindings(world, "muster-1")
    leader, _ = committed_on_a_rack(world)
    leader.die()
    world.run(2 * LATE_SECONDS)
    assert late == [409] * PODS, "the successor was quicker, with the same places"
    assert_on_record(world, "gang", PODS)
    assert_at_rest(world)
