"""Label selectors: what Kubernetes matches against the labels of nodes, pods and namespaces."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Labels = tuple[tuple[str, str], ...]
"""Labels sorted by key."""


class Requirement(msgspec.Struct, frozen=True):
    """One expression: In, NotIn, Exists, DoesNotExist; on nodes also Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


LabelSelector = tuple[Requirement, ...] | None
"""All expressions hold. None selects nothing, an empty selector everything (`metav1.LabelSelector`)."""


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a selector matches labels. An object without the key is "not in" and "does not exist"."""
    return selector is not None and all(_holds(each, labels.get(each.key)) for each in selector)


def _holds(requirement: Requirement, value: str | None) -> bool:
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False
