"""When a toleration covers a taint: one arithmetic for every filter that asks."""

from __future__ import annotations

from scheduler.model.shape import Taint, Toleration

HARD_EFFECTS = ("NoSchedule", "NoExecute")
"""The effects that keep a pod off a node; PreferNoSchedule is advice."""


def tolerates(tolerations: tuple[Toleration, ...], taint: Taint) -> bool:
    """Kubernetes' rule: any toleration that matches effect, key and value. Numeric operators are not modelled: no
    match."""
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    if not toleration.key:
        return False  # an empty key means every taint, and only together with Exists
    return toleration.operator in ("", "Equal") and toleration.value == taint.value
