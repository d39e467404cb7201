"""Pods that look at other pods: topology spread, inter-pod affinity and anti-affinity."""

from __future__ import annotations

from typing import Any

from tests.parity.draw.scene import HOSTNAME, RACK, REGION, ZONE, Rule, Scene, Traits, nothing
from tests.parity.world import NAMESPACES, Document, name_of

LABELS = {"app": ("web", "db", "cache", "train"), "tier": ("front", "back")}
"""The labels of pods that selectors look at; any pod may lack any of them."""

SPREAD_KEYS = (ZONE, ZONE, RACK, HOSTNAME, REGION)
AFFINITY_KEYS = (ZONE, RACK, HOSTNAME, REGION)


def _selector(scene: Scene, traits: Traits, own: dict[str, str]) -> dict[str, Any] | None:
    """A label selector; often one that the pod itself matches."""
    way = scene.chance.random()
    if way < 0.05:
        traits.add("no selector")
        return None
    if way < 0.1:
        traits.add("selector of everything")
        return {}
    known = [key for key in LABELS if key in own] if scene.hit(0.6) else []
    key = scene.pick(known or tuple(LABELS))
    if way < 0.5:
        value = own.get(key) if scene.hit(0.6) else None
        return {"matchLabels": {key: value or scene.pick(LABELS[key])}}
    operator = scene.pick(("In", "NotIn", "Exists", "DoesNotExist"))
    traits.add(f"pod selector {operator}")
    expression: dict[str, Any] = {"key": key, "operator": operator}
    if operator in ("In", "NotIn"):
        expression["values"] = scene.some(LABELS[key], 1, 2)
    selector: dict[str, Any] = {"matchExpressions": [expression]}
    if scene.hit(0.2):
        other = scene.pick(tuple(LABELS))
        selector["matchLabels"] = {other: scene.pick(LABELS[other])}
    return selector


# -- topology spread -----------------------------------------------------------------------------------------------


