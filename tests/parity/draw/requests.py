"""Resources: every way in which a pod can ask for an amount, and pods that are being resized where they run."""

from __future__ import annotations

from typing import Any

from tests.parity.draw.scene import Rule, Scene, Traits
from tests.parity.world import Document

IMAGE = "registry.k8s.io/pause:3.10"
CPUS = ("50m", "100m", "250m", "0.5", "1", "1500m", "2")
MEMORIES = ("64Mi", "128M", "256Mi", "1Gi", "1e9", "2Gi", "1500000Ki")
GPU = "example.com/gpu"
BOXES = "example.com/boxes"
RUNTIME_CLASSES = {"boxed": {"cpu": "2", "memory": "2Gi"}, "thin": {"cpu": "10m"}}


def equip(scene: Scene) -> None:
    """Allocatable amounts of every node, small enough to run out; runtime classes with an overhead."""
    for node in scene.nodes:
        allocatable = {
            "cpu": scene.pick(("3500m", "4", "6", "8", "16")),
            "memory": scene.pick(("4Gi", "8Gi", "16000000Ki")),
            "ephemeral-storage": scene.pick(("10Gi", "40Gi")),
            "pods": str(scene.pick((3, 5, 6, 8, 12, 110))),
        }
        if scene.hit(0.4):
            allocatable[GPU] = str(scene.pick((1, 2, 4)))
        if scene.hit(0.3):
            allocatable["hugepages-2Mi"] = scene.pick(("32Mi", "128Mi"))
        if scene.hit(0.1):
            allocatable[GPU] = "0"
        if scene.hit(0.03):
            del allocatable[scene.pick(("cpu", "memory", "pods"))]
        if scene.hit(0.7):
            node["metadata"]["labels"][BOXES] = "yes"
        node["status"] |= {"allocatable": allocatable, "capacity": allocatable}
    for name, overhead in RUNTIME_CLASSES.items():
        scene.objects.append(
            {
                "apiVersion": "node.k8s.io/v1",
                "kind": "RuntimeClass",
                "metadata": {"name": name},
                "handler": name,
                "overhead": {"podFixed": overhead},
                "scheduling": {
                    "nodeSelector": {BOXES: "yes"},
                    "tolerations": [{"key": "example.com/dedicated", "operator": "Exists"}],
                },
            }
        )


def ask(scene: Scene, pod: Document) -> Traits:
    """One or two ways of asking, on top of one container with a small request."""
    ways = (_more, _big, _init, _sidecars, _overhead, _pod_level, _limits, _extended, _hugepages, _storage, _unknown)
    weights = (2, 3, 2, 4, 2, 3, 2, 3, 2, 2, 1)
    traits: Traits = set()
    chosen = dict.fromkeys(scene.chance.choices(ways, weights, k=scene.pick((1, 1, 2))))
    for way in sorted(chosen, key=lambda way: way is _pod_level):
        traits.add(way(scene, pod["spec"]))
    return traits


def container(name: str, **requests: str) -> Document:
    return {"name": name, "image": IMAGE, "resources": {"requests": requests}}


def _amounts(scene: Scene) -> dict[str, str]:
    amounts = {"cpu": scene.pick(CPUS), "memory": scene.pick(MEMORIES)}
    if scene.hit(0.2):
        del amounts[scene.pick(("cpu", "memory"))]
    return amounts


def _more(scene: Scene, spec: dict[str, Any]) -> str:
    spec["containers"] += [container(f"more-{n}", **_amounts(scene)) for n in range(scene.pick((1, 2)))]
    return "containers"


def _big(scene: Scene, spec: dict[str, Any]) -> str:
    spec["containers"][0]["resources"]["requests"] = {"cpu": scene.pick(("2", "3")), "memory": scene.pick(MEMORIES)}
    return "big request"


def _init(scene: Scene, spec: dict[str, Any]) -> str:
    spec.setdefault("initContainers", []).append(
        container("init", cpu=scene.pick(("1", "2", "3")), memory=scene.pick(MEMORIES))
    )
    return "init container"


def _sidecars(scene: Scene, spec: dict[str, Any]) -> str:
    """Sidecars and ordinary init containers in a drawn order: only those started before count beside one."""
    own = []
    for number in range(scene.chance.randint(1, 4)):
        each = container(f"step-{number}", **_amounts(scene))
        if scene.hit(0.6):
            each["restartPolicy"] = "Always"
        own.append(each)
    own[scene.chance.randrange(len(own))]["restartPolicy"] = "Always"
    spec["initContainers"] = [*own, *spec.get("initContainers", ())]
    return "sidecar"


