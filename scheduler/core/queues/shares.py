"""Who is entitled to what: plain integer arithmetic on the queue tree, explainable by hand.

`shares(tree, use)` is the whole interface. Limits bind per queue and flavor (an ancestor's binds its whole subtree),
and a guarantee binds what is not preemptible. Who may borrow how much is `scheduler.core.queues.ledger`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from scheduler.model.cluster import UseKey
from scheduler.model.plan import Refusal
from scheduler.model.queue import Queue
from scheduler.model.resources import Matrix
from scheduler.model.selector import selects

UNLIMITED = -1


class QueueTree(msgspec.Struct, frozen=True):
    """The tree as it stands: queues by name, and the resource columns that all amounts refer to."""

    queues: Mapping[str, Queue]
    resources: tuple[str, ...]


class Line(msgspec.Struct, frozen=True):
    """A further bound: what a queue may still take on nodes of one flavor (empty: all), or of work that is not
    preemptible; columns and units as in `Share`."""

    flavor: str
    firm: bool
    room: tuple[int, ...]


class Share(msgspec.Struct, frozen=True):
    """What one queue may still take, per resource column in smallest units (-1: unlimited), and its parent's name.

    The parent is empty at the top and wherever it cannot be followed: it does not exist, or leads into a cycle. So
    whoever walks up the shares arrives. ``lines`` are the bounds of quotas that name a flavor, and the guarantees as
    bounds of what is not preemptible: where one is stated, such work never exceeds it.
    """

    parent: str
    room: tuple[int, ...]
    limit: tuple[int, ...]
    lines: tuple[Line, ...] = ()


def shares(tree: QueueTree, use: Mapping[UseKey, Matrix], leaves: Iterable[str] | None = None) -> dict[str, Share]:
    """The share of every queue (or of these leaves and everything above them), from its limit and its subtree's use.
    ``use`` is per leaf, columns as in the tree."""
    used: dict[UseKey, Matrix] = {}
    for (name, flavor, firm), amount in use.items():
        for ancestor in _line(tree.queues, name):
            for key in {(ancestor, each, only) for each in ("", flavor) for only in {False, firm}}:
                used[key] = used.get(key, 0) + amount[: len(tree.resources)]
    found = {}
    wanted = tree.queues if leaves is None else {each: 0 for name in leaves for each in _line(tree.queues, name)}
    for name in wanted:
        queue = tree.queues[name]
        limit = _bounds(tree, queue, "", "limit")
        flavors = sorted({quota.flavor for quota in queue.quotas if quota.flavor})
        lines = [
            Line(flavor, False, _left(_bounds(tree, queue, flavor, "limit"), used.get((name, flavor, False))))
            for flavor in flavors
        ]
        lines += [
            Line(flavor, True, _left(_bounds(tree, queue, flavor, "guaranteed"), used.get((name, flavor, True))))
            for flavor in ("", *flavors)
        ]
        cyclic = tree.queues[_line(tree.queues, name)[-1]].parent in tree.queues
        found[name] = Share(
            queue.parent if queue.parent in tree.queues and not cyclic else "",
            _left(limit, used.get((name, "", False))),
            limit,
            tuple(line for line in lines if any(room != UNLIMITED for room in line.room)),
        )
    return found


def _bounds(tree: QueueTree, queue: Queue, flavor: str, which: str) -> tuple[int, ...]:
    """The limits, or guarantees, that a queue states for a flavor."""
    bounds = [UNLIMITED] * len(tree.resources)
    for quota in queue.quotas:
        amount = quota.limit if which == "limit" else quota.guaranteed
        if amount is not None and quota.flavor == flavor and quota.resource in tree.resources:
            bounds[tree.resources.index(quota.resource)] = amount
    return tuple(bounds)


def _left(bounds: tuple[int, ...], used: Matrix | None) -> tuple[int, ...]:
    if used is None:
        return bounds
    return tuple(
        UNLIMITED if bound == UNLIMITED else max(0, bound - int(amount))
        for bound, amount in zip(bounds, used, strict=True)
    )


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


def parents_in(queues: Mapping[str, Queue]) -> frozenset[str]:
    """The names that some queue gives as its parent."""
    return frozenset(queue.parent for queue in queues.values())


def namespace_trouble(queue: Queue, namespace: str, labels: Mapping[str, str]) -> Refusal | None:
    """Why work of a namespace with these labels may not wait in a queue; None when it may."""
    if selects(queue.namespace_selector, labels):
        return None
    return Refusal("queue", "NamespaceNotSelected", where=f"{queue.name} {namespace}")


def admission_trouble(
    queues: Mapping[str, Queue], troubles: Mapping[str, Refusal], name: str, inner: Collection[str] | None = None
) -> Refusal | None:
    """Why work that names this queue is not admitted at all; None when it is. ``inner`` are the queues that have
    children, for those who ask about many."""
    if not name:
        return Refusal("queue", "NoQueue")
    queue = queues.get(name)
    if queue is None:
        return Refusal("queue", "UnknownQueue", where=name)
    if name in troubles:
        return troubles[name]
    if name in (parents_in(queues) if inner is None else inner):
        return Refusal("queue", "NotALeaf", where=name)
    for each in _line(queues, name):
        if queues[each].leaving:
            return Refusal("queue", "QueueLeaving", where=each)
        if queues[each].state != "Open":
            return Refusal("queue", f"Queue{queues[each].state}", where=each)
    return None
