"""Volumes: claims that are bound, waiting, or past hope; disks that two pods can not share; limits of a node.

The families share this module's makers; each has drivers and classes of its own, so that it can be drawn alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.parity.draw.scene import GONE, HOSTNAME, RACK, REGION, ZONE, Rule, Scene, Traits, nothing
from tests.parity.world import NAMESPACES, Document, name_of

BOUND_DRIVER = "bound.example.com"
ZONES = ("zone-a", "zone-b", "zone-c")
RACKS = ("rack-0", "rack-1", "rack-2", "rack-3", "rack-4")
BOUND = {"pv.kubernetes.io/bind-completed": "yes"}
SELECTED_NODE = "volume.kubernetes.io/selected-node"
HOLD = "example.com/hold"
"""A finalizer that nobody takes off: what is deleted stays in the state of being deleted."""


# -- makers --------------------------------------------------------------------------------------------------------


def storage_class(
    name: str, provisioner: str, mode: str, zones: Sequence[str] = (), racks: Sequence[str] = ()
) -> Document:
    """A class whose volumes may be made in these zones, and of these racks only, or (two terms) in one of each."""
    document: Document = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": mode,
    }
    expressions = [{"key": key, "values": list(values)} for key, values in ((ZONE, zones), (RACK, racks)) if values]
    if expressions and len(racks) < 2:
        document["allowedTopologies"] = [{"matchLabelExpressions": expressions}]
    elif expressions:
        document["allowedTopologies"] = [{"matchLabelExpressions": [each]} for each in expressions]
    return document


def volume(
    scene: Scene,
    name: str,
    storage_class_name: str,
    *,
    driver: str = BOUND_DRIVER,
    size: str = "10Gi",
    phase: str = "Bound",
    **more: Any,
) -> Document:
    """A persistent volume, on some of the nodes only or everywhere."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size},
        "csi": {"driver": driver, "volumeHandle": f"handle-{name}"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": storage_class_name,
        **more,
    }
    if scene.hit(0.6):
        terms = [_place(scene) for _ in range(scene.pick((1, 1, 1, 2)))]
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": spec,
        "status": {"phase": phase},
    }


