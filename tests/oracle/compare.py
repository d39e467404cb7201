"""One world decided by the scheduler and by brute force."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from scheduler.core.decide import AGE_STEPS, decide
from scheduler.core.drive import run
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.resources import GPU
from scheduler.model.shape import Shape
from scheduler.model.work import GangKey
from scheduler.solver.build import Built, build
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.filters import eligible
from scheduler.solver.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import QueueRoom, SolveRequest, SolveResult
from tests.oracle.brute import Amounts, best, limit_of, score_of
from tests.oracle.world import RESOURCES, TOPOLOGY, World

POLICY = Policy()
BUDGET = SolverBudget(wall_seconds=60.0, work=20.0)


class Outcome(msgspec.Struct, frozen=True):
    """What each reached, tier by tier: the solver asked for the optimum, and the whole decision."""

    optimum: dict[str, int]
    solver: dict[str, int]
    decision: dict[str, int]
    proven: bool
    contended: bool

    @property
    def differs(self) -> str:
        """What is wrong, empty when nothing is. A decision where everything found a place greedily did not ask the
        solver: it serves all there is to serve, and may be less near or less packed."""
        if not self.proven:
            return "the solver ended without a proof"
        if self.solver != self.optimum:
            return f"the solver reached {self.solver}, the optimum is {self.optimum}"
        served = {tier: value for tier, value in self.optimum.items() if tier.startswith("served-value")}
        expected = self.optimum if self.contended else served
        reached = {tier: self.decision[tier] for tier in expected}
        return "" if reached == expected else f"the decision reached {reached}, the optimum is {expected}"


def compare(world: World) -> Outcome:
    """The optimum by trying everything, beside what the solver and a whole decision reach."""
    built = _built(world)
    start = place(built.problem)
    result = _last(SolveRequest(built.problem, start, BUDGET.wall_seconds, BUDGET.work))
    incumbent = result.incumbent or start
    places = expand(built, incumbent.puts)
    assert not isinstance(places, Unexpandable), f"an optimum that does not expand: {places}"
    by_gang = {
        gang.key: {place.member: {each.node: each.count for each in place.nodes} for place in own}
        for gang, own in zip(built.gangs, places, strict=True)
    }
    plan = run(decide(world.snapshot(), POLICY, 0.0, BUDGET), _last)
    return Outcome(
        optimum=best(world, built),
        solver=score_of(world, built, _pods(world, by_gang)),
        decision=score_of(world, built, _pods(world, _of_plan(plan))),
        proven=result.end == "optimal",
        contended=any(end.end != "skipped" for end in plan.solves),
    )


def _built(world: World) -> Built:
    """The problem of a world, with work worth what a decision makes of it: GPUs, then CPUs, then age."""
    snapshot = world.snapshot()
    names = sorted(queue.name for queue in world.queues)
    parents = {queue.name: queue.parent for queue in world.queues}
    count = len(world.gangs)
    ages = {gang.key: (AGE_STEPS - 1) * (count - rank) // count for rank, gang in enumerate(world.gangs)}
    shapes = {member.shape for gang in world.gangs for member in gang.members}
    return build(
        snapshot.nodes,
        RESOURCES,
        snapshot.free,
        world.gangs,
        {TOPOLOGY.name: TOPOLOGY},
        {shape: eligible(shape, snapshot.nodes, snapshot.capacity, RESOURCES, POLICY)[0] for shape in shapes},
        POLICY,
        values={gang.key: tuple(_worth(member.shape) * AGE_STEPS for member in gang.members) for gang in world.gangs},
        bonuses=ages,
        queue_rooms=tuple(
            QueueRoom(
                names.index(parents[name]) if parents[name] else -1,
                tuple(limit_of(world, name, resource) for resource in RESOURCES),
            )
            for name in names
        ),
        queue_names=tuple(names),
        queue_of_gang={gang.key: names.index(gang.queue) for gang in world.gangs},
    )


def _worth(shape: Shape) -> int:
    requests = dict(shape.requests)
    return requests.get(GPU, 0) + requests.get("cpu", 0) // 64 + 1


def _last(request: SolveRequest) -> SolveResult:
    """The final result, with the best incumbent on the way."""
    *_, last = solve(request)
    return last


def _of_plan(plan: Plan) -> Mapping[GangKey, dict[str, dict[str, int]]]:
    return {
        decision.gang: {place.member: {each.node: each.count for each in place.nodes} for place in decision.places}
        for decision in plan.decisions
    }


def _pods(world: World, places: Mapping[GangKey, dict[str, dict[str, int]]]) -> list[tuple[Amounts, ...]]:
    """[gangs][members][nodes]."""
    return [
        tuple(
            tuple(places.get(gang.key, {}).get(member.name, {}).get(node.name, 0) for node in world.nodes)
            for member in gang.members
        )
        for gang in world.gangs
    ]
