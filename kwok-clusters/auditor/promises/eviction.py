"""Nothing is evicted by the scheduler unless a commit record in force names it as a victim or moves its gang.

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
            case Leaving(pod=pod) if pod.marked_evicted and not pod.named_by:
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
            elif pod is not None and not pod.named_by and pod.uid not in self._reported:
                yield self._unnamed(pod, f"{asked.user} asked for it to go ({asked.verb})")

    def _unnamed(self, pod: TrackedPod, evidence: str) -> Finding:
        self._reported.add(pod.uid)
        message = f"{evidence}, but no commit record then in force names it as a victim or moves its gang"
        return self._world.finding("violation", PROMISE, pod.subject, message, at=pod.left_at)
