"""Host ports: equal port and protocol, and an equal address or the wildcard on either side."""

from __future__ import annotations

from tests.parity.draw.requests import IMAGE
from tests.parity.draw.scene import Rule, Scene, Traits, nothing
from tests.parity.world import Document

PORTS = (53, 8080, 9090)
PROTOCOLS = ("TCP", "TCP", "UDP", "SCTP")
ADDRESSES = ("", "", "0.0.0.0", "127.0.0.1", "10.0.0.1", "::")


def ask(scene: Scene, pod: Document) -> Traits:
    """One to three ports, of a container, a sidecar, or (where they do not count) an ordinary init container."""
    traits: Traits = set()
    spec = pod["spec"]
    wanted = [(port, scene.pick(PROTOCOLS)) for port in scene.some(PORTS, 1, 3)]
    for port, protocol in wanted:
        asked = {"containerPort": port, "hostPort": port, "protocol": protocol, "hostIP": scene.pick(ADDRESSES)}
        if not asked["hostIP"]:
            del asked["hostIP"]
        traits.add("host port" if "hostIP" not in asked else f"host port at {asked['hostIP']}")
        way = scene.chance.random()
        if way < 0.7:
            spec["containers"][0].setdefault("ports", []).append(asked)
            continue
        init = {"name": f"port-{port}", "image": IMAGE, "resources": {}, "ports": [asked]}
        if way < 0.9:
            init["restartPolicy"] = "Always"
        traits.add("port of a sidecar" if way < 0.9 else "port of an init container")
        spec.setdefault("initContainers", []).append(init)
    if scene.hit(0.1):
        spec["hostNetwork"] = True
        for each in (*spec["containers"], *spec.get("initContainers", ())):
            for port in each.get("ports", ()):
                port.pop("hostIP", None)
                del port["hostPort"]
        traits.add("host network")
    return traits


def _held(pod: Document) -> set[tuple[str, str, int]]:
    """(address, protocol, port) of what a pod holds on its node."""
    spec = pod["spec"]
    asked = [port for each in (*spec["containers"], *spec.get("initContainers", ())) for port in each.get("ports", ())]
    return {(port.get("hostIP", "0.0.0.0"), port["protocol"], port["containerPort"]) for port in asked}


def part_twins(scene: Scene) -> None:
    """Leave a port to one pod of a node. kube-scheduler keeps a set of the ports in use on a node: when one of two
    holders ends, it takes the port for free until something else about the other one changes."""
    taken: dict[str, set[tuple[str, str, int]]] = {}
    for pod in scene.running:
        here = taken.setdefault(pod["spec"]["nodeName"], set())
        if here & _held(pod):
            for each in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
                each.pop("ports", None)
        here |= _held(pod)


PORT_RULE = Rule(
    nothing,
    ask,
    (
        "host port",
        *(f"host port at {address}" for address in dict.fromkeys(ADDRESSES) if address),
        "port of a sidecar",
        "port of an init container",
        "host network",
    ),
)
