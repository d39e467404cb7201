"""What binds queues besides their limits, as protobuf messages; see `scheduler.rpc.convert`."""

from __future__ import annotations

from typing import TypedDict

from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.problem import Problem
from scheduler.solver.quota import CountRoom, Lending


class QueueFields(TypedDict):
    behind: list[int]
    front: list[int]
    lending: list[pb.Lending]
    counts: list[pb.CountRoom]


def queue_rules_to_pb(problem: Problem) -> QueueFields:
    return {
        "behind": [gang for gang, _ in problem.order],
        "front": [front for _, front in problem.order],
        "lending": [
            pb.Lending(resource=each.resource, flavor=each.flavor, kept=each.kept, room=each.room, total=each.total)
            for each in problem.lending
        ],
        "counts": [
            pb.CountRoom(queue=each.queue, user=each.user, gangs=each.gangs, room=each.room) for each in problem.counts
        ],
    }


def order_from_pb(message: pb.Problem) -> tuple[tuple[int, int], ...]:
    gangs = len(message.gangs.members)
    if any(index >= gangs for index in (*message.behind, *message.front)):
        raise ValueError(f"a gang that waits for another one is not among the {gangs} that are given")
    return tuple(zip(message.behind, message.front, strict=True))


def lending_from_pb(message: pb.Problem) -> tuple[Lending, ...]:
    queues = len(message.queues.parent)
    for each in message.lending:
        if each.resource >= len(message.resources) or not len(each.kept) == len(each.room) == queues:
            raise ValueError(f"what queues lend has not one number for each of {queues} queues")
    return tuple(
        Lending(each.resource, each.flavor, tuple(each.kept), tuple(each.room), each.total) for each in message.lending
    )


def counts_from_pb(message: pb.Problem) -> tuple[CountRoom, ...]:
    queues = len(message.queues.parent)
    for each in message.counts:
        if each.queue >= queues or len(each.room) != len(message.resources):
            raise ValueError(f"a count is about queue {each.queue} of {queues}, or not about all resources")
    return tuple(CountRoom(each.queue, each.user, each.gangs, tuple(each.room)) for each in message.counts)
