"""The eviction subresource: a delete that PodDisruptionBudgets may refuse.

Source of the rules: `pkg/registry/core/pod/storage/eviction.go` of kube-apiserver.
"""

from __future__ import annotations

from scheduler.sim.kinds import KIND
from scheduler.sim.objects import Object, Objects
from scheduler.sim.pods import TERMINAL, condition, with_condition
from scheduler.sim.refusal import Refused

EVICTED_MESSAGE = "Eviction API: evicting"


def budget_spent(objects: Objects, pod: Object, user: str) -> None:
    """Take one disruption from the budget that covers the pod, if one does; `Refused` when that can not be."""
    if pod["status"].get("phase") in (*TERMINAL, "Pending") or "deletionTimestamp" in pod["metadata"]:
        return
    budgets = objects.all("poddisruptionbudgets", pod["metadata"]["namespace"])
    covering = [each for each in budgets if _covers(each, pod)]
    if len(covering) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise Refused(500, "", why)
    for budget in covering:
        _spend(objects, budget, user)


def _spend(objects: Objects, budget: Object, user: str) -> None:
    status = budget.get("status", {})
    allowed = status.get("disruptionsAllowed", 0)
    seen = status.get("observedGeneration", 0)
    if seen < budget["metadata"].get("generation", 1) or allowed <= 0:
        why = "Cannot evict pod as it would violate the pod's disruption budget."
        raise Refused(429, "TooManyRequests", why)
    objects.store(
        KIND["poddisruptionbudgets"], {**budget, "status": {**status, "disruptionsAllowed": allowed - 1}}, user
    )


def marked(pod: Object, seconds: float) -> Object:
    """The pod with the condition that says why it goes."""
    return with_condition(pod, condition("DisruptionTarget", "True", seconds, "EvictionByEvictionAPI", EVICTED_MESSAGE))


def _covers(budget: Object, pod: Object) -> bool:
    """Label equality only; an empty selector covers nothing here, since no user of the simulation needs it."""
    wanted = budget["spec"].get("selector", {}).get("matchLabels", {})
    labels = pod["metadata"].get("labels", {})
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
