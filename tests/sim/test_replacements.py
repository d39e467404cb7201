"""Pods of a gang that runs are lost or end, and others come in their place."""

from __future__ import annotations

import pytest

from scheduler.sim import manifests
from scheduler.sim.run import Simulation
from tests.sim.worlds import assert_at_rest, racks


def one_node() -> Simulation:
    world = racks(racks=1, nodes_per_rack=1, gpus=8)
    world.start_scheduler()
    return world


def test_a_replacement_takes_the_place_that_was_lost() -> None:
    world = one_node()
    world.gang("gang", 4, gpus=2)
    world.run(10)
    world.remove("pods", "gang-2")
    world.add(manifests.pod("rival", gpus=2))
    world.run(10)
    assert world.pods("rival")["rival"] == "", "the place is kept"
    world.add(manifests.pod("gang-2-again", group="gang", gpus=2))
    world.run(10)
    assert world.pods("gang-2-again")["gang-2-again"] == "r0n0"
    assert_at_rest(world)


@pytest.mark.parametrize(
    "restarted",
    [False, True],
    ids=["same-process", "successor"],
)
def test_a_replacement_of_a_pod_that_has_ended_waits_for_room(restarted: bool) -> None:
    """Its predecessor gave its room away when it ended; that the record names the place does not bring it back."""
    world = one_node()
    world.add(manifests.pod_group("gang", 3, gpus=2))
    for index, run_seconds in enumerate((None, 5.0, None)):
        world.add(manifests.pod(f"gang-{index}", group="gang", gpus=2, run_seconds=run_seconds))
    world.run(3)
    world.add(manifests.pod("next", gpus=4))
    world.run(20)
    assert all(world.pods().values())
    if restarted:
        world.processes[-1].die()
    world.remove("pods", "gang-1")
    world.add(manifests.pod("gang-1-again", group="gang", gpus=2))
    world.run(20)
    world.auditor.raise_if_any()
    assert world.pods("gang-1-again")["gang-1-again"] == ""
    world.remove("pods", "next")
    world.run(30)
    assert world.pods("gang-1-again")["gang-1-again"] == "r0n0"
    assert_at_rest(world)


def test_pods_that_have_succeeded_count_for_one_that_is_made_again() -> None:
    world = one_node()
    world.gang("gang", 3, gpus=2, run_seconds=5.0)
    world.run(20)
    assert world.status("gang")["phase"] == "Done"
    world.remove("pods", "gang-1")
    world.add(manifests.pod("gang-1-again", group="gang", gpus=2))
    world.run(20)
    assert world.pods("gang-1-again")["gang-1-again"] == "r0n0"
    assert_at_rest(world)


def test_a_node_that_was_over_committed_by_others_does_not_stop_the_rest() -> None:
    world = one_node()
    for name in ("foreign-a", "foreign-b"):
        world.add(manifests.pod(name, gpus=6))
        body = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "r0n0"}}
        world.ask("POST", f"/api/v1/namespaces/team/pods/{name}/binding", body)
    world.run(5)
    world.add(manifests.pod("ours", gpus=0), manifests.node("r0n1", "r0"))
    world.gang("gang", 2, gpus=4)
    world.run(20)
    assert all(world.pods().values())
