"""A pod is bound only to a node that may hold it, and only when its gates are gone.

Judged at the bind: what others do to the node afterwards is theirs, and what they did just before it is a note.
"""

from collections.abc import Iterator

from auditor.facts import Bound, Fact
from auditor.filters import refusals
from auditor.report import Finding
from auditor.tracked import TrackedPod
from auditor.world import World

PROMISE = "placement"


class Placement:
    """Gates, cordons, readiness, taints, node selectors and required node affinity."""

    def __init__(self, world: World) -> None:
        self._world = world

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Bound(pod=pod, seen=seen) if pod.bound_by_us and pod.occupies:
                if pod.pod.spec.scheduling_gates:
                    gates = ", ".join(gate.name for gate in pod.pod.spec.scheduling_gates)
                    yield self._world.finding("violation", PROMISE, pod.subject, f"bound while gated by {gates}")
                yield from self._node(pod, seen)

    def _node(self, pod: TrackedPod, seen: bool) -> Iterator[Finding]:
        versions = self._world.nodes.get(pod.node)
        since = self._world.now - self._world.settings.reaction_seconds
        answers = [
            refusals(pod.pod, node) if node else ["there is no such node"]
            for node in (versions.since(since) if versions else [None])
        ]
        if not answers[0]:
            return
        raced = any(not answer for answer in answers)
        for refusal in answers[0]:
            message = f"bound to {pod.node}: {refusal}{' (since a moment ago)' if raced else ''}"
            yield self._world.finding("violation" if seen and not raced else "note", PROMISE, pod.subject, message)
