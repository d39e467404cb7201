"""Random worlds under faults: nothing bad ever happens, and once the faults stop everything that fits runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from scheduler.sim.chance import Odds
from scheduler.sim.liveness import complaints
from scheduler.sim.run import Simulation
from scheduler.sim.workload import Size, populate
from tests.sim.worlds import installed_schemas

SEEDS = range(int(os.environ.get("MUSTER_SIM_FIRST_SEED", "0")), int(os.environ.get("MUSTER_SIM_SEEDS", "12")))
REST_SECONDS = 180.0
"""Longer than any run time, any patience and any retry of a world without faults."""

ROUGH = Odds(
    watch_seconds=(0.001, 0.5),
    send_seconds=(0.001, 0.3),
    answer_seconds=(0.001, 0.3),
    decide_seconds=(0.01, 2.0),
    lost_request=0.02,
    lost_answer=0.03,
    broken_watch=0.01,
    failed_decision=0.05,
)


def finished_world(seed: int, odds: Odds, size: Size = Size()) -> Simulation:  # noqa: B008 - a frozen value
    """A world that has had its time under faults, and then its time without."""
    world = Simulation(seed, odds=odds, schemas=installed_schemas())
    populate(world, seed, size)
    world.sent_survives = bool(seed % 2)
    world.start_scheduler()
    world.run(size.seconds)
    world.chance.odds = Odds()
    world.run(REST_SECONDS)
    return world


@pytest.mark.parametrize(
    ("seed", "odds"),
    [
        pytest.param(seed, odds, id=f"{seed}-{name}")
        for seed in SEEDS
        for name, odds in (("smooth", Odds()), ("rough", ROUGH))
    ],
)
def test_nothing_bad_happens_and_in_the_end_everything_that_fits_runs(seed: int, odds: Odds) -> None:
    world = finished_world(seed, odds)
    world.auditor.raise_if_any()
    assert complaints(world.server.objects) == []
    assert world.auditor.binds > 3, "a world in which nothing happens proves nothing"


@pytest.mark.parametrize("seed", SEEDS)
def test_gangs_with_claims_live_through_the_same(seed: int) -> None:
    """A volume ties a pod to the node where it was made, so work may wait for that node beside a free one."""
    world = finished_world(seed, ROUGH, Size(claims=0.6))
    world.auditor.raise_if_any()
    free_elsewhere = [each for each in complaints(world.server.objects) if "fits and waits" not in each]
    assert free_elsewhere == []
    assert any(each["spec"].get("volumeName") for each in world.server.objects.all("persistentvolumeclaims"))


@pytest.mark.parametrize("seed", SEEDS)
def test_queues_that_take_from_one_another_live_through_the_same(seed: int) -> None:
    """Guarantees, priorities, budgets and graces: somebody always has to leave."""
    size = Size(guarantees=True, budgets=0.3, grace_seconds=(1, 30))
    world = finished_world(seed, msgspec.structs.replace(ROUGH, leave_pod_seconds=(0.1, 20.0)), size)
    world.auditor.raise_if_any()
    assert complaints(world.server.objects) == []


def test_a_seed_tells_the_same_story_under_every_hash_seed() -> None:
    story = (
        "from tests.sim.test_random_worlds import ROUGH, finished_world\nprint(finished_world(3, ROUGH).log.digest)\n"
    )
    digests = set()
    for hash_seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        root = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", story], cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_another_seed_tells_another_story() -> None:
    assert finished_world(1, Odds()).log.digest != finished_world(2, Odds()).log.digest
