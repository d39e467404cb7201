"""What pods ask of one another: host ports, affinity, anti-affinity and topology spread, as Kubernetes means them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from scheduler.model.selector import Labels, LabelSelector, selects

WILDCARD_IP = "0.0.0.0"


class LabelSet(msgspec.Struct, frozen=True):
    """All that the selectors of other pods see of a pod."""

    namespace: str
    labels: Labels = ()


class HostPort(msgspec.Struct, frozen=True, order=True):
    """A port of the node itself. The wildcard address means all of its addresses."""

    protocol: str
    port: int
    ip: str = WILDCARD_IP

    def conflicts(self, other: HostPort) -> bool:
        """Whether two pods with these ports cannot stand on one node."""
        same = (self.protocol, self.port) == (other.protocol, other.port)
        return same and (self.ip == other.ip or WILDCARD_IP in (self.ip, other.ip))


class PodTerm(msgspec.Struct, frozen=True):
    """Pods by namespace and labels. A namespace counts when it is listed, or selected by its own labels."""

    namespaces: tuple[str, ...]
    selector: LabelSelector
    namespace_selector: LabelSelector = None


class PodSelector(msgspec.Struct, frozen=True):
    """The pods that match every one of some terms; ``leaving`` says whether pods being deleted count as well.

    Required affinity is one selector over all its terms: kube-scheduler counts a pod only when it matches all of them.
    """

    terms: tuple[PodTerm, ...]
    leaving: bool = True

    def matches(self, labelled: LabelSet, namespaces: Mapping[str, Labels]) -> bool:
        """Whether a pod with these labels is selected; ``namespaces`` are the labels of namespaces."""
        if not self.terms:
            return False
        labels = dict(labelled.labels)
        return all(
            _in_namespace(term, labelled.namespace, namespaces) and selects(term.selector, labels)
            for term in self.terms
        )


def _in_namespace(term: PodTerm, namespace: str, namespaces: Mapping[str, Labels]) -> bool:
    if namespace in term.namespaces:
        return True
    if term.namespace_selector is None:
        return False
    return selects(term.namespace_selector, dict(namespaces.get(namespace, ())))


class AntiAffinity(msgspec.Struct, frozen=True):
    """No pod that matches in the same domain of ``topology_key``; a node without the key has no domain to share."""

    selector: PodSelector
    topology_key: str


class Affinity(msgspec.Struct, frozen=True):
    """All required affinity of a pod: pods that match ``selector`` in its domain of every one of ``topology_keys``."""

    selector: PodSelector
    topology_keys: tuple[str, ...]


class Spread(msgspec.Struct, frozen=True):
    """At most ``max_skew`` more matching pods in its domain than in the domain with the fewest.

    Nodes count that have all keys of the pod's constraints and that its node affinity (``honor_affinity``) and its
    tolerations (``honor_taints``) allow. With fewer than ``min_domains`` domains the fewest is taken as none. An empty
    label selector counts no pod (``counts`` is False), though the pod itself matches it.
    """

    selector: PodSelector
    topology_key: str
    max_skew: int
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False
    counts: bool = True


class PodPreference(msgspec.Struct, frozen=True):
    """Pods that match are wanted in its domain of ``topology_key``, or unwanted where ``weight`` is below zero; each of
    them counts. With ``needs_key`` nodes without the key come behind all others."""

    selector: PodSelector
    topology_key: str
    weight: int
    needs_key: bool = False


class Relations(msgspec.Struct, frozen=True):
    """What one pod asks of the pods around it.

    ``own_labels`` are the pod's labels that its own asks look at: pods that differ in them are not interchangeable.
    """

    own_labels: LabelSet
    ports: tuple[HostPort, ...] = ()
    affinity: Affinity | None = None
    anti_affinity: tuple[AntiAffinity, ...] = ()
    spread: tuple[Spread, ...] = ()
    preferences: tuple[PodPreference, ...] = ()
    """Preferred affinity and anti-affinity, and spread constraints with ScheduleAnyway."""

    @property
    def selectors(self) -> tuple[PodSelector, ...]:
        """Every selector that is asked with, without repetition."""
        return tuple(dict.fromkeys((*self.binding, *(each.selector for each in self.preferences))))

    @property
    def binding(self) -> tuple[PodSelector, ...]:
        """Those of required asks."""
        found = [*(each.selector for each in self.anti_affinity), *(each.selector for each in self.spread)]
        if self.affinity is not None:
            found.append(self.affinity.selector)
        return tuple(dict.fromkeys(found))
