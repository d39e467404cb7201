"""Which place for which pod: consecutive ranks on neighbouring nodes, the leader's domain first.

Places of a member are interchangeable, so a record counts them; who stands where is settled when pods are bound. With
rank order the places of a record are put in the order of the topology, and the pod of rank r gets the r-th. Whole
slices of consecutive ranks stay together by that: every domain of a slice holds a multiple of its size. A pod whose
volumes were prepared for a place keeps that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scheduler.core.facts.store import Store
from scheduler.model.topology import Topology
from scheduler.model.work import Pod, PodGroup

INDEX_LABELS = (
    "batch.kubernetes.io/job-completion-index",
    "leaderworkerset.sigs.k8s.io/worker-index",
    "apps.kubernetes.io/pod-index",
)
"""Where controllers write the index of a pod; without any of them its name may end in one."""

Turn = tuple[Pod, str | None]
"""A pod, and the node that its rank belongs to (None: any place will do)."""


def turns(store: Store, group: PodGroup, member_of: Mapping[str, str], pods: Sequence[Pod]) -> list[Turn]:
    """The order in which pods get the places of their gang's record: by rank where that is asked for, else by name."""
    if not group.rank_label:
        return [(pod, None) for pod in sorted(pods, key=lambda pod: pod.name)]
    nodes: dict[str, list[str]] = {}
    for (member, spot, *_), count in store.book(group.key).wanted.items():
        nodes.setdefault(member, []).extend([spot] * count)
    leads = [own for member, own in nodes.items() if group.leader in (member, member.rsplit("-", 1)[0])]
    order = _Order(store, group, leads[0] if group.leader and leads else [])
    in_order = {member: order.of(own) for member, own in nodes.items()}
    found: list[tuple[bool, int, str, Turn]] = []
    for pod in pods:
        rank, own = rank_of(pod, group.rank_label), in_order.get(member_of.get(pod.uid, ""), [])
        node = own[rank] if rank is not None and rank < len(own) else None
        found.append((rank is None, rank or 0, pod.name, (pod, node)))
    return [turn for *_, turn in sorted(found, key=lambda each: each[:3])]


def rank_of(pod: Pod, label: str) -> int | None:
    """The rank of a pod: by the label that its PodGroup names, else by those of well-known controllers, else by the
    number at the end of its name."""
    labels = dict(pod.label_set.labels)
    for each in (label, *INDEX_LABELS):
        text = labels.get(each, "")
        if text.isascii() and text.isdigit():
            return int(text)
    tail = pod.name.rpartition("-")[2]
    return int(tail) if tail.isascii() and tail.isdigit() else None


class _Order:
    """The order of nodes: from domain to domain of the gang's topology, the leader's first, then by name."""

    def __init__(self, store: Store, group: PodGroup, leader_nodes: Sequence[str]) -> None:
        asks = (group.topology, *(sub.topology for sub in group.sub_groups))
        self._nodes = store.nodes
        self._topology = _topology(store.topologies, next((ask.topology for ask in asks if ask is not None), ""))
        self._first = self._path(leader_nodes[0]) if leader_nodes else None

    def of(self, nodes: Sequence[str]) -> list[str]:
        """Nodes, one entry per place."""
        keys = {node: self._key(node) for node in set(nodes)}
        return sorted(nodes, key=lambda node: keys[node])

    def _key(self, node: str) -> tuple[tuple[tuple[bool, str], ...], str]:
        path = self._path(node)
        first = path if self._first is None else self._first
        return tuple((each != lead, each) for each, lead in zip(path, first, strict=False)), node

    def _path(self, node: str) -> tuple[str, ...]:
        """The domain of a node at every level; empty text where it has none."""
        if self._topology is None or node not in self._nodes:
            return ()
        labels = self._nodes[node].labels
        return tuple(self._topology.domain_of(labels, depth) or "" for depth in range(len(self._topology.levels)))


def _topology(topologies: Mapping[str, Topology], name: str) -> Topology | None:
    if name:
        return topologies.get(name)
    return next(iter(topologies.values())) if len(topologies) == 1 else None
