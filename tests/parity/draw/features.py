"""Features that a node has to declare before pods that use them may go there."""

from __future__ import annotations

from tests.parity.draw.scene import Rule, Scene, Traits
from tests.parity.world import Document

DECLARED = ("RestartAllContainersOnContainerExits", "UserNamespacesHostNetworkSupport", "VolumeBindMountOptions")


def equip(scene: Scene) -> None:
    for node in scene.nodes:
        if scene.hit(0.8):
            node["status"]["declaredFeatures"] = sorted(scene.some(DECLARED, 1, 3))


def ask(scene: Scene, pod: Document) -> Traits:
    spec = pod["spec"]
    way = scene.pick(("restart", "users", "mount"))
    if way == "restart":
        container = spec["containers"][0]
        if scene.hit(0.2):
            container = {"name": "restarts", "image": container["image"], "resources": {}}
            spec.setdefault("initContainers", []).append(container)
        action = "RestartAllContainers" if scene.hit(0.6) else "Restart"
        exits = {"operator": "In", "values": [42]}
        container |= {"restartPolicy": "Never", "restartPolicyRules": [{"action": action, "exitCodes": exits}]}
        return {f"restart rule {action}"}
    if way == "users":
        spec |= {"hostNetwork": scene.hit(0.6), "hostUsers": False}
        return {"host network without host users" if spec["hostNetwork"] else "no host users"}
    spec.setdefault("volumes", []).append({"name": "scratch", "emptyDir": {}})
    mount: Document = {"name": "scratch", "mountPath": "/scratch"}
    if scene.hit(0.6):
        mount["bindMountOptions"] = ["noexec"]
    spec["containers"][-1].setdefault("volumeMounts", []).append(mount)
    return {"bind mount options" if "bindMountOptions" in mount else "plain mount"}


FEATURES = Rule(
    equip,
    ask,
    (
        "restart rule RestartAllContainers",
        "restart rule Restart",
        "host network without host users",
        "no host users",
        "bind mount options",
        "plain mount",
    ),
)
