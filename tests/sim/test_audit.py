"""The audit sees each wrong there is: a rogue scheduler does one at a time, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.sim import manifests
from scheduler.sim.audit import PARTLY_BOUND_SECONDS
from scheduler.sim.liveness import complaints
from scheduler.sim.run import Simulation
from tests.sim.worlds import racks


def bind(world: Simulation, pod: str, node: str) -> None:
    body = {"metadata": {"name": pod}, "target": {"kind": "Node", "name": node}}
    world.ask("POST", f"/api/v1/namespaces/team/pods/{pod}/binding", body)


def record(world: Simulation, gang: str, **places: int) -> None:
    """Write a record of ``worker`` pods by node name."""
    nodes = [{"name": name, "count": count} for name, count in places.items()]
    made = {"epoch": 1, "madeFrom": "1", "decidedAt": "2027-01-15T08:00:00Z"}
    status: dict[str, Any] = {"assignment": {**made, "places": [{"member": "worker", "nodes": nodes}]}}
    path = f"/apis/muster.dev/v1alpha1/namespaces/team/podgroups/{gang}/status"
    world.ask("PATCH", path, {"status": status}, "application/merge-patch+json")


def rules(world: Simulation) -> list[str]:
    return [violation.rule for violation in world.auditor.violations]


def test_a_gang_bound_on_its_record_is_right() -> None:
    world = racks()
    world.gang("g", 2, rack=True)
    record(world, "g", r0n0=1, r0n1=1)
    bind(world, "g-0", "r0n0")
    bind(world, "g-1", "r0n1")
    world.run(2 * PARTLY_BOUND_SECONDS)
    assert rules(world) == []


def test_over_commit() -> None:
    world = racks(gpus=8)
    world.add(manifests.pod("a", gpus=6), manifests.pod("b", gpus=6))
    bind(world, "a", "r0n0")
    assert rules(world) == []
    bind(world, "b", "r0n0")
    assert rules(world) == ["over-commit"]


def test_room_that_is_promised_to_a_gang_is_not_given_to_others() -> None:
    world = racks(gpus=8)
    world.gang("g", 2, gpus=4)
    record(world, "g", r0n0=2)
    world.add(manifests.pod("a", gpus=1))
    bind(world, "a", "r0n0")
    assert rules(world) == ["over-promise"]


def test_leaving_pods_hold_their_room_until_they_are_gone() -> None:
    world = racks(gpus=8)
    world.add(manifests.pod("a", gpus=6), manifests.pod("b", gpus=6), manifests.pod("c", gpus=6))
    bind(world, "a", "r0n0")
    world.run(5)
    world.remove("pods", "a")
    bind(world, "b", "r0n0")
    assert rules(world) == ["over-commit"]
    world.remove("pods", "b")
    world.run(10)
    bind(world, "c", "r0n0")
    assert rules(world) == ["over-commit"]


def test_a_pod_off_the_record() -> None:
    world = racks()
    world.gang("g", 2)
    record(world, "g", r0n0=1, r0n1=1)
    bind(world, "g-0", "r0n0")
    bind(world, "g-1", "r0n0")
    assert rules(world) == ["off-the-record"]


def test_a_gang_s_pod_bound_without_any_record() -> None:
    world = racks()
    world.gang("g", 2)
    bind(world, "g-0", "r0n0")
    assert rules(world) == ["off-the-record"]


def test_a_record_that_changes_without_a_release() -> None:
    world = racks()
    world.gang("g", 2, minimum=1)
    record(world, "g", r0n0=1)
    record(world, "g", r0n0=2)
    assert rules(world) == [], "it may grow"
    record(world, "g", r0n1=2)
    assert rules(world) == ["record-changed"]


def test_a_required_rack() -> None:
    world = racks()
    world.gang("g", 2, rack=True)
    record(world, "g", r0n0=1, r1n0=1)
    assert rules(world) == ["topology"]


def test_a_queue_beyond_its_limit() -> None:
    world = racks()
    world.add(manifests.queue("small", gpu_limit=2))
    world.gang("g", 3, queue="small")
    record(world, "g", r0n0=3)
    assert rules(world) == ["queue-limit"]


def test_a_node_that_is_not_there() -> None:
    world = racks()
    world.add(manifests.pod("a"))
    bind(world, "a", "nowhere")
    assert rules(world) == ["no-such-node"]


@pytest.mark.parametrize(("minimum", "expected"), [(2, ["gang-partly-bound"]), (1, [])])
def test_a_gang_partly_bound_beyond_its_grace(minimum: int, expected: list[str]) -> None:
    world = racks()
    world.gang("g", 2, minimum=minimum)
    record(world, "g", r0n0=2)
    bind(world, "g-0", "r0n0")
    world.run(PARTLY_BOUND_SECONDS - 5)
    assert rules(world) == []
    world.run(10)
    assert rules(world) == expected


def test_work_that_waits_without_a_word_or_though_it_fits_is_complained_of() -> None:
    world = racks()
    world.gang("g", 2)
    world.add(manifests.pod("a"))
    found = complaints(world.server.objects)
    assert found == ["team/g waits without a verdict", "pod team/a waits without a reason"]

    verdict = {"cause": "Blocked", "message": "no room", "since": "2027-01-15T08:00:00Z"}
    path = "/apis/muster.dev/v1alpha1/namespaces/team/podgroups/g/status"
    world.ask("PATCH", path, {"status": {"verdict": verdict}}, "application/merge-patch+json")
    world.remove("pods", "a")
    assert complaints(world.server.objects) == ["team/g fits and waits (Blocked: no room)"]