def _place(scene: Scene) -> dict[str, Any]:
    """One term of a volume's node affinity; rarely one with a field, which kube-scheduler leaves out."""
    names = [name_of(each) for each in scene.nodes]
    way = scene.chance.random()
    if way < 0.12:
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [scene.pick(names)]}]}
        if scene.hit(0.5):
            term["matchExpressions"] = [{"key": ZONE, "operator": "In", "values": scene.some(ZONES, 1, 2)}]
        return term
    if way < 0.35:
        return {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": scene.some(names, 1, 6)}]}
    operator = scene.pick(("In", "In", "In", "NotIn", "Exists", "DoesNotExist"))
    expression: dict[str, Any] = {"key": ZONE, "operator": operator}
    if operator in ("In", "NotIn"):
        expression["values"] = scene.some(ZONES, 1, 2)
    return {"matchExpressions": [expression]}


def claim(namespace: str, name: str, storage_class_name: str, **more: Any) -> Document:
    """A claim that nothing is bound to."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}},
        "storageClassName": storage_class_name,
        **more,
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
        "status": {"phase": "Pending"},
    }


def bind(claim_: Document, volume_: Document) -> None:
    """What the volume controller writes when the two belong together."""
    claim_["spec"]["volumeName"] = name_of(volume_)
    claim_["metadata"]["annotations"] = dict(BOUND)
    claim_["status"] = {"phase": "Bound"}
    volume_["spec"]["claimRef"] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": claim_["metadata"]["namespace"],
        "name": name_of(claim_),
    }


def use(pod: Document, claim_name: str) -> None:
    """Let a pod use a claim of its namespace."""
    volumes = pod["spec"].setdefault("volumes", [])
    if any(each.get("persistentVolumeClaim", {}).get("claimName") == claim_name for each in volumes):
        return
    volumes.append({"name": f"v{len(volumes)}", "persistentVolumeClaim": {"claimName": claim_name}})


def _claims(scene: Scene, pod: Document, trait: str) -> list[str]:
    """Claims of the pod's namespace that were drawn for a trait."""
    namespace = pod["metadata"]["namespace"]
    return [
        name_of(each)
        for each in scene.objects
        if each["kind"] == "PersistentVolumeClaim"
        and each["metadata"]["namespace"] == namespace
        and each["metadata"].get("labels", {}).get("drawn") == trait
    ]


def _add(scene: Scene, trait: str, claim_: Document, *others: Document) -> None:
    claim_["metadata"]["labels"] = {"drawn": trait}
    scene.objects += [*others, claim_]


# -- bound claims, and those past hope -----------------------------------------------------------------------------

BOUND_TRAITS = ("bound", "zoned", "deleting", "lost", "no-volume", "immediate", "prebound", "no-class", "classless")


def equip_bound(scene: Scene) -> None:
    scene.objects += [
        storage_class("now", BOUND_DRIVER, "Immediate"),
        storage_class("later", BOUND_DRIVER, "WaitForFirstConsumer"),
    ]
    for namespace in NAMESPACES:
        for trait in (*BOUND_TRAITS, "bound", "bound", "zoned", "zoned"):
            name = f"{trait}-{len(scene.objects)}"
            own = claim(namespace, name, scene.pick(("now", "later")))
            volume_ = volume(scene, f"{namespace}-{name}", own["spec"]["storageClassName"])
            if trait == "immediate":
                _add(scene, trait, claim(namespace, name, "now"))
                continue
            if trait in ("no-class", "classless"):
                _add(scene, trait, claim(namespace, name, "nobody-has" if trait == "no-class" else ""))
                continue
            if trait == "prebound":
                own["spec"]["volumeName"] = name_of(volume_)
                _add(scene, trait, own, volume_)
                continue
            bind(own, volume_)
            if trait == "zoned":
                _zone(scene, volume_)
            if trait == "no-volume":
                own["spec"]["volumeName"] = "nobody-has"
            if trait == "lost":
                own["status"] = {"phase": "Lost"}
            if trait == "deleting":
                own["metadata"]["finalizers"] = [HOLD]
                scene.leaving.add((namespace, name))
            _add(scene, trait, own, volume_)


def _zone(scene: Scene, volume_: Document) -> None:
    """Labels that say where a volume is, in the form of today and of long ago."""
    values = "__".join((*scene.some(ZONES, 1, 2), "", "x") if scene.hit(0.25) else scene.some(ZONES, 1, 2))
    old = "failure-domain.beta.kubernetes.io/"
    labels = {scene.pick((ZONE, f"{old}zone")): values}
    if scene.hit(0.3):
        labels[scene.pick((REGION, f"{old}region"))] = "region-1"
    volume_["metadata"]["labels"] = labels


def ask_bound(scene: Scene, pod: Document) -> Traits:
    trait = scene.pick(
        ("bound", "bound", "zoned", "zoned", "missing", "ephemeral", "ephemeral", *BOUND_TRAITS, *BOUND_TRAITS)
    )
    if trait == "missing":
        use(pod, "nobody-has")
        return {"claim missing"}
    if trait == "ephemeral":
        return _ask_ephemeral(scene, pod) if "nodeName" not in pod["spec"] else set()
    chosen = scene.some(_claims(scene, pod, trait), 1, 2)
    for name in chosen:
        use(pod, name)
    return {f"claim {trait}"}


def _ask_ephemeral(scene: Scene, pod: Document) -> Traits:
    """A claim made for the pod: not made yet, or one of that name that somebody else made."""
    volumes = pod["spec"].setdefault("volumes", [])
    name = f"v{len(volumes)}"
    template = claim("", "", "later")["spec"]
    volumes.append({"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": template}}})
    if scene.hit(0.5):
        return {"ephemeral claim missing"}
    scene.objects.append(claim(pod["metadata"]["namespace"], f"{name_of(pod)}-{name}", "later"))
    return {"ephemeral claim of another"}


