"""Giving way in the simulated world: budgets, long graces, drains, and what the audit sees of it."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.model.policy import Patience, Policy, SolverBudget
from scheduler.sim import manifests
from scheduler.sim.chance import Odds
from scheduler.sim.run import Simulation, improved_by_solver
from scheduler.wire import names
from tests.sim.worlds import assert_at_rest, assert_on_record, racks

BUDGET = SolverBudget(wall_seconds=60.0, work=0.2)


def world_of(**options: Any) -> Simulation:
    """Two nodes of 8 GPUs in one rack, and two priority classes."""
    options = {"racks": 1, "policy": Policy(budget=BUDGET), "solve": improved_by_solver, **options}
    world = racks(**options)
    world.add(manifests.priority_class("high", 100), manifests.priority_class("low", 1))
    world.start_scheduler()
    return world


def bound(world: Simulation, prefix: str) -> int:
    return sum(map(bool, world.pods(prefix).values()))


def test_the_beneficiary_waits_for_the_whole_grace_of_its_victims() -> None:
    world = world_of(odds=Odds(leave_pod_seconds=(20.0, 20.0)))
    world.gang("low", 4, gpus=4, priority="low", grace_seconds=30)
    world.run(10.0)
    world.gang("high", 4, gpus=4, priority="high")
    world.run(15.0)
    assert (bound(world, "low-"), bound(world, "high-")) == (4, 0)
    assert world.status("high")["phase"] == "Preparing"
    world.run(15.0)
    assert_on_record(world, "high", 4)
    assert_at_rest(world)


def test_a_budget_blocks_and_then_allows() -> None:
    world = world_of()
    world.add(manifests.budget("keep", {names.LABEL_POD_GROUP: "low"}, max_unavailable=0))
    world.gang("low", 4, gpus=4, priority="low")
    world.run(10.0)
    world.gang("high", 4, gpus=4, priority="high")
    world.run(30.0)
    assert (bound(world, "low-"), bound(world, "high-"), world.auditor.eviction.evictions) == (4, 0, 0)
    budget = "/apis/policy/v1/namespaces/team/poddisruptionbudgets/keep"
    world.ask("PATCH", budget, {"spec": {"maxUnavailable": 4}}, "application/merge-patch+json")
    world.run(30.0)
    assert_on_record(world, "high", 4)
    assert_at_rest(world)


def test_reclaim_between_two_teams() -> None:
    world = world_of()
    world.add(manifests.queue("a", guaranteed=8), manifests.queue("b", guaranteed=8))
    for number in range(4):
        world.gang(f"a{number}", 1, gpus=4, queue="a")
    world.run(10.0)
    assert bound(world, "a") == 4
    world.gang("b0", 2, gpus=4, queue="b")
    world.run(30.0)
    assert (bound(world, "a"), bound(world, "b0-")) == (2, 2)
    assert_at_rest(world)


def test_a_queue_that_drains_is_emptied_and_filled_again() -> None:
    world = world_of()
    world.gang("low", 4, gpus=2)
    world.add(manifests.pod("alone"), manifests.pod("firm", preemptible=False))
    world.run(10.0)
    world.change("queues", "default", {"spec": {"state": "Drain"}})
    world.run(15.0)
    assert (bound(world, "low-"), bound(world, "alone"), bound(world, "firm")) == (0, 0, 1)
    world.change("queues", "default", {"spec": {"state": "Open"}})
    world.run(15.0)
    assert (bound(world, "low-"), bound(world, "alone")) == (4, 1)
    assert world.status("low")["evictions"] == 1
    assert_at_rest(world)


def test_the_rest_of_a_gang_that_lost_its_node_is_cleaned_up_and_starts_anew() -> None:
    world = world_of(policy=Policy(budget=BUDGET, patience=Patience(stale_gang_seconds=10.0)))
    world.gang("low", 4, gpus=4)
    world.run(10.0)
    for name, node in world.pods("low-").items():
        if node == "r0n1":
            world.remove("pods", name)
    world.remove("nodes", "r0n1")
    world.run(30.0)
    assert bound(world, "low-") == 0
    world.add(manifests.node("r0n2", "r0"))
    for number in (8, 9):
        world.add(manifests.pod(f"low-{number}", group="low", gpus=4))
    world.run(20.0)
    assert_on_record(world, "low", 4)
    assert_at_rest(world)


def test_deciding_on_the_result_changes_nothing() -> None:
    """Also while victims leave one by one, and come back while others still leave."""
    world = world_of(odds=Odds(leave_pod_seconds=(0.1, 8.0)), seed=5)
    world.gang("low", 8, gpus=2, minimum=2, priority="low", grace_seconds=10)
    world.run(10.0)
    world.gang("high", 3, gpus=4, priority="high")
    world.run(40.0)
    evictions = world.auditor.eviction.evictions
    world.run(60.0)
    assert world.auditor.eviction.evictions == evictions
    assert_on_record(world, "high", 3)
    assert_at_rest(world)


@pytest.mark.parametrize("reason", ["Preempted", "Reclaimed"])
def test_an_evicted_pod_says_why(reason: str) -> None:
    world = world_of(odds=Odds(leave_pod_seconds=(60.0, 60.0)))
    queues = ("default", "default") if reason == "Preempted" else ("a", "b")
    world.add(manifests.queue("a", guaranteed=0), manifests.queue("b", guaranteed=16))
    world.gang("low", 4, gpus=4, priority="low", queue=queues[0], grace_seconds=60)
    world.run(10.0)
    world.gang("high", 4, gpus=4, priority="high", queue=queues[1])
    world.run(10.0)
    (pod, *_) = (each for each in world.server.objects.all("pods") if each["metadata"]["name"].startswith("low-"))
    (said,) = (each for each in pod["status"]["conditions"] if each["type"] == names.CONDITION_EVICTED)
    assert (said["status"], said["reason"]) == ("True", reason)
    assert "team/high" in said["message"]
