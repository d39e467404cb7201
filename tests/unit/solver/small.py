"""Builders for small solver cases: only what a case is about is said, the rest is plain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from scheduler.core.drive import greedy_only
from scheduler.model.cluster import GPU_MODEL_LABEL, Mask, Node, NodeTable
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.resources import from_quantities, vector
from scheduler.model.shape import Shape, Taint, Toleration
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member, Place
from scheduler.solver.asks.filters import eligible
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.blocking.blocking import Bounds, CountsOfShape
from scheduler.solver.blocking.diagnose import Asking, Diagnosis, Search, diagnose, fits_alone
from scheduler.solver.build import Built, build
from scheduler.solver.expand import Places, Unexpandable, expand
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import QueueRoom, SolveRequest, SolveResult
from scheduler.solver.terms.table import FILTERS

NAMES = ("cpu", "memory", "nvidia.com/gpu", "pods")
FABRIC = Topology("fabric", (Level("zone", "zone"), Level("block", "block"), Level("rack", "rack")))


def node(
    name: str,
    gpus: int = 8,
    cpus: int = 96,
    *,
    taints: tuple[Taint, ...] = (),
    unschedulable: bool = False,
    ready: bool = True,
    model: str = "",
    **labels: str,
) -> Node:
    """A node with 512 GiB and room for 110 pods; ``labels`` are its topology, ``model`` its GPU model label."""
    if model:
        labels[GPU_MODEL_LABEL] = model
    amounts = from_quantities({"cpu": cpus, "memory": "512Gi", "nvidia.com/gpu": gpus, "pods": 110})
    return Node(name, labels, amounts, taints, unschedulable, ready)


def shape(
    gpus: int = 1, cpus: int = 1, *, tolerations: tuple[Toleration, ...] = (), gpu_models: tuple[str, ...] = ()
) -> Shape:
    requests = from_quantities({"cpu": cpus, "memory": "1Gi", "nvidia.com/gpu": gpus, "pods": 1})
    return Shape(requests, tolerations=tolerations, gpu_models=gpu_models)


def gang(
    name: str,
    pods: int,
    gpus: int = 1,
    *,
    minimum: int | None = None,
    cpus: int = 1,
    ask: TopologyAsk | None = None,
    priority: int = 0,
    single: bool = False,
    held: tuple[Place, ...] = (),
) -> Gang:
    """Equal pods in one branch; ``minimum`` is all of them unless said."""
    least = pods if minimum is None else minimum
    member = Member("worker", shape(gpus, cpus), pods, least)
    return Gang(
        GangKey(f"ns/{name}"),
        name,
        "",
        priority,
        0.0,
        (member,),
        (Branch("", -1, least, 0, ask),),
        single=single,
        held=held,
    )


def tree(name: str, members: Sequence[Member], branches: Sequence[Branch]) -> Gang:
    return Gang(GangKey(f"ns/{name}"), name, "", 0, 0.0, tuple(members), tuple(branches))


def refused(name: str, asked: Shape, *nodes: Node) -> list[str]:
    """The names of the nodes that a filter refuses."""
    table = NodeTable.of(nodes)
    capacity = np.array([vector(each.allocatable, NAMES) for each in table.nodes], dtype=np.int64)
    mask: Mask = FILTERS[name](asked, Fleet(table, capacity, NAMES))
    return [each.name for each, out in zip(table.nodes, mask, strict=True) if out]


def built(
    nodes: Sequence[Node],
    gangs: Sequence[Gang],
    *,
    used: Mapping[str, Mapping[str, int | str]] | None = None,
    policy: Policy | None = None,
    rooms: tuple[QueueRoom, ...] = (),
    queue_of_gang: Mapping[GangKey, int] | None = None,
    queue_names: tuple[str, ...] = (),
    topologies: Sequence[Topology] = (FABRIC,),
) -> Built:
    """A built problem; ``used`` are quantities taken on nodes by name."""
    policy = policy or Policy()
    table = NodeTable.of(tuple(nodes))
    capacity = np.array([vector(each.allocatable, NAMES) for each in table.nodes], dtype=np.int64)
    free = capacity.copy()
    for name, amounts in (used or {}).items():
        free[table.rows[name]] -= vector(from_quantities(amounts), NAMES)
    shapes = {member.shape for each in gangs for member in each.members}
    masks = {each: eligible(each, table, capacity, NAMES, policy)[0] for each in shapes}
    return build(
        table,
        NAMES,
        free,
        gangs,
        {each.name: each for each in topologies},
        masks,
        policy,
        queue_rooms=rooms,
        queue_of_gang=queue_of_gang,
        queue_names=queue_names,
    )


def placed(case: Built) -> dict[str, dict[str, int]]:
    """What greedy places: gang name -> node -> pods of any member."""
    places = expand(case, place(case.problem).puts)
    assert not isinstance(places, Unexpandable)
    return pods_by_node(case, places)


def pods_by_node(case: Built, places: Places) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for each, own in zip(case.gangs, places, strict=True):
        for spot in (spot for part in own for spot in part.nodes):
            nodes = found.setdefault(each.name, {})
            nodes[spot.node] = nodes.get(spot.node, 0) + spot.count
    return found


def solved(request: SolveRequest) -> SolveResult:
    """The solver's last word, in this process."""
    *_, last = solve(request)
    return last


def unproven(result: SolveResult) -> SolveResult:
    """The same answer from a solver that ran out of time."""
    found = result.incumbent
    if found is not None:
        scores = tuple(msgspec.structs.replace(score, bound=None) for score in found.scores)
        found = msgspec.structs.replace(found, scores=scores)
    return msgspec.structs.replace(result, incumbent=found, end="feasible")


def diagnosis(
    case: Built,
    answer: Callable[[SolveRequest], SolveResult] = greedy_only,
    counts: CountsOfShape | None = None,
) -> Diagnosis:
    """What is found out about the first gang alone."""
    bounds, search = Bounds(case, counts or {}), Search(SolverBudget(wall_seconds=10.0), solves=100)

    def asking() -> Asking[Diagnosis]:
        fits = yield from fits_alone(case, 0, bounds, search)
        return (yield from diagnose(case, 0, bounds, search, fits))

    under_way = asking()
    try:
        request = next(under_way)
        while True:
            request = under_way.send(answer(request))
    except StopIteration as end:
        found: Diagnosis = end.value
        return found
