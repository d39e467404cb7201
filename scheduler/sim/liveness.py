"""What must be true once a world has come to rest: nothing waits that could run, and whatever waits is told why."""

from __future__ import annotations

from collections import Counter

from scheduler.sim.ledger import Amounts, Ledger, ended, minimum, over, takes_pods
from scheduler.sim.objects import Object, Objects
from scheduler.sim.quotas import Quotas, is_firm
from scheduler.wire import names

WAITS_FOR_OTHERS = ("Invalid", "Incomplete", "QueueHeld", "Backoff")
"""Verdicts of work that no free room would help."""


def complaints(objects: Objects) -> list[str]:
    """Everything about a world at rest that should not be so, in words."""
    ledger = Ledger(objects)
    found = []
    for group in objects.all("podgroups"):
        found += _of_gang(group, objects, ledger)
    for pod in objects.all("pods"):
        if pod["spec"].get("schedulerName") == names.SCHEDULER and not _grouped(pod):
            found += _of_single(pod, objects, ledger)
    return found


def _of_gang(group: Object, objects: Objects, ledger: Ledger) -> list[str]:
    key = f"{group['metadata']['namespace']}/{group['metadata']['name']}"
    pods = ledger.pods_of(group)
    waiting = [pod for pod in pods if not pod["spec"].get("nodeName")]
    status = group.get("status") or {}
    if "deletionTimestamp" in group["metadata"]:
        return [f"{key} is deleted and kept by {group['metadata'].get('finalizers')}"]
    if not waiting:
        return []
    bound = sum(1 for pod in pods if pod["spec"].get("nodeName"))
    if status.get("assignment") and bound < minimum(group):
        return [f"{key} has a record, and {len(waiting)} of its pods are not bound"]
    if bound >= minimum(group):
        return []
    verdict = status.get("verdict") or {}
    if not verdict.get("cause"):
        return [f"{key} waits without a verdict"]
    if verdict["cause"] in WAITS_FOR_OTHERS or len(pods) < minimum(group):
        return []
    member = ledger.request(waiting[0])
    if _fits(group, member, minimum(group), objects, ledger):
        return [f"{key} fits and waits ({verdict['cause']}: {verdict.get('message', '')})"]
    return []


def _of_single(pod: Object, objects: Objects, ledger: Ledger) -> list[str]:
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if pod["spec"].get("nodeName") or ended(pod) or pod["spec"].get("schedulingGates"):
        return []
    said = [each for each in pod["status"].get("conditions", []) if each["type"] == "PodScheduled"]
    if not said or not said[0].get("reason"):
        return [f"pod {name} waits without a reason"]
    if said[0]["reason"] == "Unschedulable" and _fits(pod, ledger.request(pod), 1, objects, ledger):
        return [f"pod {name} fits and waits: {said[0].get('message', '')}"]
    return []


def _fits(owner: Object, request: Amounts, count: int, objects: Objects, ledger: Ledger) -> bool:
    """Whether so many equal pods fit on what is free, in one domain when one is required, within the limits of
    its queues, and within their guarantees where it is not preemptible."""
    quotas = Quotas(objects, ledger)
    for queue in quotas.line(ledger.queue_of(owner)):
        bounds = [(quotas.limits(queue), False)]
        bounds += [(quotas.guaranteed(queue), True)] if is_firm(owner) else []
        for bound, firm in bounds:
            use = quotas.use(queue, firm=firm) if bound else Counter()
            if any(use[resource] + request[resource] * count > bound[resource] for resource in bound):
                return False
    level = owner["spec"].get("topology", {}).get("required", "")
    room: dict[str | None, int] = {}
    for node in objects.all("nodes"):
        name = node["metadata"]["name"]
        if not takes_pods(node) or (level and ledger.domain(name, level) is None):
            continue
        domain = ledger.domain(name, level) if level else ""
        free = ledger.capacity(node) - ledger.used(name) - ledger.promised(name)
        room[domain] = room.get(domain, 0) + _copies(request, free)
    return max(room.values(), default=0) >= count


def _copies(request: Amounts, free: Amounts) -> int:
    assert request["pods"] == 1, "a pod takes one place, so the loop below ends"
    copies, total = 0, request.copy()
    while not over(total, free):
        copies += 1
        total = total + request
    return copies


def _grouped(pod: Object) -> bool:
    return bool(pod["metadata"].get("labels", {}).get(names.LABEL_POD_GROUP))
