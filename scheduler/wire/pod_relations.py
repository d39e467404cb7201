"""What a pod asks of the pods around it, read from its specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scheduler.model.relations import (
    WILDCARD_IP,
    Affinity,
    AntiAffinity,
    HostPort,
    LabelSet,
    PodPreference,
    PodSelector,
    PodTerm,
    Relations,
    Spread,
)
from scheduler.model.selector import LabelSelector, Requirement
from scheduler.wire import raw
from scheduler.wire.selectors import canonical, label_selector

SOFT_SPREAD_WEIGHT = 100
"""What one more matching pod in its domain counts for a constraint with ScheduleAnyway, beside the weights of 1 to 100
of preferred affinity."""


def asks_of_others(spec: raw.PodSpec) -> bool:
    """Whether a pod's own labels bear on what it asks for; cheap, since it is asked of every pod."""
    affinity = spec.affinity
    return bool(
        spec.topologySpreadConstraints
        or (affinity is not None and (affinity.podAffinity is not None or affinity.podAntiAffinity is not None))
    )


def pod_relations(spec: raw.PodSpec, label_set: LabelSet) -> Relations | None:
    """The required asks of a pod with these labels; None where it asks nothing of other pods."""
    ports = host_ports(spec)
    if not asks_of_others(spec):
        return Relations(LabelSet(""), ports) if ports else None
    labels = dict(label_set.labels)
    affinity = spec.affinity or raw.Affinity()
    together = _terms(affinity.podAffinity, label_set.namespace, labels)
    apart = _terms(affinity.podAntiAffinity, label_set.namespace, labels)
    spread = tuple(
        _spread(each, label_set.namespace, labels)
        for each in spec.topologySpreadConstraints or ()
        if each.whenUnsatisfiable == "DoNotSchedule"
    )
    preferences = (
        *_preferences(affinity.podAffinity, label_set.namespace, labels, sign=1),
        *_preferences(affinity.podAntiAffinity, label_set.namespace, labels, sign=-1),
        *_soft_spread(spec, label_set.namespace, labels),
    )
    selectors = [term for term, _ in (*together, *apart)]
    selectors += [each.selector.terms[0] for each in spread]
    selectors += [each.selector.terms[0] for each in preferences]
    if not selectors:
        return Relations(LabelSet(""), ports) if ports else None
    return Relations(
        own_labels=_looked_at(label_set, selectors),
        ports=ports,
        affinity=_affinity(together),
        anti_affinity=tuple(dict.fromkeys(AntiAffinity(PodSelector((term,)), key) for term, key in apart)),
        spread=spread,
        preferences=preferences,
    )


def host_ports(spec: raw.PodSpec) -> tuple[HostPort, ...]:
    """Ports of containers and sidecars; those of other init containers are not looked at by kube-scheduler."""
    sidecars = (each for each in spec.initContainers or () if each.restartPolicy == "Always")
    found = {
        HostPort(port.protocol or "TCP", port.hostPort, port.hostIP or WILDCARD_IP)
        for container in (*(spec.containers or ()), *sidecars)
        for port in container.ports or ()
        if port.hostPort > 0
    }
    return tuple(sorted(found))


def _affinity(terms: Sequence[tuple[PodTerm, str]]) -> Affinity | None:
    if not terms:
        return None
    selector = PodSelector(tuple(dict.fromkeys(term for term, _ in terms)))
    return Affinity(selector, tuple(dict.fromkeys(key for _, key in terms)))


def _terms(
    affinity: raw.PodAffinity | None, namespace: str, labels: Mapping[str, str]
) -> tuple[tuple[PodTerm, str], ...]:
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    return tuple((_term(each, namespace, labels), each.topologyKey) for each in required or ())


def _term(term: raw.PodAffinityTerm, namespace: str, labels: Mapping[str, str]) -> PodTerm:
    """Without namespaces and without a selector of namespaces a term means the pod's own namespace."""
    selector = _merged(label_selector(term.labelSelector), term.matchLabelKeys, labels, "In")
    own = not term.namespaces and term.namespaceSelector is None
    return PodTerm(
        namespaces=(namespace,) if own else tuple(sorted(set(term.namespaces or ()))),
        selector=_merged(selector, term.mismatchLabelKeys, labels, "NotIn"),
        namespace_selector=label_selector(term.namespaceSelector),
    )


def _preferences(
    affinity: raw.PodAffinity | None, namespace: str, labels: Mapping[str, str], sign: int
) -> tuple[PodPreference, ...]:
    preferred = affinity.preferredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    return tuple(
        PodPreference(
            PodSelector((_term(each.podAffinityTerm, namespace, labels),)),
            each.podAffinityTerm.topologyKey,
            sign * each.weight,
        )
        for each in preferred or ()
    )


def _soft_spread(spec: raw.PodSpec, namespace: str, labels: Mapping[str, str]) -> tuple[PodPreference, ...]:
    soft = [
        _spread(each, namespace, labels)
        for each in spec.topologySpreadConstraints or ()
        if each.whenUnsatisfiable == "ScheduleAnyway"
    ]
    return tuple(
        PodPreference(each.selector, each.topology_key, -SOFT_SPREAD_WEIGHT, needs_key=True)
        for each in soft
        if each.counts
    )


def _spread(constraint: raw.Spread, namespace: str, labels: Mapping[str, str]) -> Spread:
    """A constraint looks at the pod's own namespace and leaves pods out that are being deleted."""
    selector = _merged(label_selector(constraint.labelSelector), constraint.matchLabelKeys, labels, "In")
    return Spread(
        selector=PodSelector((PodTerm((namespace,), selector),), leaving=False),
        topology_key=constraint.topologyKey,
        max_skew=constraint.maxSkew,
        min_domains=1 if constraint.minDomains is None else constraint.minDomains,
        honor_affinity=constraint.nodeAffinityPolicy != "Ignore",
        honor_taints=constraint.nodeTaintsPolicy == "Honor",
        counts=selector != (),
    )


def _merged(
    selector: LabelSelector, keys: Sequence[str] | None, labels: Mapping[str, str], operator: str
) -> LabelSelector:
    """``matchLabelKeys`` and ``mismatchLabelKeys`` stand for the pod's own values of these labels. The API server
    writes them into the selector when a pod is created; done again here, that changes nothing."""
    own = [Requirement(key, operator, (labels[key],)) for key in keys or () if key in labels]
    return canonical((*selector, *own)) if selector is not None and own else selector


def _looked_at(label_set: LabelSet, terms: Sequence[PodTerm]) -> LabelSet:
    keys = {each.key for term in terms for each in term.selector or ()}
    return LabelSet(label_set.namespace, tuple(pair for pair in label_set.labels if pair[0] in keys))
