"""Solve requests and results as protobuf messages, exactly: what comes out is equal to what went in.

The exception is `Put.held` with the spots of puts that have it, which stay at home: the sender has them.

The layout and its reasons stand in ``proto/muster/solver/v1/solver.proto``. A message that contradicts itself is a
ValueError. A value that the format cannot carry (a negative index, a number beyond 64 bits) raises what NumPy and
protobuf raise: ValueError, TypeError or OverflowError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DeviceAsk
from scheduler.model.plan import TierScore
from scheduler.rpc.branches import branches_from_pb, branches_to_pb
from scheduler.rpc.convert_giving import giving_from_pb, giving_to_pb
from scheduler.rpc.convert_queues import counts_from_pb, lending_from_pb, order_from_pb, queue_rules_to_pb
from scheduler.rpc.convert_relations import relation_to_pb, relations_from_pb
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.rpc.puts import check_fits as check_puts
from scheduler.rpc.puts import puts_from_pb, puts_to_pb
from scheduler.solver.devices.devices import ClassDevices
from scheduler.solver.problem import (
    GangAsk,
    Incumbent,
    MemberAsk,
    Problem,
    QueueRoom,
    QuotaLine,
    SolveRequest,
)

REVISION = 3
"""The revision of ``muster.solver.v1`` spoken here. Raised by every change that an older server must not overlook."""

INT32: np.dtype[np.int32] = np.dtype("<i4")
INT64: np.dtype[np.int64] = np.dtype("<i8")

ENDS: Mapping[str, pb.End] = {
    "optimal": pb.END_OPTIMAL,
    "feasible": pb.END_FEASIBLE,
    "deadline": pb.END_DEADLINE,
    "failed": pb.END_FAILED,
    "skipped": pb.END_SKIPPED,
}
_END_NAMES: Mapping[int, str] = {number: name for name, number in ENDS.items()}

_Number = TypeVar("_Number", np.int32, np.int64)


def request_to_pb(request: SolveRequest) -> pb.SolveRequest:
    return pb.SolveRequest(
        revision=REVISION,
        problem=problem_to_pb(request.problem),
        start=incumbent_to_pb(request.start),
        budget=pb.Budget(
            wall_seconds=request.wall_seconds,
            work=request.work,
            workers=request.workers,
            seed=request.seed,
            variables_max=request.variables_max,
        ),
    )


def request_from_pb(message: pb.SolveRequest) -> SolveRequest:
    problem = problem_from_pb(message.problem)
    start = incumbent_from_pb(message.start)
    check_fits(start, problem)
    budget = message.budget
    return SolveRequest(
        problem=problem,
        start=start,
        wall_seconds=budget.wall_seconds,
        work=budget.work,
        workers=budget.workers,
        seed=budget.seed,
        variables_max=budget.variables_max,
    )


def problem_to_pb(problem: Problem) -> pb.Problem:
    wishes: dict[tuple[int, ...], int] = {(): 0}
    for gang in problem.gangs:
        wishes.setdefault(gang.flavors, len(wishes))
    return pb.Problem(
        resources=problem.resources,
        levels=[
            pb.Level(name=name, domains=domains)
            for name, domains in zip(problem.level_names, problem.domain_names, strict=True)
        ],
        classes=pb.NodeClasses(
            nodes=_packed(problem.class_nodes, INT32),
            free=_packed(problem.class_free, INT64),
            domain=_packed(problem.class_domain, INT32),
            flavor=b"" if problem.class_flavor is None else _packed(problem.class_flavor, INT32),
            **_devices_to_pb(problem.devices),
        ),
        gangs=pb.Gangs(
            members=[len(gang.members) for gang in problem.gangs],
            branches=[len(gang.branches) for gang in problem.gangs],
            tier=[gang.tier for gang in problem.gangs],
            queue=[gang.queue for gang in problem.gangs],
            bundle=[gang.bundle for gang in problem.gangs],
            bonus=[gang.bonus for gang in problem.gangs],
            leader=[gang.leader for gang in problem.gangs],
            firm=[gang.firm for gang in problem.gangs],
            user=[gang.user for gang in problem.gangs] if any(gang.user != -1 for gang in problem.gangs) else [],
            grows=[gang.grows for gang in problem.gangs] if any(gang.grows for gang in problem.gangs) else [],
            wish=[wishes[gang.flavors] for gang in problem.gangs],
            wishes=_rows(list(wishes)[1:], len(problem.flavors), INT32),
        ),
        members=_members_to_pb(
            [member for gang in problem.gangs for member in gang.members], _values(problem), len(problem.resources)
        ),
        branches=branches_to_pb([branch for gang in problem.gangs for branch in gang.branches]),
        queues=_queues_to_pb(problem),
        goals=problem.goals,
        rules=problem.rules,
        node_score=problem.node_score,
        relations=[relation_to_pb(relation) for relation in problem.relations],
        device_score=problem.device_score,
        flavors=problem.flavors,
        mix=_members_to_pb(problem.mix, [], len(problem.resources)),
        giving=None if problem.giving is None else giving_to_pb(problem.giving),
        **queue_rules_to_pb(problem),
    )


def problem_from_pb(message: pb.Problem) -> Problem:
    """The problem of a message. Its arrays are read-only views of the message's bytes."""
    resource_count = len(message.resources)
    class_nodes = np.frombuffer(message.classes.nodes, INT32)
    return Problem(
        resources=tuple(message.resources),
        class_nodes=class_nodes,
        class_free=_matrix(message.classes.free, INT64, len(class_nodes), resource_count),
        class_domain=_matrix(message.classes.domain, INT32, len(class_nodes), len(message.levels)),
        level_names=tuple(level.name for level in message.levels),
        domain_names=tuple(tuple(level.domains) for level in message.levels),
        gangs=_gangs_from_pb(message, len(class_nodes)),
        queues=_queues_from_pb(message.queues, resource_count),
        goals=tuple(message.goals),
        rules=tuple(message.rules),
        node_score=message.node_score,
        relations=relations_from_pb(
            message.relations, list(message.gangs.members), [len(level.domains) for level in message.levels]
        ),
        devices=_devices_from_pb(message.classes, len(class_nodes)),
        device_score=message.device_score,
        flavors=tuple(message.flavors),
        class_flavor=_flavor_column(message, len(class_nodes)),
        mix=tuple(_members_from_pb(message.mix, resource_count, len(class_nodes))),
        giving=giving_from_pb(message.giving, list(message.gangs.members), len(class_nodes))
        if message.HasField("giving")
        else None,
        order=order_from_pb(message),
        lending=lending_from_pb(message),
        counts=counts_from_pb(message),
    )


