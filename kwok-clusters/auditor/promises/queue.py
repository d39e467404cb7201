"""No queue, and no queue above it, holds more than its limit. A limit lowered by others under it is a note."""

from collections.abc import Iterator

from auditor.facts import Bound, Fact, QueueChanged
from auditor.objects import Queue
from auditor.report import Finding, Severity
from auditor.requests import amount, spoken
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
        versions = self._world.queues[name]
        since = self._world.now - self._world.settings.reaction_seconds
        for resource, limit in _limits(versions.latest).items():
            used = self._used(name, resource)
            if pod.request.get(resource, 0) and used > limit:
                earlier = (_limits(queue) for queue in versions.since(since)[1:] if queue)
                raced = any(used <= limits.get(resource, used) for limits in earlier)
                severity: Severity = "violation" if seen and pod.bound_by_us and not raced else "note"
                yield self._finding(severity, name, resource, used, limit, f"{pod.subject} was bound")

    def _changed(self, name: str) -> Iterator[Finding]:
        versions = self._world.queues[name]
        before = _limits(versions.superseded[-1][1])
        for resource, limit in _limits(versions.latest).items():
            used = self._used(name, resource)
            if limit < used <= before.get(resource, used):
                yield self._finding("note", name, resource, used, limit, "the queue changed")
        resources = versions.latest.spec.resources if versions.latest else []
        if name not in self._flavored and any(r.flavor and r.limit is not None for r in resources):
            self._flavored.add(name)
            yield self._world.finding("note", PROMISE, f"queue {name}", "its limits of single flavors are not judged")

    def _finding(self, severity: Severity, name: str, resource: str, used: int, limit: int, by: str) -> Finding:
        message = f"{resource}: {spoken(resource, used)} bound, limit {spoken(resource, limit)}, after {by}"
        return self._world.finding(severity, PROMISE, f"queue {name}", message)

    def _chain(self, name: str) -> list[str]:
        """The queue and those above it that exist. A cycle of parents ends where it began."""
        chain: list[str] = []
        while name in self._world.queues and name not in chain:
            chain.append(name)
            queue = self._world.queues[name].latest
            name = queue.spec.parent if queue else ""
        return chain

    def _used(self, name: str, resource: str) -> int:
        """What is bound in the queue and all below it."""
        if name not in self._below:
            self._below[name] = [queue for queue in self._world.queues if name in self._chain(queue)]
        return sum(self._world.occupancy.of_queue(queue).get(resource, 0) for queue in self._below[name])


def _limits(queue: Queue | None) -> dict[str, int]:
    """Limits by resource, those of single flavors left out."""
    resources = queue.spec.resources if queue else []
    return {r.name: amount(r.name, r.limit) for r in resources if r.limit is not None and not r.flavor}
