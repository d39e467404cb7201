"""When a toleration covers a taint: one arithmetic for every filter that asks."""

from __future__ import annotations

import re

from scheduler.model.shape import Taint, Toleration

HARD_EFFECTS = ("NoSchedule", "NoExecute")
"""The effects that keep a pod off a node; PreferNoSchedule is advice."""


_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
"""No leading zeros and no plus sign, as k8s.io/apimachinery content.IsDecimalInteger has it."""


def tolerates(tolerations: tuple[Toleration, ...], taint: Taint) -> bool:
    """Kubernetes' rule: any toleration that matches effect, key and value."""
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
    if toleration.operator in ("Lt", "Gt"):
        return _compared(toleration, taint)
    return toleration.operator in ("", "Equal") and toleration.value == taint.value


def _compared(toleration: Toleration, taint: Taint) -> bool:
    """KEP-5471: the taint's value is below (Lt) or above (Gt) the toleration's; both must be plain 64-bit integers."""
    if not (_PLAIN_INTEGER.fullmatch(toleration.value) and _PLAIN_INTEGER.fullmatch(taint.value)):
        return False
    bound, value = int(toleration.value), int(taint.value)
    if not all(-(2**63) <= number < 2**63 for number in (bound, value)):
        return False
    return value < bound if toleration.operator == "Lt" else value > bound