def incumbent_to_pb(incumbent: Incumbent) -> pb.Incumbent:
    return pb.Incumbent(
        puts=puts_to_pb(incumbent.puts),
        scores=[pb.TierScore(tier=score.tier, value=score.value, bound=score.bound) for score in incumbent.scores],
    )


def incumbent_from_pb(message: pb.Incumbent) -> Incumbent:
    return Incumbent(
        puts=puts_from_pb(message.puts),
        scores=tuple(
            TierScore(score.tier, score.value, score.bound if score.HasField("bound") else None)
            for score in message.scores
        ),
    )


def check_fits(incumbent: Incumbent, problem: Problem) -> None:
    """As `scheduler.rpc.puts.check_fits`."""
    check_puts(incumbent.puts, problem)


def end_to_pb(end: str) -> pb.End:
    try:
        return ENDS[end]
    except KeyError:
        raise ValueError(f"a solve cannot end as {end!r}; it ends as one of {', '.join(ENDS)}") from None


def end_from_pb(number: int) -> str:
    try:
        return _END_NAMES[number]
    except KeyError:
        raise ValueError(f"the solver says that the solve ended as {number}, which revision {REVISION} lacks") from None


class _DeviceFields(TypedDict, total=False):
    devices: int
    device_state: bytes
    device_memory: bytes
    device_layout: bytes


