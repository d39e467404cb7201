"""Nothing is evicted by the scheduler unless a commit record in force names it as a victim or moves its gang.

Evictions that need no record say so: the rest of a stale gang, what a draining queue runs, what a queue runs above a
lowered limit. What is not preemptible is evicted as the rest of a stale gang only.

Evidence that the scheduler did it is the audit log (its users' evictions and deletes) or, without a log, its own
condition on the pod.
"""

from collections.abc import Iterator

from auditor.events import Requested
from auditor.facts import Fact, Finished, Leaving
from auditor.objects import EVICTED_CONDITION
from auditor.report import Finding
from auditor.tracked import TrackedPod
from auditor.world import World

PROMISE = "eviction"


class Eviction:
    """Pods made to leave, against the records that needed it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked: list[Requested] = []
        self._reported: set[str] = set()

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Leaving(pod=pod) if pod.marked_evicted:
                if not self._may_be_evicted(pod):
                    message = f"is not preemptible and was evicted ({pod.evicted_reason})"
                    yield self._world.finding("violation", PROMISE, pod.subject, message, at=pod.left_at)
                if not pod.named_by and not self._excepted(pod):
                    yield self._unnamed(pod, f"left with the condition {EVICTED_CONDITION}")
            case Requested(verb="evict" | "delete", user=user) if user in self._world.settings.scheduler_users:
                self._asked.append(fact)
            case Finished():
                yield from self._join()

    def _join(self) -> Iterator[Finding]:
        for asked in self._asked:
            pod = self._world.pod_of(asked) if asked.name else None
            if not asked.name:
                message = f"{asked.user} deleted a collection of pods, which no record can name"
                yield self._world.finding("violation", PROMISE, f"pods of {asked.namespace}", message, asked.at)
            elif pod is not None and not pod.leaving:
                message = f"{asked.user} asked for it to go ({asked.verb}), but it was not seen to leave"
                yield self._world.finding("note", PROMISE, pod.subject, message, asked.at)
            elif pod is not None and not (pod.named_by or self._excepted(pod) or pod.uid in self._reported):
                yield self._unnamed(pod, f"{asked.user} asked for it to go ({asked.verb})")

    def _excepted(self, pod: TrackedPod) -> bool:
        if pod.evicted_reason == "Drained":
            return self._drains(pod.queue)
        return pod.evicted_reason in ("StaleGang", "OverLimit")

    def _drains(self, name: str) -> bool:
        """Whether a queue or one above it drains, or did so of late."""
        seen: set[str] = set()
        while name in self._world.queues and name not in seen:
            seen.add(name)
            versions = self._world.queues[name]
            recent = [queue for queue in versions.since(0.0) if queue is not None]
            if any(queue.spec.state == "Drain" for queue in recent):
                return True
            name = recent[0].spec.parent if recent else ""
        return False

    def _may_be_evicted(self, pod: TrackedPod) -> bool:
        gang = self._world.book.gangs.get(pod.gang or "")
        if gang is None or gang.group is None:
            return pod.stated_preemptible or pod.evicted_reason == "StaleGang"
        return gang.group.spec.preemptible or pod.evicted_reason == "StaleGang"

    def _unnamed(self, pod: TrackedPod, evidence: str) -> Finding:
        self._reported.add(pod.uid)
        message = f"{evidence}, but no commit record then in force names it as a victim or moves its gang"
        return self._world.finding("violation", PROMISE, pod.subject, message, at=pod.left_at)
