"""Where a pod may go by what nodes say of themselves: labels, names, taints, cordons."""

from __future__ import annotations

from typing import Any

from tests.parity.draw.scene import HOSTNAME, RACK, REGION, ZONE, Rule, Scene, Traits, nothing
from tests.parity.world import Document

LABELS = {
    "example.com/disk": ("ssd", "hdd", ""),
    "example.com/generation": ("1", "2", "3", "007", "10", "v3", "99999999999999999999"),
    "example.com/pool": ("train", "serve"),
    ZONE: ("zone-a", "zone-b", "zone-c"),
    RACK: tuple(f"rack-{number}" for number in range(5)),
}
TAINT_VALUES = {
    "example.com/dedicated": ("", "train", "serve"),
    "example.com/risk": ("1", "5", "007", "10", "high"),
    "node.kubernetes.io/disk-pressure": ("",),
}
EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")
CORDON = "node.kubernetes.io/unschedulable"
NOT_READY = "node.kubernetes.io/not-ready"


def make_nodes(scene: Scene) -> None:
    """Nodes with labels, some of which any node may lack."""
    for number in range(scene.chance.randint(12, 30)):
        name = f"n{number:02d}-{scene.chance.randrange(16**4):04x}"
        labels = {HOSTNAME: name, **{key: scene.pick(values) for key, values in LABELS.items() if scene.hit(0.8)}}
        if ZONE in labels:
            labels[REGION] = "region-2" if labels[ZONE] == "zone-c" else "region-1"
        if scene.hit(0.05):
            del labels[HOSTNAME]
        scene.nodes.append(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": labels},
                "spec": {},
                "status": {"conditions": [_ready(ready=True)]},
            }
        )


def _ready(*, ready: bool) -> dict[str, str]:
    since = "2026-01-01T00:00:00Z"
    return {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "Drawn",
        "message": "",
        "lastHeartbeatTime": since,
        "lastTransitionTime": since,
    }


# -- node affinity -------------------------------------------------------------------------------------------------


def ask_affinity(scene: Scene, pod: Document) -> Traits:
    """A node selector, required terms, or both."""
    traits: Traits = set()
    spec = pod["spec"]
    way = scene.chance.random()
    if way < 0.35:
        key = scene.pick((*LABELS, *LABELS, HOSTNAME))
        value = scene.node_name() if key == HOSTNAME else scene.pick(LABELS[key])
        spec.setdefault("nodeSelector", {})[key] = value
        traits.add("nodeSelector")
    if way > 0.25:
        terms = [_term(scene, traits) for _ in range(scene.pick((1, 1, 2, 3)))]
        affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    if scene.hit(0.1):
        preferred = {"weight": 5, "preference": {"matchExpressions": [_expression(scene, set())]}}
        affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [preferred]
        traits.add("preferred affinity")
    return traits


def _term(scene: Scene, traits: Traits) -> dict[str, Any]:
    if scene.hit(0.05):
        traits.add("empty term")
        return {}
    term: dict[str, Any] = {}
    if scene.hit(0.85):
        term["matchExpressions"] = [_expression(scene, traits) for _ in range(scene.pick((1, 1, 1, 2)))]
    if not term or scene.hit(0.1):
        operator = scene.pick(("In", "NotIn", "NotIn"))
        name = scene.pick((scene.node_name(), scene.node_name(), "nobody"))
        term["matchFields"] = [{"key": "metadata.name", "operator": operator, "values": [name]}]
        traits.add(f"matchFields {operator}")
    return term


def _expression(scene: Scene, traits: Traits) -> dict[str, Any]:
    operator = scene.pick(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))
    traits.add(f"affinity {operator}")
    if operator in ("Gt", "Lt"):
        key, values = "example.com/generation", [scene.pick(("0", "1", "2", "3", "07", "9", "x"))]
    else:
        key = scene.pick((*LABELS, "example.com/nobody-has"))
        values = scene.some(LABELS.get(key, ("x",)), 1, 2)
    expression: dict[str, Any] = {"key": key, "operator": operator}
    return expression if operator in ("Exists", "DoesNotExist") else expression | {"values": values}


