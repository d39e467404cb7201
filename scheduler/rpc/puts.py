"""Puts as parallel columns, with the nodes of those whose nodes are known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.problem import Problem, Put


def puts_to_pb(puts: Sequence[Put]) -> pb.Puts:
    """`Put.held` stays at home, and with it the nodes of puts that have it."""
    message = pb.Puts(
        gang=[put.gang for put in puts],
        member=[put.member for put in puts],
        node_class=[put.node_class for put in puts],
        count=[put.count for put in puts],
    )
    spots = [() if put.held else put.spots for put in puts]
    if any(spots):
        message.spots.spots.extend(len(own) for own in spots)
        message.spots.node.extend(node for own in spots for node, _ in own)
        message.spots.pods.extend(pods for own in spots for _, pods in own)
    return message


def puts_from_pb(message: pb.Puts) -> tuple[Put, ...]:
    """ValueError where columns differ in length."""
    columns = zip(message.gang, message.member, message.node_class, message.count, strict=True)
    if not message.HasField("spots"):
        return tuple(Put(*row) for row in columns)
    pairs = iter(zip(message.spots.node, message.spots.pods, strict=True))
    puts = tuple(
        Put(*row, tuple(islice(pairs, spots))) for row, spots in zip(columns, message.spots.spots, strict=True)
    )
    if sum(message.spots.spots) != len(message.spots.node):
        raise ValueError("the spots do not add up to the nodes that are given")
    return puts


def check_fits(puts: Sequence[Put], problem: Problem) -> None:
    """Every index must exist in the problem, and the pods on nodes must be those of the put; whether the placement is
    legal is not looked at. ValueError where not."""
    member_counts = [len(gang.members) for gang in problem.gangs]
    class_count = problem.class_count
    for put in puts:
        if put.gang >= len(member_counts) or put.member >= member_counts[put.gang] or put.node_class >= class_count:
            raise ValueError(f"{put} is outside the problem ({len(member_counts)} gangs, {class_count} node classes)")
        if put.spots:
            nodes = int(problem.class_nodes[put.node_class])
            if any(node >= nodes for node, _ in put.spots) or sum(pods for _, pods in put.spots) != put.count:
                raise ValueError(f"{put} does not stand on the {nodes} nodes of its class")
