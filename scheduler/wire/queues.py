"""Queues as they are written, to values; and what we say about them, to what is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from scheduler.model.queue import Borrowing, Counts, History, Preemption, Queue, QueueLine, QueueReport, Quota
from scheduler.model.resources import amount, is_gpu, quantity
from scheduler.model.work import Condition
from scheduler.wire import raw
from scheduler.wire.durations import duration_seconds
from scheduler.wire.selectors import label_selector

CELL_PARTS = 3
"""How many flavors a cell of ``kubectl get`` names; of the others it says how many they are."""

_SCALE = {"m": Decimal("0.001"), "": Decimal(1), "k": Decimal(1000), "M": Decimal(10**6), "G": Decimal(10**9)}


def queue_of(found: raw.QueueObject, created_seconds: float, conditions: tuple[Condition, ...]) -> Queue:
    meta, spec = found.metadata, found.spec
    return Queue(
        name=meta.name,
        uid=meta.uid,
        version=meta.resourceVersion,
        generation=meta.generation,
        created_seconds=created_seconds,
        leaving=meta.deletionTimestamp is not None,
        finalizers=tuple(meta.finalizers or ()),
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
        lines=tuple(_line_of(each) for each in found.resources),
        dominant_permille=found.dominantSharePermille,
        pending_gangs=found.pendingGangs,
        pending_pods=found.pendingPods,
        running_gangs=found.runningGangs,
        running_pods=found.runningPods,
    )


def _line_of(found: raw.QueueLineObject) -> QueueLine:
    return QueueLine(
        found.name,
        found.flavor,
        used=amount(found.name, found.used),
        firm_used=amount(found.name, found.nonPreemptibleUsed),
        fair=amount(found.name, found.fairShare),
        borrowed=amount(found.name, found.borrowed),
        lent=amount(found.name, found.lent),
        past=amount(found.name, found.historicUse),
        guaranteed=amount(found.name, found.guaranteed),
        limit=_optional_amount(found.name, found.limit),
    )


def report_json(report: QueueReport) -> dict[str, Any]:
    """A report in the API's words, for a merge."""
    return {
        "resources": [_line_json(line) for line in report.lines],
        "gpus": _cells([line for line in report.lines if is_gpu(line.resource)]),
        "dominantSharePermille": report.dominant_permille,
        "pendingGangs": report.pending_gangs,
        "pendingPods": report.pending_pods,
        "runningGangs": report.running_gangs,
        "runningPods": report.running_pods,
    }


def _line_json(line: QueueLine) -> dict[str, Any]:
    limit = {} if line.limit is None else {"limit": quantity(line.resource, line.limit)}
    return {
        "name": line.resource,
        "flavor": line.flavor,
        "guaranteed": quantity(line.resource, line.guaranteed),
        **limit,
        "used": quantity(line.resource, line.used),
        "nonPreemptibleUsed": quantity(line.resource, line.firm_used),
        "fairShare": quantity(line.resource, line.fair),
        "borrowed": quantity(line.resource, line.borrowed),
        "lent": quantity(line.resource, line.lent),
        "historicUse": quantity(line.resource, line.past),
    }


def _cells(lines: list[QueueLine]) -> dict[str, str | None] | None:
    """The amounts of GPUs, each as one cell of a table. What is zero is left out where something else is not, but for
    limits."""
    if not lines:
        return None
    return {
        "used": _cell(lines, [line.used or None for line in lines]) or "0",
        "fairShare": _cell(lines, [line.fair or None for line in lines]) or "0",
        "guaranteed": _cell(lines, [line.guaranteed or None for line in lines]) or "0",
        "limit": _cell(lines, [line.limit for line in lines]),
    }


def _cell(lines: list[QueueLine], amounts: list[int | None]) -> str | None:
    """``24``, ``h100=24,a100=8``, or both where quotas also count over all flavors; None where nothing is said."""
    vendors = {line.resource for line in lines}
    parts = []
    for line, found in zip(lines, amounts, strict=True):
        name = line.flavor or (line.resource if len(vendors) > 1 else "")
        if found is not None:
            parts.append((f"{name}=" if name else "") + quantity(line.resource, found))
    more = f" + {len(parts) - CELL_PARTS} more" if len(parts) > CELL_PARTS else ""
    return ",".join(parts[:CELL_PARTS]) + more if parts else None


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