def _overhead(scene: Scene, spec: dict[str, Any]) -> str:
    spec["runtimeClassName"] = scene.pick(tuple(RUNTIME_CLASSES))
    return "overhead"


def _pod_level(scene: Scene, spec: dict[str, Any]) -> str:
    """Above what the containers sum up to, as the API server demands: so they ask for little."""
    for each in (*spec["containers"], *spec.get("initContainers", ())):
        for kind, amounts in each["resources"].items():
            kept = {name: amount for name, amount in amounts.items() if name not in ("cpu", "memory")}
            each["resources"][kind] = kept
        each["resources"].setdefault("requests", {})["cpu"] = scene.pick(("100m", "250m"))
    spec["resources"] = {"requests": {"cpu": scene.pick(("2", "3", "3500m"))}}
    if scene.hit(0.5):
        spec["resources"]["requests"]["memory"] = scene.pick(("1Gi", "3Gi"))
    if scene.hit(0.2):
        spec["resources"]["requests"]["hugepages-2Mi"] = "64Mi"
        spec["resources"]["limits"] = {"hugepages-2Mi": "64Mi"}
    return "pod-level resources"


def _limits(scene: Scene, spec: dict[str, Any]) -> str:
    """No request where there is a limit: the API server takes the limit."""
    spec["containers"].append({"name": "limited", "image": IMAGE, "resources": {"limits": _amounts(scene)}})
    return "limits only"


def _extended(scene: Scene, spec: dict[str, Any]) -> str:
    resources = spec["containers"][0]["resources"]
    count = scene.pick(("1", "2", "3"))
    resources["requests"] = {**resources.get("requests", {}), GPU: count}
    resources["limits"] = {GPU: count}
    return "extended resource"


def _hugepages(scene: Scene, spec: dict[str, Any]) -> str:
    size = scene.pick(("16Mi", "32Mi", "64Mi"))
    pages = {"name": "pages", "image": IMAGE}
    spec["containers"].append(
        pages | {"resources": {"requests": {"cpu": "50m", "hugepages-2Mi": size}, "limits": {"hugepages-2Mi": size}}}
    )
    return "hugepages"


def _storage(scene: Scene, spec: dict[str, Any]) -> str:
    spec["containers"].append(container("scratch", **{"ephemeral-storage": scene.pick(("1Gi", "8Gi", "20Gi"))}))
    return "ephemeral storage"


def _unknown(scene: Scene, spec: dict[str, Any]) -> str:
    resources = {"requests": {"example.com/nobody-has": "1"}, "limits": {"example.com/nobody-has": "1"}}
    spec["containers"].append({"name": "odd", "image": IMAGE, "resources": resources})
    return "unknown resource"


def resized(scene: Scene, pod: Document) -> None:
    """What a kubelet reports while a running pod is resized: allocated and actual amounts beside those specified,
    which half of the time are large."""
    spec = pod["spec"]
    if "resources" not in spec and scene.hit(0.5):
        spec["containers"][0]["resources"] = {"requests": {"cpu": scene.pick(("2", "3"))}}
    pod["status"]["containerStatuses"] = [_reported(scene, each) for each in spec["containers"]]
    if "initContainers" in spec:
        pod["status"]["initContainerStatuses"] = [_reported(scene, each) for each in spec["initContainers"]]
    if scene.hit(0.3):
        pod["status"]["allocatedResources"] = _amounts(scene)
        pod["status"]["resources"] = {"requests": _amounts(scene)}
    if scene.hit(0.6):
        reason = scene.pick(("Infeasible", "Deferred"))
        pod["status"]["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": reason}]


def _reported(scene: Scene, container_: Document) -> dict[str, Any]:
    """The status of one container, with both amounts, one of them, or none."""
    status: dict[str, Any] = {
        "name": container_["name"],
        "image": IMAGE,
        "imageID": "",
        "ready": True,
        "restartCount": 0,
    }
    if scene.hit(0.7):
        status["allocatedResources"] = _amounts(scene)
    if scene.hit(0.7):
        status["resources"] = {"requests": _amounts(scene)}
    return status


RESOURCES = Rule(
    equip,
    ask,
    (
        "containers",
        "big request",
        "init container",
        "sidecar",
        "overhead",
        "pod-level resources",
        "limits only",
        "extended resource",
        "hugepages",
        "ephemeral storage",
        "unknown resource",
    ),
)
