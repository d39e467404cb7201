"""Whether a node may hold a pod, apart from room: the hard filters of kube-scheduler, read again from its rules.

Each answer is a list of sentences, one per rule that refuses; empty when the node may hold the pod.
"""

from auditor.objects import Expression, Node, Pod, SelectorTerm, Taint, Toleration

NOT_READY = Taint("node.kubernetes.io/not-ready", "NoSchedule")
UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "NoSchedule")


def refusals(pod: Pod, node: Node) -> list[str]:
    """Why this node must not get this pod: cordon, readiness, taints, node selector, required node affinity."""
    return [*_cordon(pod, node), *_readiness(pod, node), *_taints(pod, node), *_selector(pod, node)]


def tolerates(tolerations: list[Toleration], taint: Taint) -> bool:
    """Whether any toleration matches: empty effect matches every effect, empty key with Exists every key."""
    return any(
        t.effect in ("", taint.effect)
        and (t.key == taint.key or (not t.key and t.operator == "Exists"))
        and (t.operator == "Exists" or (t.operator in ("", "Equal") and t.value == taint.value))
        for t in tolerations
    )


def is_ready(node: Node) -> bool:
    """The Ready condition, unless there is none: a node that nobody reports on is not held to be lost."""
    return all(c.status == "True" for c in node.status.conditions if c.type == "Ready")


def _cordon(pod: Pod, node: Node) -> list[str]:
    if node.spec.unschedulable and not tolerates(pod.spec.tolerations, UNSCHEDULABLE):
        return ["the node is unschedulable"]
    return []


def _readiness(pod: Pod, node: Node) -> list[str]:
    # kube-scheduler knows readiness only as the taint that the node lifecycle controller writes. Where that does not
    # run, a node that is not ready counts as carrying it.
    if not is_ready(node) and not tolerates(pod.spec.tolerations, NOT_READY):
        return ["the node is not ready"]
    return []


def _taints(pod: Pod, node: Node) -> list[str]:
    return [
        f"taint {taint.key}={taint.value}:{taint.effect} is not tolerated"
        for taint in node.spec.taints
        if taint.effect in ("NoSchedule", "NoExecute") and not tolerates(pod.spec.tolerations, taint)
    ]


def _selector(pod: Pod, node: Node) -> list[str]:
    labels = node.metadata.labels
    broken = [
        f"nodeSelector wants {key}={value}, the node has {labels.get(key, 'no such label')}"
        for key, value in pod.spec.node_selector.items()
        if labels.get(key) != value
    ]
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    if affinity and affinity.required is not None:
        terms = affinity.required.node_selector_terms
        if not any(_term_matches(term, node) for term in terms):
            broken.append("no term of the required node affinity matches the node")
    return broken


def _term_matches(term: SelectorTerm, node: Node) -> bool:
    """All expressions of a term hold; an empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_holds(e, node.metadata.labels) for e in term.match_expressions) and all(
        _holds(e, fields) for e in term.match_fields
    )


def _holds(expression: Expression, labels: dict[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case "In":
            return value in expression.values
        case "NotIn":
            return value not in expression.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(expression, value)
    return False


def _compares(expression: Expression, value: str | None) -> bool:
    try:
        have, bound = int(value or ""), int(expression.values[0])
    except (ValueError, IndexError):
        return False
    return have > bound if expression.operator == "Gt" else have < bound