def _devices_to_pb(devices: ClassDevices | None) -> _DeviceFields:
    if devices is None:
        return {}
    return {
        "devices": devices.states.shape[1],
        "device_state": _packed(devices.states.astype(np.int32), INT32),
        "device_memory": _packed(devices.memory_mib, INT32),
        "device_layout": _packed(devices.layout, INT32),
    }


def _devices_from_pb(message: pb.NodeClasses, class_count: int) -> ClassDevices | None:
    if not message.devices:
        return None
    return ClassDevices(
        states=_matrix(message.device_state, INT32, class_count, message.devices).astype(np.int64),
        memory_mib=_matrix(message.device_memory, INT32, class_count, 1)[:, 0],
        layout=_matrix(message.device_layout, INT32, class_count, 1)[:, 0],
    )


def _flavor_column(message: pb.Problem, class_count: int) -> NDArray[np.int32] | None:
    return _matrix(message.classes.flavor, INT32, class_count, 1)[:, 0] if message.flavors else None


def _queues_to_pb(problem: Problem) -> pb.Queues:
    lines = [line for queue in problem.queues for line in queue.lines]
    return pb.Queues(
        parent=[queue.parent for queue in problem.queues],
        room=_rows([queue.room for queue in problem.queues], len(problem.resources), INT64),
        lines=[len(queue.lines) for queue in problem.queues] if lines else [],
        line_flavor=[line.flavor for line in lines],
        line_firm=[line.firm for line in lines],
        line_room=_rows([line.room for line in lines], len(problem.resources), INT64),
    )


def _queues_from_pb(message: pb.Queues, resource_count: int) -> tuple[QueueRoom, ...]:
    rooms = _tuples(message.room, len(message.parent), resource_count)
    line_rooms = _tuples(message.line_room, len(message.line_flavor), resource_count)
    lines = [QuotaLine(*row) for row in zip(line_rooms, message.line_flavor, message.line_firm, strict=True)]
    counts = list(message.lines) or [0] * len(rooms)
    if sum(counts) != len(lines):
        raise ValueError("the queues' lines do not add up to those that are given")
    ends = np.cumsum(counts).tolist()
    return tuple(
        QueueRoom(parent, room, tuple(lines[end - count : end]))
        for parent, room, count, end in zip(message.parent, rooms, counts, ends, strict=True)
    )


def _values(problem: Problem) -> list[int]:
    for gang in problem.gangs:
        if len(gang.values) != len(gang.members):
            raise ValueError(f"a gang has {len(gang.members)} members but {len(gang.values)} values")
    return [value for gang in problem.gangs for value in gang.values]


def _members_to_pb(members: Sequence[MemberAsk], values: list[int], resource_count: int) -> pb.Members:
    masks: dict[bytes, int] = {}
    eligible = [masks.setdefault(member.eligible, len(masks)) for member in members]
    parts: dict[DeviceAsk | None, int] = {None: 0}
    part = [parts.setdefault(member.devices, len(parts)) for member in members]
    asks = [ask for ask in parts if ask is not None]
    costs: dict[tuple[int, ...], int] = {(): 0}
    dislike = [costs.setdefault(member.dislike, len(costs)) for member in members]
    return pb.Members(
        request=_rows([member.request for member in members], resource_count, INT64),
        count=[member.count for member in members],
        minimum=[member.minimum for member in members],
        branch=[member.branch for member in members],
        value=values,
        eligible=eligible,
        masks=list(masks),
        part=part if asks else [],
        part_count=[ask.count for ask in asks],
        part_milli=[ask.milli for ask in asks],
        part_memory=[ask.memory_mib for ask in asks],
        part_profile=[ask.profile for ask in asks],
        dislike=dislike if len(costs) > 1 else [],
        costs=_rows([row for row in costs if row], max(map(len, costs)), INT32),
    )


