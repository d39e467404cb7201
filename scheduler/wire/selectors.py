"""Label selectors as they are written, to values."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.selector import LabelSelector, Requirement
from scheduler.wire import raw


def label_selector(found: raw.LabelSelector | None) -> LabelSelector:
    """The requirements of a label selector in one order, so that equal ones are recognised."""
    if found is None:
        return None
    expressions = [Requirement(key, "In", (value,)) for key, value in (found.matchLabels or {}).items()]
    expressions += [
        Requirement(each.key, each.operator, tuple(sorted(set(each.values or ()))))
        for each in found.matchExpressions or ()
    ]
    return canonical(expressions)


def canonical(expressions: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Requirements in one order, each once."""
    return tuple(sorted(set(expressions), key=lambda each: (each.key, each.operator, each.values)))
