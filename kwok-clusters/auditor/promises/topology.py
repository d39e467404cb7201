"""A gang (or a subgroup of it) with a required topology level runs within one domain of that level."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from auditor.facts import Bound, Fact
from auditor.objects import PodGroup, SubGroup, Topology, TopologyAsk
from auditor.report import Finding, Severity
from auditor.tracked import Gang, TrackedPod
from auditor.world import World

PROMISE = "topology"

# Label values from the coarsest level down to the required one; None where the node lacks the label.
Domain = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Scope:
    """The running pods of a gang that a required level binds; ``branches`` None: all of them."""

    gang: Gang
    branches: set[str] | None

    def pods(self) -> Iterator[TrackedPod]:
        """In the order in which they were bound."""
        for pod in self.gang.active.values():
            if self.branches is None or self.gang.branch_of(pod) in self.branches:
                yield pod


class RequiredTopology:
    """Domains of running pods, judged whenever one more pod is bound."""

    def __init__(self, world: World) -> None:
        self._world = world

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Bound(pod=pod, seen=seen) if pod.bound_by_us and pod.occupies and pod.gang:
                gang = self._world.book.gang(pod.gang)
                severity: Severity = "violation" if seen else "note"
                for scope, ask, branches in _asks(gang.group) if gang.group else ():
                    if branches is not None and gang.branch_of(pod) not in branches:
                        continue
                    if message := self._broken(_Scope(gang, branches), pod, ask):
                        message = f"{scope}{message} ({pod.name})"
                        yield self._world.finding(severity, PROMISE, gang.subject, message)

    def _broken(self, scope: _Scope, bound: TrackedPod, ask: TopologyAsk) -> str:
        topology = self._topology(ask)
        names = [level.name for level in topology.spec.levels] if topology else []
        if topology is None or ask.required not in names:
            return f"bound although topology {ask.name or '(none named)'} has no level {ask.required}"
        labels = [level.node_label for level in topology.spec.levels[: names.index(ask.required) + 1]]
        domain = self._domain(bound, labels)
        # Those bound before were judged when they were: the first of them stands for all.
        if None not in domain and self._domain(next(scope.pods(), bound), labels) == domain:
            return ""
        counts = Counter(self._domain(pod, labels) for pod in scope.pods())
        spread = ", ".join(f"{count} in {'/'.join(part or '?' for part in where)}" for where, count in counts.items())
        return f"must run in one {ask.required}, but has {spread}"

    def _domain(self, pod: TrackedPod, labels: list[str]) -> Domain:
        versions = self._world.nodes.get(pod.node)
        node = versions.latest if versions else None
        return tuple(node.metadata.labels.get(label) if node else None for label in labels)

    def _topology(self, ask: TopologyAsk) -> Topology | None:
        """The named topology; where none is named, the only one there is, or the one named default."""
        if not ask.name and len(self._world.topologies) == 1:
            return next(iter(self._world.topologies.values()))
        return self._world.topologies.get(ask.name or "default")


def _asks(group: PodGroup) -> Iterator[tuple[str, TopologyAsk, set[str] | None]]:
    """Each required level with the branches it binds (None: all of the gang). A subgroup's binds those below it."""
    top = group.spec.topology
    if top is not None and top.required:
        yield "", top, None
    for subgroup in group.spec.sub_groups:
        ask = subgroup.topology
        if ask is not None and ask.required:
            name = ask.name or (top.name if top else "")
            below = _below(subgroup.name, group.spec.sub_groups)
            yield f"subgroup {subgroup.name} ", TopologyAsk(name, ask.required), below


def _below(name: str, subgroups: list[SubGroup]) -> set[str]:
    """A subgroup and everything under it. Names already met are not entered again, so a cycle ends."""
    names = {name}
    while grown := {s.name for s in subgroups if s.parent in names} - names:
        names |= grown
    return names