def _members_from_pb(message: pb.Members, resource_count: int, class_count: int) -> list[MemberAsk]:
    masks = list(message.masks)
    if any(len(mask) != -(-class_count // 8) for mask in masks):
        raise ValueError(f"a set of eligible node classes has not one bit for each of {class_count} classes")
    if any(index >= len(masks) for index in message.eligible):
        raise ValueError(f"a member's set of eligible node classes is not among the {len(masks)} that are given")
    requests = _tuples(message.request, len(message.count), resource_count)
    part_columns = zip(message.part_count, message.part_milli, message.part_memory, message.part_profile, strict=True)
    parts = [None, *(DeviceAsk(*row) for row in part_columns)]
    part = list(message.part) or [0] * len(requests)
    if any(index >= len(parts) for index in part):
        raise ValueError(f"a member's ask for parts of devices is not among the {len(parts) - 1} that are given")
    costs = [(), *_tuples(message.costs, -1, class_count, INT32)] if message.dislike else [()]
    dislike = list(message.dislike) or [0] * len(requests)
    if any(index >= len(costs) for index in dislike):
        raise ValueError(f"what a member prefers is not among the {len(costs) - 1} rows of costs that are given")
    columns = zip(
        requests, message.count, message.minimum, message.branch, message.eligible, part, dislike, strict=True
    )
    return [
        MemberAsk(
            request=request,
            count=count,
            minimum=minimum,
            branch=branch,
            eligible=masks[index],
            devices=parts[own],
            dislike=costs[cost],
        )
        for request, count, minimum, branch, index, own, cost in columns
    ]


def _gangs_from_pb(message: pb.Problem, class_count: int) -> tuple[GangAsk, ...]:
    table = message.gangs
    members = _members_from_pb(message.members, len(message.resources), class_count)
    branches = branches_from_pb(message.branches)
    values = list(message.members.value)
    if len(values) != len(members) or sum(table.members) != len(members) or sum(table.branches) != len(branches):
        raise ValueError("the gangs do not add up to the members, values and branches that are given")
    gangs = []
    member, branch = 0, 0
    wishes = [(), *(_tuples(table.wishes, -1, len(message.flavors), INT32) if message.flavors else [])]
    if any(wish >= len(wishes) for wish in table.wish):
        raise ValueError(f"a gang's wish about flavors is not among the {len(wishes) - 1} that are given")
    for member_count, branch_count, tier, queue, bundle, bonus, firm, wish, leader, user, grows in zip(
        table.members,
        table.branches,
        table.tier,
        table.queue,
        table.bundle,
        table.bonus,
        table.firm,
        table.wish,
        table.leader,
        table.user or [-1] * len(table.members),
        table.grows or [False] * len(table.members),
        strict=True,
    ):
        own = slice(member, member + member_count)
        gangs.append(
            GangAsk(
                members=tuple(members[own]),
                branches=tuple(branches[branch : branch + branch_count]),
                values=tuple(values[own]),
                tier=tier,
                queue=queue,
                bundle=bundle,
                bonus=bonus,
                firm=firm,
                flavors=wishes[wish],
                leader=leader,
                user=user,
                grows=grows,
            )
        )
        member += member_count
        branch += branch_count
    return tuple(gangs)


def _packed(array: NDArray[np.integer], dtype: np.dtype[np.integer]) -> bytes:
    """The numbers of an array, row by row; a TypeError when the type could not hold them all."""
    return array.astype(dtype, casting="safe", copy=False).tobytes()


def _rows(rows: Sequence[tuple[int, ...]], width: int, dtype: np.dtype[np.integer]) -> bytes:
    if any(len(row) != width for row in rows):
        raise ValueError(f"a row has not one column for each of {width} resources or flavors")
    return np.array(rows, dtype).tobytes()


def _matrix(data: bytes, dtype: np.dtype[_Number], rows: int, columns: int) -> NDArray[_Number]:
    return np.frombuffer(data, dtype).reshape(rows, columns)


def _tuples(data: bytes, rows: int, columns: int, dtype: np.dtype[Any] = INT64) -> list[tuple[int, ...]]:
    return [tuple(row) for row in _matrix(data, dtype, rows, columns).tolist()]
