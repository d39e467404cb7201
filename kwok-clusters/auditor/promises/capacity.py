"""No node is over-committed at any instant: by what pods take of it (leaving ones included), and by what is committed.

The observed count is judged at every bind, the committed count at every commit record and at every bind outside one.
A bind or record of the scheduler breaks the promise when the node is over afterwards in a resource that it takes, no
matter who filled the node before; a node that shrinks, a foreign pod or a resize that overfills it is a note.
"""

from collections.abc import Iterator

from auditor.facts import Bound, Fact, Grew, NodeChanged, RecordWritten, Started
from auditor.objects import Node
from auditor.report import Finding, Severity
from auditor.requests import Resources, amounts, spoken
from auditor.tracked import TrackedPod
from auditor.world import World

PROMISE = "over-commit"


class Capacity:
    """Room of nodes, in every resource and in pods."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._over_by_others: dict[str, frozenset[str]] = {}

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Started():
                for node in self._world.nodes:
                    yield from self._found(node)
            case Bound(pod=pod, seen=seen) if pod.occupies:
                yield from self._bound(pod, seen)
            case Grew(pod=pod) if pod.occupies:
                yield from self._overfilled(pod.node, f"{pod.subject} was resized")
            case NodeChanged(name=name):
                yield from self._overfilled(name, "the node changed")
            case RecordWritten(gang=gang, records=records):
                for node in dict.fromkeys(node for record in records for node in record.nodes()):
                    yield from self._committed(node, f"the record of podgroup {gang}")

    def _found(self, node: str) -> Iterator[Finding]:
        ours = any(pod.ours for pod in self._world.occupancy.pods_on(node))
        for resource in self._over(node, self._world.occupancy.of_node(node)):
            yield self._finding("violation" if ours else "note", node, resource, "found at the start")

    def _bound(self, pod: TrackedPod, seen: bool) -> Iterator[Finding]:
        if not pod.ours or (seen and not pod.bound_by_us):
            yield from self._overfilled(pod.node, f"{pod.subject}, which the scheduler did not bind, was put there")
            return
        over = self._over(pod.node, self._world.occupancy.of_node(pod.node))
        for resource in over:
            if pod.request.get(resource, 0):
                raced = self._raced(pod.node, resource, self._world.occupancy.of_node(pod.node))
                yield self._finding("note" if raced else "violation", pod.node, resource, f"{pod.subject} was bound")
        if pod.place is None and not over:
            yield from self._committed(pod.node, f"the bind of {pod.subject}")

    def _overfilled(self, node: str, by: str) -> Iterator[Finding]:
        """Others' doing: noted once for each resource until the node is within its bounds again."""
        over = frozenset(self._over(node, self._world.occupancy.of_node(node)))
        for resource in sorted(over - self._over_by_others.get(node, frozenset())):
            yield self._finding("note", node, resource, by)
        self._over_by_others[node] = over

    def _committed(self, node: str, by: str) -> Iterator[Finding]:
        committed = self._world.book.committed(node, self._world.occupancy)
        for resource in self._over(node, committed):
            severity: Severity = "note" if self._raced(node, resource, committed) else "violation"
            have = self._allocatable(node).get(resource, 0)
            yield self._world.finding(
                severity,
                PROMISE,
                f"node {node}",
                f"{resource}: {spoken(resource, committed[resource])} committed (bound and recorded) of "
                f"{spoken(resource, have)} allocatable, after {by}",
            )

    def _over(self, node: str, taken: Resources) -> list[str]:
        have = self._allocatable(node)
        return sorted(resource for resource, value in taken.items() if value > have.get(resource, 0))

    def _allocatable(self, node: str) -> Resources:
        versions = self._world.nodes.get(node)
        return amounts(versions.latest.status.allocatable) if versions and versions.latest else {}

    def _raced(self, node: str, resource: str, taken: Resources) -> bool:
        """Whether it would have fitted the node as it stood just before others changed it."""
        since = self._world.now - self._world.settings.reaction_seconds
        versions = self._world.nodes[node].since(since) if node in self._world.nodes else []
        most = max((_has(version, resource) for version in versions), default=0)
        foreign = sum(
            pod.request.get(resource, 0)
            for pod in self._world.occupancy.pods_on(node)
            if not pod.bound_by_us and pod.bound_at >= since
        )
        return taken[resource] - foreign <= most

    def _finding(self, severity: Severity, node: str, resource: str, by: str) -> Finding:
        taken = self._world.occupancy.of_node(node)[resource]
        have = self._allocatable(node).get(resource, 0)
        leaving = sum(1 for pod in self._world.occupancy.pods_on(node) if pod.leaving)
        return self._world.finding(
            severity,
            PROMISE,
            f"node {node}",
            f"{resource}: {spoken(resource, taken)} taken of {spoken(resource, have)} allocatable"
            f"{f' ({leaving} pods still leaving)' if leaving else ''}, after {by}",
        )


def _has(node: Node | None, resource: str) -> int:
    return amounts(node.status.allocatable).get(resource, 0) if node else 0
