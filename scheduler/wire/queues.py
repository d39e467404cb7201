"""Queues as they are written, to values."""

from __future__ import annotations

from decimal import Decimal

from scheduler.model.queue import Borrowing, Counts, History, Preemption, Queue, QueueLine, QueueReport, Quota
from scheduler.model.resources import amount
from scheduler.model.work import Condition
from scheduler.wire import raw
from scheduler.wire.durations import duration_seconds
from scheduler.wire.selectors import label_selector

_SCALE = {"m": Decimal("0.001"), "": Decimal(1), "k": Decimal(1000), "M": Decimal(10**6), "G": Decimal(10**9)}


def queue_of(found: raw.QueueObject, created_seconds: float, conditions: tuple[Condition, ...]) -> Queue:
    meta, spec = found.metadata, found.spec
    return Queue(
        name=meta.name,
        uid=meta.uid,
        version=meta.resourceVersion,
        generation=meta.generation,
        created_seconds=created_seconds,
        parent=spec.parent,
        quotas=tuple(
            Quota(
                resource=each.name,
                flavor=each.flavor,
                guaranteed=_optional_amount(each.name, each.guaranteed),
                limit=_optional_amount(each.name, each.limit),
                lendable=_optional_amount(each.name, each.lendable),
                weight=each.weight,
            )
            for each in spec.resources or ()
        ),
        weight=spec.weight,
        priority=spec.priority,
        order=spec.order,
        state=spec.state,
        preemption=_preemption(spec.preemption or raw.PreemptionObject()),
        history=_history(spec.history),
        counts=_counts(spec.limits or raw.CountsObject()),
        namespace_selector=() if spec.namespaceSelector is None else label_selector(spec.namespaceSelector),
        conditions=conditions,
        report=_report(found.status),
    )


def _report(found: raw.QueueStatus) -> QueueReport | None:
    """What a predecessor or we wrote; None where nobody did."""
    if found.resources is None:
        return None
    return QueueReport(
        lines=tuple(
            QueueLine(
                each.name,
                each.flavor,
                *(
                    amount(each.name, value)
                    for value in (
                        each.used,
                        each.nonPreemptibleUsed,
                        each.fairShare,
                        each.borrowed,
                        each.lent,
                        each.historicUse,
                    )
                ),
            )
            for each in found.resources
        ),
        dominant_permille=found.dominantSharePermille,
        pending_gangs=found.pendingGangs,
        pending_pods=found.pendingPods,
        running_gangs=found.runningGangs,
        running_pods=found.runningPods,
    )


def _preemption(found: raw.PreemptionObject) -> Preemption:
    borrowing, runtime = found.whileBorrowing, found.minRuntime or raw.MinRuntimeObject()
    return Preemption(
        within_queue=found.withinQueue,
        reclaim=found.reclaim,
        while_borrowing=None if borrowing is None else Borrowing(borrowing.policy, borrowing.maxPriority),
        min_runtime_preempt_seconds=duration_seconds(runtime.preempt),
        min_runtime_reclaim_seconds=duration_seconds(runtime.reclaim),
        delay_seconds=duration_seconds(found.delay),
    )


def _history(found: raw.HistoryObject | None) -> History | None:
    if found is None:
        return None
    return History(duration_seconds(found.halfLife) or 0.0, _decimal(found.factor))


def _counts(found: raw.CountsObject) -> Counts:
    user = found.perUser or raw.PerUserObject()
    resources = tuple(sorted((name, amount(name, each)) for name, each in (user.resources or {}).items()))
    return Counts(found.gangs, found.pods, user.gangs, user.pods, resources)


def _decimal(quantity: str | int) -> str:
    """A quantity as an exact decimal: ``500m`` is 0.5."""
    text = str(quantity)
    digits = text.rstrip("mkMG")
    return format((Decimal(digits) * _SCALE[text[len(digits) :]]).normalize(), "f")


def _optional_amount(resource: str, quantity: str | int | None) -> int | None:
    return None if quantity is None else amount(resource, quantity)
