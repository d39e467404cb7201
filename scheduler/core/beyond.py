"""What no room that comes free would mend: a gang that asks for more than its queue's limit, or than all nodes have.

A verdict compares with what is free now. These facts compare with what there is in all, so that whoever reads them can
tell waiting from waiting in vain.
"""

from __future__ import annotations

import msgspec
import numpy as np

from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Cause, Refusal, Verdict


def with_what_is_beyond(verdict: Verdict, snapshot: Snapshot) -> Verdict:
    """The verdict, its reasons replaced where more is asked for than a queue's limit (``AboveLimit``) or all nodes
    together (``AboveFleet``) offer in all."""
    if verdict.cause is not Cause.BLOCKED:
        return verdict
    refusals = tuple(_in_all(each, snapshot) for each in verdict.refusals)
    return verdict if refusals == verdict.refusals else msgspec.structs.replace(verdict, refusals=refusals)


def is_above_limit(verdict: Verdict) -> bool:
    """Whether it asks for more than a queue ever gives, whoever leaves."""
    return any(each.code == "AboveLimit" for each in verdict.refusals)


def _in_all(refusal: Refusal, snapshot: Snapshot) -> Refusal:
    match refusal.term, refusal.code:
        case "queue-limit", "OverLimit":
            limit = _limit(snapshot, refusal.where, refusal.resource)
            code, most = "AboveLimit", limit
        case "capacity" | "required-topology", "NotEnough" if refusal.resource in snapshot.resources:
            column = snapshot.resources.index(refusal.resource)
            code, most = "AboveFleet", int(np.asarray(snapshot.capacity)[:, column].sum())
        case _:
            return refusal
    if most is None or refusal.needed <= most:
        return refusal
    term = "capacity" if code == "AboveFleet" else refusal.term
    where = "" if code == "AboveFleet" else refusal.where
    return Refusal(term, code, refusal.needed, most, refusal.resource, where)


def _limit(snapshot: Snapshot, name: str, resource: str) -> int | None:
    """The limit that a queue states for all nodes; None where it states none."""
    quotas = snapshot.queues[name].quotas if name in snapshot.queues else ()
    return next((each.limit for each in quotas if each.resource == resource and not each.flavor), None)
