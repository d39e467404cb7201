"""One tiny full fleet decided by the scheduler, beside the cheapest way that trying everything finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np

from scheduler.core.decide import decide
from scheduler.core.drive import run
from scheduler.model import cluster, queue, running
from scheduler.model.flavor import Flavor, FlavorChoice
from scheduler.model.plan import Decision, Plan
from scheduler.model.policy import Policy, SolverBudget, Taking
from scheduler.model.resources import GPU, Matrix, resources, vector
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member, Place
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.oracle.taking import brute
from tests.oracle.taking.world import NOW_SECONDS, Running, Waiting, World

NAMES = ("cpu", GPU, "pods")
FABRIC = Topology("fabric", (Level("rack", "rack"),))
BUDGET = SolverBudget(wall_seconds=60.0, work=20.0)
GPU_MILLI = 1000


class Outcome(msgspec.Struct, frozen=True):
    """What the least is that placing the taker costs, and what the decision costs; None: it is not placed. ``wrong`` is
    what of the decision is not legal, or what a second one would do."""

    least: brute.Cost | None
    decision: brute.Cost | None
    wrong: str = ""
    cascades: bool = False
    """Whether work that was evicted would go on to take from others, with its own priority or share."""

    @property
    def kind(self) -> str:
        """What the cheapest way is: none, on what is free, by moves, by victims, or by both."""
        if self.least is None:
            return "without a legal way"
        victims, moves = self.least[6] > 0, self.least[8] > 0
        return {
            (False, False): "on what is free",
            (False, True): "by moves",
            (True, False): "by victims",
            (True, True): "by victims and moves",
        }[victims, moves]

    @property
    def takes(self) -> bool:
        return self.least is not None and self.least[6] + self.least[8] > 0

    @property
    def differs(self) -> str:
        if self.wrong:
            return self.wrong
        return "" if self.decision == self.least else f"the decision costs {self.decision}, the least is {self.least}"


def compare(world: World) -> Outcome:
    found = brute.cheapest(world)
    least = None if found is None else found[0]
    plan = _decided(world, _snapshot(world, (world.waiting,)))
    decision = next((each for each in plan.decisions if each.gang == _key(world.waiting.name)), None)
    if decision is None:
        return Outcome(least, None, "running work is disturbed for nobody" if _disturbs(plan) else "")
    result = _plan(world, decision)
    try:
        cost = brute.cost_of(world, result)
    except AssertionError as wrong:
        return Outcome(least, None, str(wrong))
    again = _decided(world, _after(world, result))
    gone = {victim.uid for each in again.decisions for victim in each.victims}
    thrash = any(uid.startswith(world.waiting.name) for uid in gone)
    back = "deciding on the result takes the place back" if thrash else ""
    return Outcome(least, cost, back, cascades=bool(gone))


def _decided(world: World, snapshot: cluster.Snapshot) -> Plan:
    policy = Policy(taking=Taking(moves=world.moves))
    return run(decide(snapshot, policy, float(NOW_SECONDS), BUDGET), _last)


def _last(request: SolveRequest) -> SolveResult:
    *_, last = solve(request)
    return last


def _disturbs(plan: Plan) -> bool:
    return any(decision.victims or decision.moves for decision in plan.decisions)


# --- there ------------------------------------------------------------------------------------------------------------


def _key(name: str) -> GangKey:
    return GangKey(f"ns/{name}")


def _shape(gpus: int) -> Shape:
    return Shape(resources({"cpu": 1000, GPU: gpus * GPU_MILLI, "pods": 1}))


def _snapshot(world: World, waiting: tuple[Waiting, ...]) -> cluster.Snapshot:
    nodes = tuple(
        cluster.Node(
            node.name,
            {"rack": node.rack, "pool": node.flavor},
            resources({"cpu": 64_000, GPU: node.gpus * GPU_MILLI, "pods": 110}),
        )
        for node in world.nodes
    )
    flavors = tuple(Flavor(name, (("pool", name),)) for name in world.flavors)
    table = cluster.NodeTable.of(nodes, flavors)
    capacity: Matrix = np.array([vector(node.allocatable, NAMES) for node in table.nodes], dtype=np.int64)
    free, use_by = capacity.copy(), dict[cluster.UseKey, Matrix]()
    for gang in world.running:
        each = vector(_shape(gang.gpus).requests, NAMES)
        for node, count in enumerate(gang.on):
            free[table.rows[world.nodes[node].name]] -= each * count
            key = (gang.queue, world.nodes[node].flavor, not gang.preemptible)
            use_by[key] = use_by.get(key, np.zeros(len(NAMES), dtype=np.int64)) + each * count
    return cluster.Snapshot(
        version=1,
        resources=NAMES,
        nodes=table,
        capacity=capacity,
        free=free,
        gangs=tuple(map(_gang, waiting)),
        queues=_queues(world),
        use=_use(use_by),
        use_by=use_by,
        topologies={FABRIC.name: FABRIC},
        running=tuple(_running(world, gang) for gang in world.running),
        guards={f"ns/{name}": allowed for name, allowed in world.guards},
        held_by=_held_by(world),
    )


def _held_by(world: World) -> dict[tuple[str, str], cluster.Holding]:
    if all(each.gangs_max is None for each in world.queues):
        return {}
    leaves = {gang.queue for gang in world.running}
    own = {leaf: [gang.pods for gang in world.running if gang.queue == leaf] for leaf in leaves}
    return {(leaf, ""): cluster.Holding(len(pods), sum(pods)) for leaf, pods in own.items()}


def _use(use_by: Mapping[cluster.UseKey, Matrix]) -> dict[str, Matrix]:
    use: dict[str, Matrix] = {}
    for (name, _, _), amounts in use_by.items():
        use[name] = use.get(name, np.zeros(len(NAMES), dtype=np.int64)) + amounts
    return use


def _queues(world: World) -> dict[str, queue.Queue]:
    def milli(gpus: int | None) -> int | None:
        return None if gpus is None else gpus * GPU_MILLI

    return {
        each.name: queue.Queue(
            each.name,
            created_seconds=float(age),
            parent=each.parent,
            quotas=tuple(
                queue.Quota(GPU, flavor, guaranteed=milli(guaranteed), limit=milli(limit))
                for flavor, guaranteed, limit in each.by_flavor
            )
            or (
                queue.Quota(
                    GPU, guaranteed=milli(each.guaranteed), limit=milli(each.limit), lendable=milli(each.lendable)
                ),
            ),
            counts=queue.Counts(gangs=each.gangs_max),
            weight=each.weight,
            priority=each.priority,
            preemption=queue.Preemption(within_queue=each.within_queue, reclaim=each.reclaim),
        )
        for age, each in enumerate(world.queues)
    }


def _gang(own: Waiting) -> Gang:
    ask = TopologyAsk(required="rack") if own.one_rack else None
    shape = msgspec.structs.replace(_shape(own.gpus), flavors=own.accepts)
    return Gang(
        _key(own.name),
        own.name,
        own.queue,
        own.priority,
        float(own.arrived_seconds),
        (Member("m", shape, own.pods, own.pods),),
        (Branch("", -1, own.pods, 0, ask),),
        preemptible=own.preemptible,
        flavors=tuple(FlavorChoice(name, -rank) for rank, name in enumerate(own.accepts)),
    )


def _running(world: World, gang: Running) -> running.Running:
    pods = tuple(
        running.RunningPod(
            f"{gang.name}-{node}-{number}",
            "ns",
            f"{gang.name}-{node}-{number}",
            world.nodes[node].name,
            "m",
            started_seconds=float(gang.started_seconds),
            guards=(f"ns/{gang.guard}",) if gang.guard else (),
        )
        for node, count in enumerate(gang.on)
        for number in range(count)
    )
    return running.Running(
        _key(gang.name),
        gang.name,
        gang.queue,
        gang.priority,
        (Member("m", _shape(gang.gpus), gang.pods, gang.minimum),),
        (Branch("", -1, gang.minimum),),
        pods,
        arrived_seconds=float(gang.started_seconds),
        started_seconds=float(gang.started_seconds),
        saved_seconds=float(gang.started_seconds),
        preemptible=gang.preemptible,
        movable=gang.movable,
    )


# --- and back ---------------------------------------------------------------------------------------------------------


def _plan(world: World, decision: Decision) -> brute.Plan:
    """A decision as who goes from where and who is where then."""
    gone = {victim.uid for victim in decision.victims}
    away = {victim.uid for move in decision.moves for victim in move.pods}
    places = {move.gang: _counts(world, move.places) for move in decision.moves}
    evicted, after = [], []
    for gang in world.running:
        pods = [(pod.uid, _row(world, pod.node)) for pod in _running(world, gang).pods]
        lost = [sum(uid in gone and row == node for uid, row in pods) for node in range(len(world.nodes))]
        left = [sum(uid in gone | away and row == node for uid, row in pods) for node in range(len(world.nodes))]
        come = places.get(_key(gang.name), (0,) * len(world.nodes))
        evicted.append(tuple(lost))
        after.append(tuple(had - less + more for had, less, more in zip(gang.on, left, come, strict=True)))
    return brute.Plan(tuple(evicted), tuple(after), _counts(world, decision.places))


def _row(world: World, name: str) -> int:
    return [node.name for node in world.nodes].index(name)


def _counts(world: World, places: tuple[Place, ...]) -> tuple[int, ...]:
    found = [0] * len(world.nodes)
    for place in places:
        for each in place.nodes:
            found[_row(world, each.node)] += each.count
    return tuple(found)


def _after(world: World, plan: brute.Plan) -> cluster.Snapshot:
    """The picture when everybody has gone and come: the taker runs, and whoever was evicted as a whole waits."""
    taker = world.waiting
    standing = [replace(gang, on=after) for gang, after in zip(world.running, plan.after, strict=True) if any(after)]
    standing.append(
        Running(
            taker.name,
            taker.queue,
            taker.priority,
            taker.gpus,
            plan.places,
            taker.pods,
            NOW_SECONDS,
            preemptible=taker.preemptible,
        )
    )
    evicted = tuple(
        Waiting(
            gang.name,
            gang.queue,
            gang.priority,
            gang.gpus,
            gang.pods,
            arrived_seconds=gang.started_seconds,
            accepts=tuple({world.nodes[row].flavor for row, count in enumerate(gang.on) if count} - {""}),
        )
        for gang, gone in zip(world.running, plan.evicted, strict=True)
        if sum(gone) == gang.pods
    )
    guards = tuple((name, 0) for name, _ in world.guards)  # the pods that gave way are not back yet
    return _snapshot(replace(world, running=tuple(standing), guards=guards), evicted)