# -- taints --------------------------------------------------------------------------------------------------------


def equip_taints(scene: Scene) -> None:
    """Taints of all effects; nodes that are not ready carry the taint that the node-lifecycle controller gives them."""
    for node in scene.nodes:
        taints = {}
        for key, values in TAINT_VALUES.items():
            if scene.hit(0.22):
                effect = scene.pick(EFFECTS)
                taints[key, effect] = {"key": key, "value": scene.pick(values), "effect": effect}
        if scene.hit(0.06):
            node["status"]["conditions"] = [_ready(ready=False)]
            for effect in ("NoSchedule", "NoExecute"):
                taints[NOT_READY, effect] = {"key": NOT_READY, "effect": effect}
        node["spec"].setdefault("taints", []).extend(taints.values())


def ask_toleration(scene: Scene, pod: Document) -> Traits:
    traits: Traits = set()
    tolerations = pod["spec"].setdefault("tolerations", [])
    for _ in range(scene.pick((1, 2, 2, 3))):
        tolerations.append(_toleration(scene, traits))
    return traits


def _toleration(scene: Scene, traits: Traits) -> dict[str, Any]:
    key = scene.pick((*TAINT_VALUES, *TAINT_VALUES, NOT_READY))
    operator = scene.pick(("Equal", "Equal", "Exists", "Exists", "", "Lt", "Gt"))
    toleration: dict[str, Any] = {"key": key}
    if operator in ("Lt", "Gt"):
        toleration |= {"key": "example.com/risk", "operator": operator, "value": scene.pick(("0", "3", "5", "-2"))}
    elif operator == "Exists":
        toleration["operator"] = operator
        if scene.hit(0.12):
            del toleration["key"]
            traits.add("tolerates everything")
    else:
        if operator:
            toleration["operator"] = operator
        toleration["value"] = scene.pick(TAINT_VALUES.get(key, ("",)))
    if scene.hit(0.5):
        toleration["effect"] = scene.pick(EFFECTS)
        if toleration["effect"] == "NoExecute" and scene.hit(0.5):
            toleration["tolerationSeconds"] = scene.pick((0, 60))
    traits.add(f"toleration {operator or 'Equal'}")
    return toleration


def equip_cordons(scene: Scene) -> None:
    """Cordoned nodes with the taint that comes with it, and without: either alone has to keep pods away."""
    for node in scene.nodes:
        if scene.hit(0.12):
            node["spec"]["unschedulable"] = True
            if scene.hit(0.5):
                node["spec"].setdefault("taints", []).append({"key": CORDON, "effect": "NoSchedule"})


def ask_cordoned(scene: Scene, pod: Document) -> Traits:
    toleration: dict[str, Any] = {"key": CORDON, "operator": "Exists"}
    if scene.hit(0.5):
        toleration["effect"] = scene.pick(("NoSchedule", "NoSchedule", "NoExecute"))
    pod["spec"].setdefault("tolerations", []).append(toleration)
    return {"tolerates cordons"}


def ask_gate(scene: Scene, pod: Document) -> Traits:
    if "nodeName" in pod["spec"]:
        return set()
    pod["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
    return {"gate"}


AFFINITY = Rule(
    nothing,
    ask_affinity,
    (
        "nodeSelector",
        "empty term",
        "matchFields In",
        "matchFields NotIn",
        *(f"affinity {operator}" for operator in ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")),
        "preferred affinity",
    ),
)
TAINTS = Rule(
    equip_taints,
    ask_toleration,
    (*(f"toleration {operator}" for operator in ("Equal", "Exists", "Lt", "Gt")), "tolerates everything"),
)
CORDONS = Rule(equip_cordons, ask_cordoned, ("tolerates cordons",))
GATES = Rule(nothing, ask_gate, ("gate",))
