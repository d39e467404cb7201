"""A whole world from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from tests.parity.draw import features, nodes, ports, relations, requests, storage
from tests.parity.draw.scene import GONE, Rule, Scene, Traits
from tests.parity.world import Document, World, key_of, name_of

JUDGED = 40

RULES: Mapping[str, Rule] = {
    "resources": requests.RESOURCES,
    "node-affinity": nodes.AFFINITY,
    "taints": nodes.TAINTS,
    "unschedulable": nodes.CORDONS,
    "gates": nodes.GATES,
    "ports": ports.PORT_RULE,
    "spread": relations.SPREAD,
    "pod-affinity": relations.POD_AFFINITY,
    "declared-features": features.FEATURES,
    "bound-claims": storage.BOUND_CLAIMS,
    "waiting-claims": storage.WAITING_CLAIMS,
    "one-pod-claims": storage.ONE_POD_CLAIMS,
    "disks": storage.DISKS,
    "volume-limits": storage.LIMITS,
}
"""Every family by the name that ``--rules`` takes. The first is always on: it says what nodes have."""

WEIGHTS: Mapping[str, float] = {"unschedulable": 0.4, "gates": 0.1, "declared-features": 0.5, "one-pod-claims": 0.5}
"""How often a pod asks for a family, relative to the others at 1."""


def draw_world(seed: int, rules: tuple[str, ...] = tuple(RULES), judged: int = JUDGED) -> World:
    """The world of a seed; KeyError names an unknown rule."""
    scene = Scene(Random(seed))
    nodes.make_nodes(scene)
    for rule in rules:
        RULES[rule].equip(scene)
    for number in range(scene.chance.randint(30, 60)):
        _run(scene, rules, number)
    ports.part_twins(scene)
    pods, traits = [], {}
    for number in range(judged):
        pod, drawn = _judge(scene, rules, number)
        pods.append(pod)
        traits[name_of(pod)] = frozenset(drawn)
    cluster = (*scene.nodes, *scene.objects)
    return World(seed, cluster, tuple(scene.running), tuple(pods), frozenset(scene.leaving), traits)


def _pod(scene: Scene, name: str) -> Document:
    """A pod that asks for little: on most nodes there is room for it."""
    labels = {key: scene.pick(values) for key, values in relations.LABELS.items() if scene.hit(0.85)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": scene.namespace(), "labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [requests.container("main", cpu="50m")]},
    }


def _judge(scene: Scene, rules: tuple[str, ...], number: int) -> tuple[Document, Traits]:
    """One to three families; most pods may use tainted nodes, or taints would hide the other rules."""
    pod = _pod(scene, f"judged-{number:02d}")
    weights = [WEIGHTS.get(rule, 1.0) for rule in rules]
    chosen = dict.fromkeys(scene.chance.choices(rules, weights, k=scene.pick((1, 2, 2, 3))))
    traits: Traits = set()
    for rule in chosen:
        traits |= RULES[rule].ask(scene, pod)
    if "taints" not in chosen and scene.hit(0.6):
        pod["spec"].setdefault("tolerations", []).append({"operator": "Exists"})
    return pod, traits


def _run(scene: Scene, rules: tuple[str, ...], number: int) -> None:
    """A pod on a node, whether that node would have been right for it or not; some finish, leave or are resized, and
    of some the node is gone."""
    pod = _pod(scene, f"runs-{number:02d}")
    pod["spec"]["nodeName"] = GONE if scene.hit(0.03) else scene.node_name()
    for rule in scene.some(rules, 0, min(3, len(rules))):
        RULES[rule].ask(scene, pod)
    pod["status"] = {"phase": "Running"}
    fate = scene.chance.random()
    if fate < 0.08:
        pod["status"]["phase"] = scene.pick(("Succeeded", "Failed"))
    elif fate < 0.16:
        pod["spec"]["terminationGracePeriodSeconds"] = 30
        scene.leaving.add(key_of(pod))
    elif fate < 0.35:
        requests.resized(scene, pod)
    scene.running.append(pod)
