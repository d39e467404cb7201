"""A problem over pools instead of node classes: for goals that ask which domains are touched, not which nodes.

Every pool becomes one class of a single node, whose "resources" are the pieces that its nodes can be cut into
(`solver.parts.pools`). All rules and goals mean the same there, so the general model solves it; what comes out has
to be put onto nodes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from scheduler.solver.parts.kinds import Item
from scheduler.solver.parts.linear import Numbers
from scheduler.solver.parts.pools import pools
from scheduler.solver.parts.realise import Pods, on_nodes
from scheduler.solver.problem import GangAsk, MemberAsk, Problem, Put, QueueRoom


@dataclass(frozen=True, eq=False)
class Over:
    """``problem`` has the pools of ``whole`` as its classes; ``of_class`` is the pool of each class there."""

    problem: Problem
    whole: Problem
    of_class: Numbers

    def pooled(self, puts: Sequence[Put]) -> tuple[Put, ...]:
        """A placement as one over pools."""
        pods: Pods = {}
        for put in puts:
            where = (put.gang, put.member, int(self.of_class[put.node_class]))
            pods[where] = pods.get(where, 0) + put.count
        return tuple(Put(*where, count) for where, count in sorted(pods.items()))

    def realise(self, puts: Sequence[Put]) -> tuple[Put, ...] | None:
        """A placement over pools on the nodes of the whole; None when a pool does not expand."""
        return on_nodes(self.whole, self.of_class, {(put.gang, put.member, put.node_class): put.count for put in puts})


def over_pools(problem: Problem) -> Over:
    """Queue rooms are given in pieces of the size that counts the plain sum; a resource that is not counted is one that
    cannot run out on nodes, and is added for the queues' sake."""
    items = list(dict.fromkeys(Item(each.request, each.eligible) for gang in problem.gangs for each in gang.members))
    merged = pools(problem, items)
    first = np.unique(merged.of_class, return_index=True)[1]
    limited = [
        resource
        for resource in range(len(problem.resources))
        if any(queue.room[resource] >= 0 for queue in problem.queues)
    ]
    names = tuple(f"pieces-{column}" for column in range(merged.room.shape[1]))
    sums = tuple(problem.resources[resource] for resource in limited)
    boundless = np.full((len(first), len(limited)), np.iinfo(np.int64).max // 4, dtype=np.int64)

    def request(member: MemberAsk) -> tuple[int, ...]:
        pieces = merged.pieces[Item(member.request, member.eligible)]
        return (*(int(each) for each in pieces), *(member.request[resource] for resource in limited))

    def over(member: MemberAsk) -> MemberAsk:
        eligible = np.packbits(problem.eligible(member)[first]).tobytes()
        return msgspec.structs.replace(member, request=request(member), eligible=eligible)

    def gang_over(gang: GangAsk) -> GangAsk:
        return msgspec.structs.replace(gang, members=tuple(over(member) for member in gang.members))

    def queue_over(queue: QueueRoom) -> QueueRoom:
        room = (*(-1 for _ in names), *(queue.room[resource] for resource in limited))
        return msgspec.structs.replace(queue, room=room)

    own = replace(
        problem,
        resources=(*names, *sums),
        class_nodes=np.ones(len(first), dtype=np.int32),
        class_free=np.concatenate([merged.room, boundless], axis=1),
        class_domain=problem.class_domain[first],
        gangs=tuple(gang_over(gang) for gang in problem.gangs),
        queues=tuple(queue_over(queue) for queue in problem.queues),
    )
    return Over(own, problem, merged.of_class)