# -- claims that wait for their first consumer ---------------------------------------------------------------------

WAITING_TRAITS = ("static", "dynamic", "topologies", "capacity", "selected", "nowhere", "promised")


def equip_waiting(scene: Scene) -> None:
    wait = "WaitForFirstConsumer"
    scene.objects += [
        storage_class("static", "kubernetes.io/no-provisioner", wait),
        storage_class("dynamic", "roomy.example.com", wait),
        storage_class("topologies", "roomy.example.com", wait, scene.some(ZONES, 1, 2), scene.some(RACKS, 0, 2)),
        storage_class("capacity", "tight.example.com", wait),
        _driver("roomy.example.com", capacity=False),
        _driver("tight.example.com", capacity=True),
    ]
    for _ in range(scene.chance.randint(4, 10)):
        _add_static(scene)
    for number in range(4):
        _add_capacity(scene, number)
    for namespace in NAMESPACES:
        for trait in (*WAITING_TRAITS, "static", "static", "capacity"):
            name = f"{trait}-{len(scene.objects)}"
            kind = {"nowhere": "static", "promised": "static"}.get(trait, trait)
            if trait == "selected":
                kind = scene.pick(("dynamic", "topologies", "capacity", "static"))
            own = claim(namespace, name, kind, resources={"requests": {"storage": scene.pick(("1Gi", "5Gi", "20Gi"))}})
            spec = own["spec"]
            if trait == "static":
                _narrow(scene, spec)
            if trait == "nowhere":
                spec["resources"] = {"requests": {"storage": "1000Ti"}}
            if trait == "selected":
                own["metadata"]["annotations"] = {SELECTED_NODE: name_of(scene.pick(scene.nodes))}
            if trait == "promised":
                _add_static(scene, namespace, name)
            _add(scene, trait, own)


def _narrow(scene: Scene, spec: dict[str, Any]) -> None:
    """What a claim may want of a volume besides its size."""
    if scene.hit(0.3):
        values = scene.some(("fast", "slow"), 1, 1)
        expression = {"key": "speed", "operator": scene.pick(("In", "NotIn")), "values": values}
        spec["selector"] = (
            {"matchExpressions": [expression]} if scene.hit(0.5) else {"matchLabels": {"speed": values[0]}}
        )
    if scene.hit(0.15):
        spec["volumeMode"] = "Block"
    if scene.hit(0.35):
        spec["accessModes"] = ["ReadWriteMany"]
    if scene.hit(0.1):
        spec["volumeAttributesClassName"] = "gold"


def _add_static(scene: Scene, namespace: str = "", promised_to: str = "") -> None:
    """A volume that waits for a claim, perhaps for a certain one; some are released, or being deleted."""
    modes = scene.pick((["ReadWriteOnce"], ["ReadWriteOnce", "ReadWriteMany"]))
    document = volume(
        scene,
        f"static-{len(scene.objects)}",
        "static",
        driver="static.example.com",
        size=scene.pick(("2Gi", "10Gi", "50Gi")),
        phase=scene.pick(("Available", "Available", "Available", "Available", "Released")),
        accessModes=modes,
        volumeMode=scene.pick(("Filesystem", "Filesystem", "Block")),
    )
    if scene.hit(0.7):
        document["metadata"]["labels"] = {"speed": scene.pick(("fast", "slow"))}
    if promised_to or scene.hit(0.1):
        owner = {"namespace": namespace or scene.namespace(), "name": promised_to or "somebody-else"}
        document["spec"]["claimRef"] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **owner}
    if scene.hit(0.1):
        document["spec"]["volumeAttributesClassName"] = "gold"
    if scene.hit(0.2):
        document["metadata"]["finalizers"] = [HOLD]
        scene.leaving.add(("", name_of(document)))
    scene.objects.append(document)


