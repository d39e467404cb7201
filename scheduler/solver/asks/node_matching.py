"""Which nodes a node selector and required node affinity allow, as Kubernetes means them."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.selector import Requirement
from scheduler.model.shape import NodeTerm, Shape

NAME_FIELD = "metadata.name"


def affine(shape: Shape, nodes: NodeTable) -> Mask:
    """[nodes] accepted: all labels of the selector, and at least one term of the affinity where there is any.

    In a term all expressions and all fields hold. An empty term matches nothing, and so does an affinity without terms.
    """
    accepted = np.ones(len(nodes), dtype=np.bool_)
    for key, value in shape.node_selector:
        accepted &= _label_in(nodes, key, (value,))
    if shape.node_affinity is not None:
        any_term = np.zeros(len(nodes), dtype=np.bool_)
        for term in shape.node_affinity:
            any_term |= matches(nodes, term)
        accepted &= any_term
    return accepted


def matches(nodes: NodeTable, term: NodeTerm) -> Mask:
    """[nodes] that one term of a node affinity matches."""
    accepted = np.full(len(nodes), bool(term.expressions or term.fields), dtype=np.bool_)
    for expression in term.expressions:
        accepted &= _expression(nodes, expression)
    for field in term.fields:
        accepted &= _field(nodes, field)
    return accepted


def _expression(nodes: NodeTable, requirement: Requirement) -> Mask:
    key, operator, values = requirement.key, requirement.operator, requirement.values
    if operator == "In":
        return _label_in(nodes, key, values)
    if operator == "NotIn":  # a node without the label is "not in"
        return np.asarray(~_label_in(nodes, key, values))
    codes, _ = nodes.label_column(key)
    if operator == "Exists":
        return np.asarray(codes >= 0)
    if operator == "DoesNotExist":
        return np.asarray(codes < 0)
    if operator in ("Gt", "Lt"):
        return _label_compared(nodes, requirement)
    return np.zeros(len(nodes), dtype=np.bool_)


def _label_in(nodes: NodeTable, key: str, values: tuple[str, ...]) -> Mask:
    codes, known = nodes.label_column(key)
    return _by_code(codes, [value in values for value in known])


def _label_compared(nodes: NodeTable, requirement: Requirement) -> Mask:
    """Gt and Lt compare 64-bit integers; a label or a bound that is none never matches."""
    codes, known = nodes.label_column(requirement.key)
    bound = _integer(requirement.values[0]) if len(requirement.values) == 1 else None
    numbers = [_integer(value) for value in known]
    if bound is None:
        return np.zeros(len(nodes), dtype=np.bool_)
    if requirement.operator == "Gt":
        return _by_code(codes, [number is not None and number > bound for number in numbers])
    return _by_code(codes, [number is not None and number < bound for number in numbers])


def _field(nodes: NodeTable, requirement: Requirement) -> Mask:
    if requirement.key != NAME_FIELD or requirement.operator not in ("In", "NotIn"):
        return np.zeros(len(nodes), dtype=np.bool_)
    named = np.zeros(len(nodes), dtype=np.bool_)
    named[[nodes.rows[name] for name in requirement.values if name in nodes.rows]] = True
    return named if requirement.operator == "In" else np.asarray(~named)


def _by_code(codes: np.ndarray[tuple[int], np.dtype[np.int32]], accepted: list[bool]) -> Mask:
    """Looks each row's code up; the last entry answers for code -1, the absent label."""
    return np.array([*accepted, False], dtype=np.bool_)[codes]


def _integer(text: str) -> int | None:
    """What Go's ParseInt makes of it, None for an error: a sign, decimal digits, at most 64 bits."""
    body = text[1:] if text[:1] in ("-", "+") else text
    if not (body.isascii() and body.isdigit()):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None
