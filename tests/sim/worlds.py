"""Small worlds that the tests of the simulation start from, and what must be true at their end."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scheduler.sim import manifests
from scheduler.sim.ledger import Ledger, spots
from scheduler.sim.liveness import complaints
from scheduler.sim.run import Simulation
from scheduler.sim.schema import Schemas, schemas_of

CRDS = Path(__file__).parents[2] / "manifests" / "crds"


@cache
def installed_schemas() -> Schemas:
    """The schemas that a real cluster would hold our objects to."""
    files = sorted(CRDS.glob("*.yaml"))
    return schemas_of([each for file in files for each in yaml.safe_load_all(file.read_text()) if each])


def racks(seed: int = 0, *, racks: int = 2, nodes_per_rack: int = 2, gpus: int = 8, **options: Any) -> Simulation:
    """Racks ``r0``, ``r1`` ... of nodes ``r0n0``, ``r0n1`` ..., one topology, the queue ``default``."""
    world = Simulation(seed, schemas=installed_schemas(), **options)
    world.add(manifests.topology(), manifests.queue("default"))
    for rack in range(racks):
        for index in range(nodes_per_rack):
            world.add(manifests.node(f"r{rack}n{index}", f"r{rack}", gpus=gpus))
    return world


def assert_at_rest(world: Simulation) -> None:
    """Nothing was ever wrong, and nothing waits that could run."""
    world.auditor.raise_if_any()
    assert complaints(world.server.objects) == []


def assert_on_record(world: Simulation, gang: str, pods: int) -> None:
    """All of a gang's pods stand exactly where its record says."""
    group = next(each for each in world.server.objects.all("podgroups") if each["metadata"]["name"] == gang)
    taken = Ledger(world.server.objects).taken(group)
    assert taken.total() == pods, (world.pods(f"{gang}-"), world.status(gang))
    assert taken == spots(group)