def _driver(name: str, *, capacity: bool) -> Document:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": name},
        "spec": {"storageCapacity": capacity},
    }


def _add_capacity(scene: Scene, number: int) -> None:
    selector: dict[str, Any] = {"matchLabels": {ZONE: scene.pick(ZONES)}}
    if scene.hit(0.3):
        names = [name_of(each) for each in scene.nodes]
        selector = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": scene.some(names, 1, 6)}]}
    document: Document = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": {"name": f"capacity-{number}", "namespace": scene.namespace()},
        "storageClassName": scene.pick(("capacity", "capacity", "capacity", "dynamic")),
        "nodeTopology": selector,
        "capacity": scene.pick(("2Gi", "10Gi", "100Gi")),
    }
    if scene.hit(0.3):
        document["maximumVolumeSize"] = "3Gi"
    if scene.hit(0.1):
        del document[scene.pick(("capacity", "nodeTopology"))]
    scene.objects.append(document)


def ask_waiting(scene: Scene, pod: Document) -> Traits:
    trait = scene.pick((*WAITING_TRAITS, "static", "static", "capacity"))
    chosen = scene.some(_claims(scene, pod, trait), 1, 3 if trait == "static" else 1)
    for name in chosen:
        use(pod, name)
    return {f"claim {trait}"} | ({"two static claims"} if len(chosen) > 1 else set())


# -- claims for one pod --------------------------------------------------------------------------------------------


def equip_one_pod(scene: Scene) -> None:
    scene.objects.append(storage_class("alone", "alone.example.com", "Immediate"))
    for namespace in NAMESPACES:
        for number in range(6):
            own = claim(namespace, f"alone-{number}", "alone", accessModes=["ReadWriteOncePod"])
            volume_ = volume(
                scene,
                f"{namespace}-alone-{number}",
                "alone",
                driver="alone.example.com",
                accessModes=["ReadWriteOncePod"],
            )
            bind(own, volume_)
            _add(scene, "one-pod", own, volume_)


