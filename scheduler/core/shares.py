"""Who is entitled to what: plain integer arithmetic on the queue tree, explainable by hand.

`shares(tree, use)` is the whole interface. Today's only case is a limit per queue (an ancestor's limit binds its whole
subtree), with priority and then age as the order of service; guarantees, borrowing and fair share come into the same
function.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from scheduler.model.plan import Refusal
from scheduler.model.queue import Queue
from scheduler.model.resources import Matrix

UNLIMITED = -1


class QueueTree(msgspec.Struct, frozen=True):
    """The tree as it stands: queues by name, and the resource columns that all amounts refer to."""

    queues: Mapping[str, Queue]
    resources: tuple[str, ...]


class Share(msgspec.Struct, frozen=True):
    """What one queue may still take, per resource column in smallest units (-1: unlimited), and its parent's name.

    The parent is empty at the top and wherever it cannot be followed: it does not exist, or leads into a cycle. So
    whoever walks up the shares arrives.
    """

    parent: str
    room: tuple[int, ...]
    limit: tuple[int, ...]


def shares(tree: QueueTree, use: Mapping[str, Matrix]) -> dict[str, Share]:
    """The share of every queue, from its limit and its subtree's use. ``use`` is per leaf, columns as in the tree."""
    totals = {name: np.zeros(len(tree.resources), dtype=np.int64) for name in tree.queues}
    for name, amount in use.items():
        for ancestor in _line(tree.queues, name):
            totals[ancestor] = totals[ancestor] + amount[: len(tree.resources)]
    found = {}
    for name, queue in tree.queues.items():
        limit = [UNLIMITED] * len(tree.resources)
        for quota in queue.quotas:
            if quota.limit is not None and not quota.flavor and quota.resource in tree.resources:
                limit[tree.resources.index(quota.resource)] = quota.limit
        room = tuple(
            UNLIMITED if bound == UNLIMITED else max(0, bound - int(used))
            for bound, used in zip(limit, totals[name], strict=True)
        )
        cyclic = tree.queues[_line(tree.queues, name)[-1]].parent in tree.queues
        parent = queue.parent if queue.parent in tree.queues and not cyclic else ""
        found[name] = Share(parent, room, tuple(limit))
    return found


def _line(queues: Mapping[str, Queue], name: str) -> list[str]:
    """A queue and its ancestors, as far as they exist; a cycle ends the line."""
    line: list[str] = []
    while name in queues and name not in line:
        line.append(name)
        name = queues[name].parent
    return line


def tree_troubles(queues: Mapping[str, Queue]) -> dict[str, Refusal]:
    """What is wrong with a queue that the API server could not see: an unknown parent, a cycle, a limit below a
    guarantee. Work of such a queue (or below it) is not decided on; the rest of the tree goes on."""
    found: dict[str, Refusal] = {}
    for name, queue in queues.items():
        line = [name]
        at = queue
        while at.parent:
            if at.parent not in queues:
                found[name] = Refusal("queue", "UnknownParent", where=f"{at.name} names the parent {at.parent}")
                break
            if at.parent in line:
                cycle = [*line[line.index(at.parent) :], at.parent]
                found[name] = Refusal("queue", "ParentCycle", where=" -> ".join(cycle))
                break
            line.append(at.parent)
            at = queues[at.parent]
        for quota in queue.quotas:
            if quota.limit is not None and (quota.guaranteed or 0) > quota.limit:
                found.setdefault(
                    name,
                    Refusal("queue", "LimitBelowGuarantee", quota.guaranteed or 0, quota.limit, quota.resource, name),
                )
    return found


def admission_trouble(queues: Mapping[str, Queue], troubles: Mapping[str, Refusal], name: str) -> Refusal | None:
    """Why work that names this queue is not admitted at all; None when it is."""
    if not name:
        return Refusal("queue", "NoQueue")
    queue = queues.get(name)
    if queue is None:
        return Refusal("queue", "UnknownQueue", where=name)
    if name in troubles:
        return troubles[name]
    if any(each.parent == name for each in queues.values()):
        return Refusal("queue", "NotALeaf", where=name)
    for each in _line(queues, name):
        if queues[each].state != "Open":
            return Refusal("queue", f"Queue{queues[each].state}", where=each)
    return None
