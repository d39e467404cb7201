"""Let a world happen until it is at rest, and say what of it should not have been."""

from __future__ import annotations

from functools import partial

import msgspec

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.model.policy import Policy, SolverBudget, Taking
from scheduler.sim import manifests
from scheduler.sim.chance import Odds
from scheduler.sim.liveness import complaints
from scheduler.sim.run import Simulation, improved_by_solver
from scheduler.solver.problem import SolveRequest, SolveResult
from scheduler.wire import names
from scheduler.wire.requests import MERGE
from tests.sim.thrash.world import PRIORITIES, Work, World
from tests.sim.worlds import installed_schemas

QUIET_SECONDS = 90.0
"""A world is at rest when nobody was bound or evicted for so long: longer than any patience and any minimum run time
before which somebody may not be taken."""

LIMIT_SECONDS = 900.0
"""How long after the last arrival a world may go on at most."""

BUDGET = SolverBudget(wall_seconds=60.0, work=0.1)


class Outcome(msgspec.Struct, frozen=True):
    """``wrong`` says what broke; empty when nothing did. ``rest_seconds`` is how long after the last arrival somebody
    was bound or evicted for the last time."""

    wrong: tuple[str, ...]
    evictions: int
    binds: int
    records: int
    rest_seconds: float


def play(drawn: World) -> Outcome:
    world = _begun(drawn)
    world.run(drawn.last_seconds + 1.0)
    end_seconds = world.clock.now_seconds
    quiet_since, seen = end_seconds, _happened(world)
    while world.clock.now_seconds - quiet_since < QUIET_SECONDS:
        if world.clock.now_seconds - end_seconds > LIMIT_SECONDS:
            return _outcome(world, quiet_since - end_seconds, ["it does not come to rest"])
        world.run(1.0)
        if _happened(world) != seen:
            quiet_since, seen = world.clock.now_seconds, _happened(world)
    return _outcome(world, quiet_since - end_seconds, [*_decided_again(world), *complaints(world.server.objects)])


def _begun(drawn: World) -> Simulation:
    odds = Odds(leave_pod_seconds=drawn.leave_seconds, replace_pod_seconds=drawn.replace_seconds)
    policy = Policy(taking=Taking(moves=drawn.moves), budget=BUDGET)
    solve = improved_by_solver if drawn.solver else _searched_in_vain
    world = Simulation(drawn.seed, odds=odds, policy=policy, solve=solve, schemas=installed_schemas())
    world.add(manifests.topology())
    for name, value in PRIORITIES.items():
        world.add(manifests.priority_class(name, value, preempts=name != "polite"))
    for node in drawn.nodes:
        world.add(manifests.node(node.name, node.rack, gpus=node.gpus))
    for queue in drawn.queues:
        world.add(
            manifests.queue(
                queue.name,
                queue.limit,
                guaranteed=queue.guaranteed,
                parent=queue.parent,
                weight=queue.weight,
                priority=queue.priority,
                preemption=queue.preemption,
            )
        )
    for work in drawn.works:
        world.clock.after(work.at_seconds, partial(_come, world, work))
    world.start_scheduler()
    return world


def _searched_in_vain(_request: SolveRequest) -> SolveResult:
    """A solver that finds nothing in its time. Where none is there at all, the same is decided on every two seconds,
    which is most of what a quiet world would do."""
    return SolveResult(incumbent=None, end="deadline")


def _come(world: Simulation, work: Work) -> None:
    if not work.pods:
        single = manifests.pod(
            work.name,
            gpus=work.gpus,
            queue=work.queue,
            run_seconds=work.run_seconds,
            grace_seconds=work.grace_seconds,
            priority=work.priority,
            preemptible=work.preemptible,
        )
        world.add(single)
        return
    if work.kept:
        selector = {names.LABEL_POD_GROUP: work.name}
        world.add(manifests.budget(work.name, selector, max_unavailable=work.pods - work.kept))
    if work.freed_seconds is not None:
        world.clock.after(work.freed_seconds - work.at_seconds, lambda: _free(world, work))
    world.gang(
        work.name,
        work.pods,
        gpus=work.gpus,
        minimum=work.minimum,
        queue=work.queue,
        rack=work.one_rack,
        priority=work.priority,
        preemptible=work.preemptible,
        run_seconds=work.run_seconds,
        grace_seconds=work.grace_seconds,
    )


def _free(world: Simulation, work: Work) -> None:
    """The owner of a budget lets all of its pods go."""
    path = f"/apis/policy/v1/namespaces/{world.namespace}/poddisruptionbudgets/{work.name}"
    world.ask("PATCH", path, {"spec": {"maxUnavailable": work.pods}}, MERGE)


def _happened(world: Simulation) -> tuple[int, int, int]:
    return world.auditor.binds, world.auditor.records, world.auditor.eviction.evictions


def _decided_again(world: Simulation) -> list[str]:
    """What one more decision about the world as it stands would change: nothing."""
    engine = world.processes[-1].engine
    plan = run(decide(engine.snapshot(), world.policy, world.clock.now_seconds, BUDGET), greedy_only)
    return [f"deciding again places {each.gang}" for each in plan.decisions]


def _outcome(world: Simulation, rest_seconds: float, wrong: list[str]) -> Outcome:
    auditor = world.auditor
    return Outcome(
        (*map(str, auditor.violations), *wrong),
        evictions=auditor.eviction.evictions,
        binds=auditor.binds,
        records=auditor.records,
        rest_seconds=round(rest_seconds, 1),
    )