def ask_one_pod(scene: Scene, pod: Document) -> Traits:
    """Pods that run take the first half of the claims only: the others stay free for those to be judged.

    A pod whose node is gone takes none: kube-scheduler hands its claim to another pod, Muster waits for its end.
    """
    node = pod["spec"].get("nodeName")
    names = _claims(scene, pod, "one-pod")
    if node != GONE:
        use(pod, scene.pick(names[: len(names) // 2] if node else names))
    return {"ReadWriteOncePod"}


# -- disks that two pods can not share -----------------------------------------------------------------------------


def ask_disk(scene: Scene, pod: Document) -> Traits:
    """Two of the four kinds, from a few disks of each."""
    kinds = scene.some(("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd"), 2, 2)
    volumes = pod["spec"].setdefault("volumes", [])
    for kind in kinds:
        volumes.append({"name": f"v{len(volumes)}", kind: _disk(scene, kind)})
    return set(kinds)


def _disk(scene: Scene, kind: str) -> dict[str, Any]:
    number = scene.pick((1, 1, 2))
    read_only = scene.hit(0.6)
    sources: dict[str, Any] = {
        "gcePersistentDisk": {"pdName": f"disk-{number}", "readOnly": read_only},
        "awsElasticBlockStore": {"volumeID": f"vol-{number}"},
        "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": f"iqn.2026-01.com.example:{number}", "lun": 0}
        | {"readOnly": read_only},
        "rbd": {
            "monitors": scene.some(("10.0.0.1:6789", "10.0.0.2:6789", "10.0.0.3:6789"), 1, 2),
            "image": "image",
            "pool": scene.pick(("rbd", "fast")),
            "readOnly": read_only,
        },
    }
    return dict(sources[kind])


# -- how many volumes of a driver a node takes ---------------------------------------------------------------------

LIMITED = "few.example.com"
WANTED = "wanted.example.com"


def equip_limits(scene: Scene) -> None:
    there = {"storageCapacity": False, "preventPodSchedulingIfMissing": True}
    scene.objects += [
        {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": WANTED}, "spec": there},
        storage_class("wanted", WANTED, "Immediate"),
        storage_class("few", LIMITED, "Immediate"),
        storage_class("few-later", LIMITED, "WaitForFirstConsumer"),
    ]
    for node in scene.nodes:
        limited: dict[str, Any] = {"name": LIMITED, "nodeID": name_of(node), "topologyKeys": []}
        if scene.hit(0.85):
            limited["allocatable"] = {"count": scene.pick((1, 2, 3))}
        drivers = [limited]
        if scene.hit(0.7):
            drivers.append({"name": WANTED, "nodeID": name_of(node), "topologyKeys": []})
        if scene.hit(0.9):
            scene.objects.append(
                {
                    "apiVersion": "storage.k8s.io/v1",
                    "kind": "CSINode",
                    "metadata": {"name": name_of(node)},
                    "spec": {"drivers": drivers},
                }
            )
    for namespace in NAMESPACES:
        for number in range(6):
            own = claim(namespace, f"few-{number}", "few", accessModes=["ReadWriteMany"])
            volume_ = volume(scene, f"{namespace}-few-{number}", "few", driver=LIMITED, accessModes=["ReadWriteMany"])
            volume_["spec"].pop("nodeAffinity", None)
            if scene.hit(0.15):
                volume_["spec"]["csi"]["volumeHandle"] = "handle-of-several"
            bind(own, volume_)
            _add(scene, "limited", own, volume_)
        _add(scene, "limited-waiting", claim(namespace, "few-later", "few-later"))
        own = claim(namespace, "wanted", "wanted")
        volume_ = volume(scene, f"{namespace}-wanted", "wanted", driver=WANTED)
        bind(own, volume_)
        _add(scene, "wanted", own, volume_)
    volumes = [each for each in scene.objects if each["kind"] == "PersistentVolume"]
    for number, node in enumerate(scene.some(scene.nodes, 1, len(scene.nodes) // 2)):
        _attach(scene, number, node, scene.pick([each for each in volumes if each["spec"]["csi"]["driver"] == LIMITED]))


def _attach(scene: Scene, number: int, node: Document, volume_: Document) -> None:
    """A volume that is attached still, or already, whatever pods say."""
    scene.objects.append(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "VolumeAttachment",
            "metadata": {"name": f"attachment-{number}"},
            "spec": {
                "attacher": LIMITED,
                "nodeName": name_of(node),
                "source": {"persistentVolumeName": name_of(volume_)},
            },
        }
    )


def ask_limited(scene: Scene, pod: Document) -> Traits:
    if scene.hit(0.2):
        use(pod, scene.pick(_claims(scene, pod, "limited-waiting")))
        return {"limited claim that waits"}
    if scene.hit(0.2):
        use(pod, _claims(scene, pod, "wanted")[0])
        return {"driver has to be there"}
    chosen = scene.some(_claims(scene, pod, "limited"), 1, 2)
    for name in chosen:
        use(pod, name)
    return {"limited claims" if len(chosen) > 1 else "limited claim"}


BOUND_CLAIMS = Rule(
    equip_bound,
    ask_bound,
    (
        "claim missing",
        "ephemeral claim missing",
        "ephemeral claim of another",
        *(f"claim {trait}" for trait in BOUND_TRAITS),
    ),
)
WAITING_CLAIMS = Rule(
    equip_waiting, ask_waiting, (*(f"claim {trait}" for trait in WAITING_TRAITS), "two static claims")
)
ONE_POD_CLAIMS = Rule(equip_one_pod, ask_one_pod, ("ReadWriteOncePod",))
DISKS = Rule(nothing, ask_disk, ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd"))
LIMITS = Rule(
    equip_limits,
    ask_limited,
    ("limited claim", "limited claims", "limited claim that waits", "driver has to be there"),
)
