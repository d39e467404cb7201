"""What to say about claims that keep a whole gang from every node."""

from __future__ import annotations

import msgspec

from scheduler.model.plan import Refusal, Verdict
from scheduler.model.work import Gang

CLUSTER = "the cluster"
"""The name of the root above all queues, whose room is what the cluster has of claims and volumes."""


def volume_troubles(gang: Gang) -> tuple[Refusal, ...]:
    """Claims that no node could cure, where too few pods of the gang are without; empty where its minimum may hold."""
    troubled = [member for member in gang.members if member.shape.volumes is not None and member.shape.volumes.troubles]
    if not troubled:
        return ()
    fine = sum(member.count for member in gang.members if member not in troubled)
    if fine >= max(1, gang.branches[0].minimum) and not any(member.minimum for member in troubled):
        return ()
    found = [each for member in troubled if member.shape.volumes for each in member.shape.volumes.troubles]
    return tuple(Refusal("volume-binding", each.code, where=each.where) for each in dict.fromkeys(found))


def of_the_cluster(verdict: Verdict) -> Verdict:
    """What the cluster lacks is no limit of a queue."""
    refusals = tuple(
        msgspec.structs.replace(each, term="volumes", code="NotEnough")
        if each.term == "queue-limit" and each.where == CLUSTER
        else each
        for each in verdict.refusals
    )
    return msgspec.structs.replace(verdict, refusals=refusals)