def ask_spread(scene: Scene, pod: Document) -> Traits:
    traits: Traits = set()
    own = pod["metadata"]["labels"]
    constraints: list[dict[str, Any]] = []
    for key in scene.some(SPREAD_KEYS, 1, 3):
        if any(each["topologyKey"] == key for each in constraints):
            continue
        hard = scene.hit(0.9)
        constraint: dict[str, Any] = {
            "topologyKey": key,
            "maxSkew": scene.pick((1, 1, 1, 2, 3)),
            "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        }
        traits.add("spread" if hard else "soft spread")
        selector = _selector(scene, traits, own)
        if selector is not None:
            constraint["labelSelector"] = selector
            _match_label_keys(scene, traits, constraint, "matchLabelKeys", "spread matchLabelKeys")
        if hard and scene.hit(0.25):
            constraint["minDomains"] = scene.pick((2, 3, 5))
            traits.add("minDomains")
        for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if scene.hit(0.4):
                constraint[policy] = scene.pick(("Honor", "Ignore"))
                traits.add(f"{policy} {constraint[policy]}")
        constraints.append(constraint)
    pod["spec"]["topologySpreadConstraints"] = constraints
    if scene.hit(0.4):
        _narrow(scene, pod)
    if len(constraints) > 1:
        traits.add("two spreads")
    return traits


def _narrow(scene: Scene, pod: Document) -> None:
    """Few nodes for a pod by its labels or its tolerations: whether the others count is a matter of the policies."""
    if scene.hit(0.6):
        pod["spec"].setdefault("nodeSelector", {})["example.com/pool"] = scene.pick(("train", "serve"))
    else:
        pod["spec"].setdefault("tolerations", []).append({"key": "example.com/dedicated", "operator": "Exists"})


def _match_label_keys(scene: Scene, traits: Traits, ask: dict[str, Any], field: str, trait: str) -> None:
    """Keys whose values are the pod's own; the API server refuses one that the selector names already."""
    selector = ask["labelSelector"]
    named = {*selector.get("matchLabels", ()), *(each["key"] for each in selector.get("matchExpressions", ()))}
    free = [key for key in LABELS if key not in named]
    if free and scene.hit(0.25):
        ask[field] = [scene.pick(free)]
        traits.add(trait)


# -- inter-pod affinity --------------------------------------------------------------------------------------------


def ask_affinity(scene: Scene, pod: Document) -> Traits:
    """Required affinity, required anti-affinity, seldom both; sometimes preferred ones beside them."""
    traits: Traits = set()
    affinity = pod["spec"].setdefault("affinity", {})
    way = scene.chance.random()
    if way < 0.5:
        terms = [_term(scene, pod, traits) for _ in range(scene.pick((1, 1, 1, 2)))]
        affinity["podAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        traits.add("pod affinity" if len(terms) == 1 else "two affinity terms")
    if way > 0.42:
        terms = [_term(scene, pod, traits) for _ in range(scene.pick((1, 1, 1, 2)))]
        affinity["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        traits.add("pod anti-affinity")
    if scene.hit(0.1):
        preferred = {"weight": 10, "podAffinityTerm": _term(scene, pod, set())}
        kind = affinity.setdefault(scene.pick(("podAffinity", "podAntiAffinity")), {})
        kind["preferredDuringSchedulingIgnoredDuringExecution"] = [preferred]
        traits.add("preferred pod affinity")
    if scene.hit(0.12):
        _first_of_its_kind(scene, pod)
        traits.add("first pod")
    return traits


def _term(scene: Scene, pod: Document, traits: Traits) -> dict[str, Any]:
    term: dict[str, Any] = {"topologyKey": scene.pick(AFFINITY_KEYS)}
    selector = _selector(scene, traits, pod["metadata"]["labels"])
    if selector is not None:
        term["labelSelector"] = selector
        if scene.hit(0.5):
            _match_label_keys(scene, traits, term, "matchLabelKeys", "affinity matchLabelKeys")
        else:
            _match_label_keys(scene, traits, term, "mismatchLabelKeys", "mismatchLabelKeys")
    if scene.hit(0.3):
        term["namespaces"] = scene.some(tuple(NAMESPACES), 1, 2)
        traits.add("namespaces")
    if scene.hit(0.3):
        term["namespaceSelector"] = scene.pick(
            (
                {},
                {"matchLabels": {"team": "blue"}},
                {"matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["prod"]}]},
                {"matchLabels": {"team": "nobody"}},
            )
        )
        traits.add("namespaceSelector" if term["namespaceSelector"] else "every namespace")
    return term


def _first_of_its_kind(scene: Scene, pod: Document) -> None:
    """It wants to be near pods like itself, and there are none: it may go wherever the topology key is. A pod like it
    that stands where the key is not does not count."""
    own = {"kind": f"only-{name_of(pod)}"}
    pod["metadata"]["labels"] |= own
    key = scene.pick(AFFINITY_KEYS)
    terms = [{"topologyKey": key, "labelSelector": {"matchLabels": own}}]
    if scene.hit(0.3):
        terms.append({"topologyKey": scene.pick(AFFINITY_KEYS), "labelSelector": {"matchLabels": own}})
    elif scene.hit(0.5):
        nowhere = {name_of(node) for node in scene.nodes if key not in node["metadata"]["labels"]}
        for other in scene.running:
            same_namespace = other["metadata"]["namespace"] == pod["metadata"]["namespace"]
            if same_namespace and other["spec"]["nodeName"] in nowhere:
                other["metadata"]["labels"] |= own
    affinity = pod["spec"].setdefault("affinity", {})
    affinity["podAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}


_OPERATORS = tuple(f"pod selector {operator}" for operator in ("In", "NotIn", "Exists", "DoesNotExist"))

SPREAD = Rule(
    nothing,
    ask_spread,
    (
        "spread",
        "soft spread",
        "two spreads",
        "minDomains",
        "spread matchLabelKeys",
        *(f"{each} {policy}" for each in ("nodeAffinityPolicy", "nodeTaintsPolicy") for policy in ("Honor", "Ignore")),
        "no selector",
        "selector of everything",
        *_OPERATORS,
    ),
)
POD_AFFINITY = Rule(
    nothing,
    ask_affinity,
    (
        "pod affinity",
        "two affinity terms",
        "pod anti-affinity",
        "preferred pod affinity",
        "first pod",
        "namespaces",
        "namespaceSelector",
        "every namespace",
        "affinity matchLabelKeys",
        "mismatchLabelKeys",
        "no selector",
        "selector of everything",
        *_OPERATORS,
    ),
)
