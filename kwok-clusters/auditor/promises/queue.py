"""No queue, and no queue above it, holds more than its limit. A limit lowered by others under it is a note."""

from collections.abc import Iterator

from auditor.facts import Bound, Fact, QueueChanged
from auditor.objects import Queue
from auditor.report import Finding, Severity
from auditor.requests import Resources, add, amount, spoken
from auditor.tracked import TrackedPod
from auditor.world import World

PROMISE = "queue limit"


class QueueLimit:
    """What bound pods of a queue's subtree take, against the limits that name no flavor."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._below: dict[str, list[str]] = {}
        self._flavored: set[str] = set()

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Bound(pod=pod, seen=seen) if pod.ours and pod.occupies and pod.queue:
                for name in self._chain(pod.queue):
                    yield from self._bound(pod, name, seen)
            case QueueChanged(name=name):
                self._below.clear()
                yield from self._changed(name)

    def _bound(self, pod: TrackedPod, name: str, seen: bool) -> Iterator[Finding]:
        used = self._subtree(name)
        since = self._world.now - self._world.settings.reaction_seconds
        versions = [_limits(queue) for queue in self._world.queues[name].since(since) if queue]
        for resource, limit in versions[0].items():
            if pod.request.get(resource, 0) and used.get(resource, 0) > limit:
                raced = any(used[resource] <= limits.get(resource, used[resource]) for limits in versions[1:])
                severity: Severity = "violation" if seen and pod.bound_by_us and not raced else "note"
                yield self._finding(severity, name, resource, used, limit, f"{pod.subject} was bound")

    def _changed(self, name: str) -> Iterator[Finding]:
        versions = self._world.queues[name]
        if versions.latest is None:
            return
        previous = versions.superseded[-1][1]
        before = _limits(previous) if previous else {}
        used = self._subtree(name)
        for resource, limit in _limits(versions.latest).items():
            if used.get(resource, 0) > limit and used.get(resource, 0) <= before.get(resource, used[resource]):
                yield self._finding("note", name, resource, used, limit, "the queue changed")
        resources = versions.latest.spec.resources
        if name not in self._flavored and any(r.flavor and r.limit is not None for r in resources):
            self._flavored.add(name)
            yield self._world.finding("note", PROMISE, f"queue {name}", "its limits of single flavors are not judged")

    def _finding(self, severity: Severity, name: str, resource: str, used: Resources, limit: int, by: str) -> Finding:
        message = f"{resource}: {spoken(resource, used[resource])} bound, limit {spoken(resource, limit)}, after {by}"
        return self._world.finding(severity, PROMISE, f"queue {name}", message)

    def _chain(self, name: str) -> list[str]:
        """The queue and those above it that exist. A cycle of parents ends where it began."""
        chain: list[str] = []
        while name in self._world.queues and name not in chain:
            chain.append(name)
            queue = self._world.queues[name].latest
            name = queue.spec.parent if queue else ""
        return chain

    def _subtree(self, name: str) -> Resources:
        """What is bound in the queue and all below it."""
        if name not in self._below:
            self._below[name] = [queue for queue in self._world.queues if name in self._chain(queue)]
        total: Resources = {}
        for queue in self._below[name]:
            add(total, self._world.occupancy.of_queue(queue), 1)
        return total


def _limits(queue: Queue) -> dict[str, int]:
    return {r.name: amount(r.name, r.limit) for r in queue.spec.resources if r.limit is not None and not r.flavor}
