"""Queues as platform teams write them."""

from __future__ import annotations

import msgspec

from scheduler.model.selector import LabelSelector
from scheduler.model.work import Condition

QUEUE_FINALIZER = "muster.dev/queue-in-use"
"""Keeps a queue that is deleted until nothing holds places in it."""


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


class QueueLine(msgspec.Struct, frozen=True):
    """What a status says of one resource and flavor, in smallest units; ``past`` is an average that forgets.

    ``guaranteed`` is what holds: where a queue states none, the sum of its children's. ``limit`` is its own; None is
    unlimited.
    """

    resource: str
    flavor: str = ""
    used: int = 0
    firm_used: int = 0
    fair: int = 0
    borrowed: int = 0
    lent: int = 0
    past: int = 0
    guaranteed: int = 0
    limit: int | None = None


class QueueReport(msgspec.Struct, frozen=True):
    """What a status says of a queue and everything below it."""

    lines: tuple[QueueLine, ...] = ()
    dominant_permille: int = 0
    pending_gangs: int = 0
    pending_pods: int = 0
    running_gangs: int = 0
    running_pods: int = 0


class Queue(msgspec.Struct, frozen=True):
    """One node of the queue tree; gangs belong to leaves only."""

    name: str
    uid: str = ""
    version: str = ""
    generation: int = 1
    created_seconds: float = 0.0
    leaving: bool = False
    finalizers: tuple[str, ...] = ()
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
    report: QueueReport | None = None
    """As it stands on the server; None: nothing was written yet."""

    @property
    def held(self) -> bool:
        """Whether our finalizer is on it."""
        return QUEUE_FINALIZER in self.finalizers
