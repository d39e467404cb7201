"""What waiting pods take from one another through their volumes: counted in one plan, never one pod at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.core.gangs.resolve import single_gang
from scheduler.model.bundle import Pending
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue
from scheduler.sim.run import improved_by_solver
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.unit.core.storage_objects import (
    Object,
    Storage,
    claim,
    csi,
    csi_node,
    node,
    pod,
    storage_class,
    volume,
)

Solve = Callable[[SolveRequest], SolveResult]

NODES = (node("a"), node("b"), node("c"))
CLASSES = (storage_class("late"), storage_class("ebs", provisioner="ebs.csi"))


@pytest.fixture(params=[greedy_only, improved_by_solver], ids=["greedy", "solver"])
def solve(request: pytest.FixtureRequest) -> Solve:
    found: Solve = request.param
    return found


def planned(world: Storage, solve: Solve) -> Plan:
    """The plan for all pods that wait, each by itself."""
    world.store.queues["default"] = Queue("default")
    waiting = [each for each in world.store.pods.values() if not each.node]
    gangs = tuple(single_gang(world.store.with_volumes(each), "default") for each in waiting)
    policy = Policy()
    return run(decide(world.store.snapshot(Pending(gangs)), policy, 0.0, policy.budget), solve)


def places(world: Storage, solve: Solve) -> dict[str, str]:
    plan = planned(world, solve)
    names = {f"pod/{each.uid}": each.name for each in world.store.pods.values()}
    return {names[each.gang]: each.places[0].nodes[0].node for each in plan.decisions}


def with_claims(names: str, storage_class: str = "late") -> list[Object]:
    """A pod and a claim per letter."""
    own = [claim(f"data-{name}", storage_class=storage_class) for name in names]
    return [*own, *(pod(name, f"data-{name}") for name in names)]


def test_local_volumes_are_given_out_once(solve: Solve) -> None:
    local = (volume("v1", nodes=("a",)), volume("v2", nodes=("a",)), volume("v3", nodes=("c",)))
    world = Storage(*NODES, *CLASSES, *local, *with_claims("wxyz"))
    assert sorted(places(world, solve).values()) == ["a", "a", "c"]


@pytest.mark.parametrize(
    ("sizes", "served"),
    [({"p": "10Gi", "q": "10Gi"}, 2), ({"p": "10Gi", "q": "40Gi"}, 2), ({"p": "40Gi", "q": "40Gi"}, 1)],
    ids=["small", "small and large", "large"],
)
def test_a_small_claim_may_use_a_large_volume_and_not_the_other_way_round(
    solve: Solve, sizes: dict[str, str], served: int
) -> None:
    local = (volume("v", size="10Gi", nodes=("a",)), volume("w", size="50Gi", nodes=("a",)))
    claims = [claim(f"data-{name}", size=size) for name, size in sizes.items()]
    world = Storage(*NODES, *CLASSES, *local, *claims, *(pod(name, f"data-{name}") for name in sizes))
    assert len(places(world, solve)) == served


def test_volumes_that_every_node_can_use_are_counted_for_the_cluster(solve: Solve) -> None:
    world = Storage(*NODES, *CLASSES, volume("n1"), volume("n2"), *with_claims("wxyz"))
    assert len(places(world, solve)) == 2


def test_what_can_be_made_is_not_counted(solve: Solve) -> None:
    world = Storage(*NODES, *CLASSES, volume("v", storage_class="ebs"), *with_claims("wxyz", "ebs"))
    assert len(places(world, solve)) == 4


def test_a_claim_for_one_pod_goes_to_one_of_those_that_wait(solve: Solve) -> None:
    data = claim("data", volume="v", modes=("ReadWriteOncePod",))
    world = Storage(*NODES, *CLASSES, data, volume("v", owner="data"), pod("p", "data"), pod("q", "data"), pod("r"))
    assert len(places(world, solve)) == 2
    assert "r" in places(world, solve)


def test_a_node_attaches_no_more_than_it_may(solve: Solve) -> None:
    limits = (csi_node("a", ebs_csi=2), csi_node("b", ebs_csi=1), csi_node("c", ebs_csi=0))
    world = Storage(*NODES, *CLASSES, *limits, *with_claims("vwxyz", "ebs"))
    assert sorted(places(world, solve).values()) == ["a", "a", "b"]


def test_volumes_in_use_leave_less_to_attach(solve: Solve) -> None:
    used = (claim("x", volume="x"), volume("x", owner="x", csi=csi("ebs.csi", "x")), pod("runs", "x", on="a"))
    limits = (csi_node("a", ebs_csi=2), csi_node("b", ebs_csi=0), csi_node("c", ebs_csi=0))
    world = Storage(*NODES, *CLASSES, *used, *limits, *with_claims("yz", "ebs"))
    assert list(places(world, solve).values()) == ["a"]


def test_a_disk_is_written_by_one_pod_of_a_plan_on_a_node(solve: Solve) -> None:
    def writer(name: str, *, read_only: bool) -> Object:
        disk = {"gcePersistentDisk": {"pdName": "d", "readOnly": read_only}}
        return pod(name, volumes=[{"name": "disk", **disk}])

    world = Storage(node("a"), writer("p", read_only=False), writer("q", read_only=True), writer("r", read_only=True))
    assert set(places(world, solve)) in ({"p"}, {"q", "r"})


def test_the_reason_names_the_claim_and_the_cluster() -> None:
    data = claim("data", volume="v", modes=("ReadWriteOncePod",))
    world = Storage(*NODES, data, volume("v", owner="data"), pod("p", "data"), pod("q", "data"))
    world.store.queues["default"] = Queue("default")
    waiting = [world.store.with_volumes(each) for each in world.store.pods.values()]
    first, second = (single_gang(each, "default") for each in waiting)
    both = type(first)(
        key=first.key,
        name="both",
        queue="default",
        priority=0,
        arrived_seconds=0.0,
        members=(type(first.members[0])("pod", first.members[0].shape, 2, 2),),
        branches=first.branches,
    )
    assert second.members[0].shape is first.members[0].shape
    policy = Policy()
    plan = run(decide(world.store.snapshot(Pending((both,))), policy, 0.0, policy.budget), greedy_only)
    (refusal,) = plan.verdicts[both.key].refusals
    assert (refusal.term, refusal.needed, refusal.offered) == ("volumes", 2, 1)
    assert refusal.resource == "uses of claim team/data"
