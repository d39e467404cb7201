"""A pod is bound at most once, and to the node that the binding named."""

from collections import defaultdict
from collections.abc import Iterator

from auditor.events import Requested
from auditor.facts import Fact, Finished, Rebound
from auditor.report import Finding
from auditor.world import World

PROMISE = "double bind"


class Binding:
    """Successful bindings per pod: by the watch, and by the audit log."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked: list[Requested] = []

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Rebound(pod=pod, before=before):
                yield self._world.finding(
                    "violation", PROMISE, pod.subject, f"moved from {before} to {pod.node or '-'}"
                )
            case Requested(verb="bind"):
                self._asked.append(fact)
            case Finished():
                yield from self._join()

    def _join(self) -> Iterator[Finding]:
        """Judge the log's bindings pod by pod. One of an unknown uid still counts: two of it are one too many."""
        bindings: dict[str, list[Requested]] = defaultdict(list)
        for asked in self._asked:
            pod = self._world.pod_of(asked)
            uid = pod.uid if pod else asked.uid
            if uid and (pod is None or pod.ours):
                bindings[uid].append(asked)
        for uid, successful in bindings.items():
            yield from self._judge_pod(uid, successful)

    def _judge_pod(self, uid: str, bindings: list[Requested]) -> Iterator[Finding]:
        subject = f"pod {bindings[0].namespace}/{bindings[0].name}"
        nodes = [binding.node for binding in bindings]
        at = bindings[-1].at
        if len(bindings) > 1:
            users = ", ".join(sorted({binding.user for binding in bindings}))
            message = f"{len(bindings)} bindings succeeded (to {', '.join(nodes)}; by {users})"
            yield self._world.finding("violation", PROMISE, subject, message, at)
        pod = self._world.pods.get(uid)
        if pod is not None and pod.node and pod.node not in nodes:
            message = f"the binding named {', '.join(nodes)}, the pod shows {pod.node}"
            yield self._world.finding("violation", PROMISE, subject, message, at)
