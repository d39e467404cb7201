"""Queues as platform teams write them."""

from __future__ import annotations

import msgspec

from scheduler.model.selector import LabelSelector
from scheduler.model.work import Condition


class Quota(msgspec.Struct, frozen=True):
    """Amounts of one resource (and flavor, empty: any) in smallest units; None is unset: no guarantee, no limit."""

    resource: str
    flavor: str = ""
    guaranteed: int | None = None
    limit: int | None = None
    lendable: int | None = None
    weight: int | None = None


class Borrowing(msgspec.Struct, frozen=True):
    """Whom a gang may take while it takes its queue above its guarantee; ``max_priority`` bounds the victims'."""

    policy: str = "Never"
    max_priority: int | None = None


class Preemption(msgspec.Struct, frozen=True):
    """Whose running work gangs of a queue may take, and what protects its own. Times are inherited down the tree where
    they are None; so is ``while_borrowing``, and at the top the policy decides."""

    within_queue: str = "LowerPriority"
    reclaim: str = "Any"
    while_borrowing: Borrowing | None = None
    min_runtime_preempt_seconds: float | None = None
    min_runtime_reclaim_seconds: float | None = None
    delay_seconds: float | None = None


class History(msgspec.Struct, frozen=True):
    """How past use counts among the children of a queue; ``factor`` is an exact decimal, as its owner wrote it."""

    half_life_seconds: float
    factor: str = "1"


class Counts(msgspec.Struct, frozen=True):
    """Numbers that a queue never exceeds besides its resources; None is unlimited. Resources in smallest units."""

    gangs: int | None = None
    pods: int | None = None
    user_gangs: int | None = None
    user_pods: int | None = None
    user_resources: tuple[tuple[str, int], ...] = ()


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
    preemption: Preemption = Preemption()
    history: History | None = None
    counts: Counts = Counts()
    namespace_selector: LabelSelector = ()
    """Namespaces whose gangs may wait here; the empty selector admits all."""
    conditions: tuple[Condition, ...] = ()
