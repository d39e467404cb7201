"""Gangs and pods with volume claims, from their decision through the claims to their binds."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.model.policy import Patience, Policy
from scheduler.sim import manifests
from scheduler.sim.objects import Object
from scheduler.sim.run import Simulation
from tests.sim.worlds import assert_on_record, racks

SETTLED_SECONDS = 30.0


def store(**options: Any) -> Simulation:
    """Two racks of two nodes, a class whose volumes are made on demand and one whose volumes are local disks."""
    world = racks(**options)
    world.add(manifests.storage_class("made", "csi.example"), manifests.storage_class("local"))
    return world


def gang_with_claims(world: Simulation, name: str, pods: int, storage_class: str, **group: Any) -> None:
    """A gang of which each pod has a claim of its own, as a StatefulSet makes them."""
    world.add(manifests.pod_group(name, pods, **group))
    for index in range(pods):
        claim = f"data-{name}-{index}"
        world.add(manifests.claim(claim, storage_class))
        world.add(manifests.pod(f"{name}-{index}", group=name, gpus=group.get("gpus", 1), claims=(claim,)))


def bound_nodes(world: Simulation) -> dict[str, str]:
    """The node of the volume of each bound claim."""
    volumes = {each["metadata"]["name"]: each for each in world.server.objects.all("persistentvolumes")}
    found = {}
    for claim in world.server.objects.all("persistentvolumeclaims"):
        name = claim["spec"].get("volumeName")
        if name:
            terms = volumes[name]["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
            found[claim["metadata"]["name"]] = terms[0]["matchExpressions"][0]["values"][0]
    return found


def assert_pods_at_their_volumes(world: Simulation, gang: str, pods: int) -> None:
    where, volumes = world.pods(f"{gang}-"), bound_nodes(world)
    assert all(where.values()), (where, world.status(gang))
    assert len(where) == pods
    assert {name: volumes[f"data-{name}"] for name in where} == where
    world.auditor.raise_if_any()


def test_claims_are_provisioned_on_the_decided_nodes_before_any_pod_is_bound() -> None:
    world = store()
    world.start_scheduler()
    first_bind: list[dict[str, str]] = []

    def note(change: Any) -> None:
        if change.kind.plural == "pods" and change.object["spec"].get("nodeName") and not first_bind:
            first_bind.append(bound_nodes(world))

    world.server.objects.listeners.append(note)
    gang_with_claims(world, "g", 6, "made", gpus=4)
    world.run(SETTLED_SECONDS)
    assert_pods_at_their_volumes(world, "g", 6)
    assert len(first_bind[0]) == 6, "every claim was bound before the first pod"
    assert_on_record(world, "g", 6)


def test_local_volumes_decide_where_a_gang_goes() -> None:
    world = store()
    for name, node in (("v1", "r0n0"), ("v2", "r0n0"), ("v3", "r1n1"), ("v4", "r1n0")):
        world.add(manifests.volume(name, "local", node))
    world.start_scheduler()
    gang_with_claims(world, "g", 4, "local")
    world.run(SETTLED_SECONDS)
    assert_pods_at_their_volumes(world, "g", 4)
    assert sorted(world.pods("g-").values()) == ["r0n0", "r0n0", "r1n0", "r1n1"]


def test_a_gang_comes_back_to_its_volumes() -> None:
    """Its pods were deleted; the new ones find their claims bound, each to another node."""
    world = store()
    world.start_scheduler()
    gang_with_claims(world, "g", 6, "made", gpus=4)
    world.run(SETTLED_SECONDS)
    before = world.pods("g-")
    for name in before:
        world.remove("pods", name)
    world.run(SETTLED_SECONDS)
    for name in before:
        world.add(manifests.pod(name, group="g", gpus=4, claims=(f"data-{name}",)))
    world.run(SETTLED_SECONDS)
    assert world.pods("g-") == before
    world.auditor.raise_if_any()


def test_a_single_pod_waits_for_its_claim() -> None:
    world = store()
    world.start_scheduler()
    world.add(manifests.claim("data-s", "made"), manifests.pod("s", claims=("data-s",)))
    world.run(SETTLED_SECONDS)
    assert world.pods("s") == {"s": bound_nodes(world)["data-s"]}


def test_a_claim_that_comes_late_lets_its_pod_go() -> None:
    world = store()
    world.start_scheduler()
    world.add(manifests.pod("s", claims=("data-s",)))
    world.run(SETTLED_SECONDS)
    assert world.pods("s") == {"s": ""}
    (said,) = [each for each in pod_status(world, "s")["conditions"] if each["type"] == "PodScheduled"]
    assert (said["reason"], said["message"]) == ("Unschedulable", "its claim data-s does not exist")
    world.add(manifests.claim("data-s", "made"))
    world.run(SETTLED_SECONDS)
    assert world.pods("s")["s"]


@pytest.mark.parametrize("grouped", [True, False], ids=["gang", "single pod"])
def test_where_no_volume_can_be_made_the_places_are_given_back(grouped: bool) -> None:
    """The provisioner gives up twice; meanwhile somebody else may have the room, and the third time it works."""
    world = store(policy=Policy(patience=Patience(claims_retry_seconds=5.0)))
    failures: list[str] = []

    def fails(claim: Object) -> bool:
        failures.append(claim["metadata"]["name"])
        return len(failures) <= 2

    world.volumes.fails = fails
    world.start_scheduler()
    if grouped:
        gang_with_claims(world, "g", 1, "made")
    else:
        world.add(manifests.claim("data-g-0", "made"), manifests.pod("g-0", claims=("data-g-0",)))
    assert world.run_until(lambda: len(failures) == 2, 60.0)
    assert world.run_until(lambda: said_of(world, grouped).startswith("no volume could be made"), 5.0)
    assert world.run_until(lambda: bool(world.pods("g-")["g-0"]), 60.0)
    assert_pods_at_their_volumes(world, "g", 1)


def test_claims_that_are_never_bound_give_the_places_back() -> None:
    """Nobody provisions: after the limit the gang waits with its reason, and others use the room."""
    world = store(policy=Policy(patience=Patience(claims_bound_seconds=20.0)))
    world.add(manifests.storage_class("dead", "nobody.example"))
    world.volumes.fails = lambda _claim: False
    world.server.objects.listeners = [
        each for each in world.server.objects.listeners if getattr(each, "__self__", None) is not world.volumes
    ]
    world.start_scheduler()
    gang_with_claims(world, "g", 4, "dead", gpus=8)
    world.run(15.0)
    assert world.status("g")["phase"] == "Preparing"
    (said,) = [each for each in world.status("g")["conditions"] if each["type"] == "Scheduled"]
    assert (said["reason"], said["message"]) == ("Preparing", "volume claims of its pods are not bound yet")
    world.gang("other", 4, gpus=8)
    assert world.run_until(lambda: all(world.pods("other-").values()), 60.0)
    assert world.run_until(lambda: said_of(world, grouped=True).startswith("the claims of pod g-"), 10.0)
    world.auditor.raise_if_any()


def said_of(world: Simulation, grouped: bool) -> str:
    if grouped:
        return str((world.status("g").get("verdict") or {}).get("message", ""))
    return next((each.get("message", "") for each in pod_status(world, "g-0").get("conditions", [])), "")


def pod_status(world: Simulation, name: str) -> Object:
    return next(each["status"] for each in world.server.objects.all("pods") if each["metadata"]["name"] == name)
