"""Queues as platform teams write them."""

from __future__ import annotations

import msgspec

from scheduler.model.work import Condition


class Quota(msgspec.Struct, frozen=True):
    """Amounts of one resource (and flavor, empty: any) in smallest units; None is unset: no guarantee, no limit."""

    resource: str
    flavor: str = ""
    guaranteed: int | None = None
    limit: int | None = None
    lendable: int | None = None
    weight: int | None = None


class Queue(msgspec.Struct, frozen=True):
    """One node of the queue tree; gangs belong to leaves only."""

    name: str
    uid: str = ""
    version: str = ""
    generation: int = 1
    created_seconds: float = 0.0
    parent: str = ""
    quotas: tuple[Quota, ...] = ()
    weight: int = 1
    priority: int = 0
    order: str = "PriorityThenAge"
    state: str = "Open"
    conditions: tuple[Condition, ...] = ()
