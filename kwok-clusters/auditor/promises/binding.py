"""A pod is bound at most once, and to the node that the binding named."""

from collections import defaultdict
from collections.abc import Iterator

from auditor.events import Requested
from auditor.facts import Fact, Finished, Rebound
from auditor.report import Finding
from auditor.tracked import TrackedPod
from auditor.world import World

PROMISE = "double bind"


class Binding:
    """Successful bindings per pod: by the watch, and by the audit log."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bindings: dict[tuple[str, str, str], list[Requested]] = defaultdict(list)

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Rebound(pod=pod, before=before):
                yield self._world.finding(
                    "violation", PROMISE, pod.subject, f"moved from {before} to {pod.node or '-'}"
                )
            case Requested(verb="bind", namespace=namespace, name=name, uid=uid):
                self._bindings[namespace, name, uid].append(fact)
            case Finished():
                yield from self._join()

    def _join(self) -> Iterator[Finding]:
        by_name: dict[tuple[str, str], list[TrackedPod]] = defaultdict(list)
        for pod in self._world.pods.values():
            by_name[pod.namespace, pod.name].append(pod)
        for (namespace, name, uid), bindings in self._bindings.items():
            pods = [p for p in by_name[namespace, name] if not uid or p.uid == uid]
            if any(pod.ours for pod in pods) or not pods:
                yield from self._judge_bindings(f"pod {namespace}/{name}", bindings, pods, max(1, len(pods)))

    def _judge_bindings(
        self, subject: str, bindings: list[Requested], pods: list[TrackedPod], times_max: int
    ) -> Iterator[Finding]:
        """``times_max`` is how many pods of this name there were, where the log does not tell them apart by uid."""
        nodes = [binding.node for binding in bindings]
        if len(bindings) > times_max:
            users = ", ".join(sorted({binding.user for binding in bindings}))
            message = f"{len(bindings)} bindings succeeded (to {', '.join(nodes)}; by {users})"
            yield self._world.finding("violation", PROMISE, subject, message)
        for pod in pods:
            if pod.node and pod.bound_by_us and pod.node not in nodes:
                message = f"the binding named {', '.join(nodes)}, the pod shows {pod.node}"
                yield self._world.finding("violation", PROMISE, subject, message)
