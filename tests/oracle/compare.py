"""One world decided by the scheduler and by brute force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from scheduler.core.decide import decide
from scheduler.core.drive import run
from scheduler.core.queues.backlog import Backlogs
from scheduler.core.queues.entitled import Entitlements
from scheduler.core.queues.ranking import turns
from scheduler.core.window import window
from scheduler.core.worth import AGE_STEPS, Worth, worth_of
from scheduler.model.neighbours import Neighbours
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.resources import GPU
from scheduler.model.work import Gang, GangKey, Place
from scheduler.solver.asks.filters import eligible, seen, with_coming, within_plan
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.build import Built, build
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import QueueRoom, SolveRequest, SolveResult
from tests.oracle.brute import Placed, best, score_of
from tests.oracle.columns import Spot, milli_of
from tests.oracle.judge import Prices
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
    """The optimum by trying everything, beside what the solver and a whole decision reach. TooLargeError where
    everything is too much to try."""
    worth = _worth(world)
    built = _built(world, worth)
    prices = _prices(world, built, worth)
    optimum = best(world, prices)
    start = place(built.problem)
    result = _last(SolveRequest(built.problem, start, BUDGET.wall_seconds, BUDGET.work))
    places = expand(built, (result.incumbent or start).puts)
    assert not isinstance(places, Unexpandable), f"an optimum that does not expand: {places}"
    plan = run(decide(world.snapshot(), POLICY, 0.0, BUDGET), _last)
    return Outcome(
        optimum=optimum,
        solver=score_of(
            world, prices, _placed(world, dict(zip((gang.key for gang in built.gangs), places, strict=True)))
        ),
        decision=score_of(world, prices, _placed(world, _of_plan(plan))),
        proven=result.end == "optimal",
        contended=any(end.end != "skipped" for end in plan.solves),
    )


def _worth(world: World) -> Worth:
    """The order of service is given here: what is tried is what follows from it."""
    snapshot = world.snapshot()
    order = turns(
        Backlogs().of(snapshot.pending.put_together()), snapshot, POLICY, lambda: Entitlements(POLICY).of(snapshot)
    )
    return worth_of(window(order, POLICY.limits)[0], snapshot.nodes, POLICY)


def _prices(world: World, built: Built, worth: Worth) -> Prices:
    """Work is worth its GPUs, a little by its CPUs, at last by its age. What is free for packing is what a problem says
    of its nodes."""
    problem = built.problem
    scarce = problem.resources.index(GPU)
    free = dict.fromkeys(range(len(world.nodes)), 0)
    for code, rows in enumerate(built.class_rows):
        free |= {row: int(problem.class_free[code, scarce]) for row in rows.tolist()}
    return Prices(
        tiers=tuple(worth.tiers[gang.key] for gang in world.gangs),
        values=tuple(_values(gang) for gang in world.gangs),
        bonuses=tuple(worth.bonuses[gang.key] for gang in world.gangs),
        free=tuple(free.values()),
        step=max(1, max(free.values(), default=0) // 16),
    )


def _values(gang: Gang) -> tuple[int, ...]:
    values = []
    for member in gang.members:
        requests, ask = dict(member.shape.requests), member.shape.devices
        gpus = requests.get(GPU, 0) + (0 if ask is None else ask.count * milli_of(ask))
        values.append((gpus + requests.get("cpu", 0) // 64 + 1) * AGE_STEPS)
    return tuple(values)


def _built(world: World, worth: Worth) -> Built:
    """The problem of a world, with work worth what a decision makes of it."""
    snapshot = world.snapshot()
    gangs = [_as_seen(gang, snapshot.neighbours) for gang in world.gangs]
    neighbours = with_coming(snapshot.neighbours, gangs)
    fleet = Fleet(snapshot.nodes, snapshot.capacity, RESOURCES, neighbours)
    names = sorted(queue.name for queue in world.queues)
    limits = {queue.name: {quota.resource: quota.limit for quota in queue.quotas} for queue in world.queues}
    parents = {queue.name: queue.parent for queue in world.queues}
    masks = {}
    for shape in {member.shape for gang in gangs for member in gang.members}:
        allowed = eligible(shape, snapshot.nodes, snapshot.capacity, RESOURCES, POLICY)
        masks[shape] = within_plan(shape, allowed, fleet, POLICY)[0]
    built = build(
        snapshot.nodes,
        RESOURCES,
        snapshot.free,
        gangs,
        {TOPOLOGY.name: TOPOLOGY},
        masks,
        POLICY,
        values={gang.key: _values(gang) for gang in gangs},
        tiers=worth.tiers,
        bonuses=worth.bonuses,
        queue_rooms=tuple(
            QueueRoom(
                names.index(parents[name]) if parents[name] else -1,
                tuple(-1 if limits[name].get(each) is None else limits[name][each] or 0 for each in RESOURCES),
            )
            for name in names
        ),
        queue_names=tuple(names),
        queue_of_gang={gang.key: names.index(gang.queue) for gang in gangs},
        devices=snapshot.devices,
        neighbours=neighbours,
    )
    assert not built.refused, f"a world was drawn that contradicts itself: {built.refused}"
    return built


def _as_seen(gang: Gang, neighbours: Neighbours) -> Gang:
    """With shapes that know which selectors look at their pods."""
    members = (
        msgspec.structs.replace(member, shape=seen(member.shape, member.label_sets[0], neighbours))
        if member.label_sets
        else member
        for member in gang.members
    )
    return msgspec.structs.replace(gang, members=tuple(members))


def _last(request: SolveRequest) -> SolveResult:
    """The final result, with the best incumbent on the way."""
    *_, last = solve(request)
    return last


def _of_plan(plan: Plan) -> Mapping[GangKey, Sequence[Place]]:
    return {decision.gang: decision.places for decision in plan.decisions}


def _placed(world: World, places: Mapping[GangKey, Sequence[Place]]) -> Placed:
    """[gangs][members] -> (where, pods)."""
    rows = {node.name: row for row, node in enumerate(world.nodes)}
    placed = []
    for gang in world.gangs:
        own: dict[str, list[tuple[Spot, int]]] = {member.name: [] for member in gang.members}
        for place_ in places.get(gang.key, ()):
            for each in place_.nodes:
                parts = tuple((use.index, use.start) for use in each.devices)
                own[place_.member].append((Spot(rows[each.node], parts), each.count))
        placed.append(list(own.values()))
    return placed
