"""Where a pod with volumes may go, from the objects of the API to the nodes: as kube-scheduler's plugins decide it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.core.storage_objects import (
    Object,
    Storage,
    claim,
    csi,
    csi_node,
    node,
    pod,
    storage_class,
    thing,
    volume,
)

NODES = (node("a"), node("b"), node("c"))
LATE = storage_class("late")
EBS = storage_class("ebs", provisioner="ebs.csi")


def storage(*objects: Object) -> Storage:
    return Storage(*NODES, LATE, EBS, storage_class("now", late=False, provisioner="ebs.csi"), *objects)


# -- claims that no node can cure --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "trouble"),
    [
        ([], ("ClaimMissing", "data")),
        ([claim("data", phase="Lost", volume="gone")], ("ClaimLost", "data")),
        ([claim("data", deletionTimestamp="2026-11-21T10:00:00Z")], ("ClaimLeaving", "data")),
        ([claim("data", storage_class="now")], ("ClaimUnbound", "data")),
        ([claim("data", storage_class="unheard-of")], ("ClaimUnbound", "data")),
        ([claim("data", storage_class="")], ("ClaimUnbound", "data")),
        ([claim("data", volume="gone")], ("VolumeMissing", "data gone")),
        ([volume("v"), claim("data", volume="v", annotations={})], ("ClaimUnbound", "data")),
    ],
    ids=["missing", "lost", "leaving", "immediate", "no such class", "no class", "no volume", "not completed"],
)
def test_a_claim_that_cannot_be_used_keeps_its_pod_from_every_node(
    objects: list[Object], trouble: tuple[str, str]
) -> None:
    world = storage(pod("p", "data"), *objects)
    assert world.troubles("p") == [trouble]
    assert world.where("p") == set()


def test_the_claim_of_an_ephemeral_volume_is_named_after_pod_and_volume_and_owned_by_the_pod() -> None:
    world = storage(pod("p", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}]))
    assert world.troubles("p") == [("ClaimNotCreated", "p-scratch")]
    world.see(claim("p-scratch", storage_class="ebs"))
    assert world.troubles("p") == [("ClaimNotOwned", "p-scratch")]
    owner = {"uid": "uid-p", "controller": True, "kind": "Pod", "name": "p", "apiVersion": "v1"}
    world.see(claim("p-scratch", storage_class="ebs", ownerReferences=[owner]))
    assert world.troubles("p") == []
    assert world.where("p") == {"a", "b", "c"}


def test_a_pod_without_claims_asks_nothing_of_storage() -> None:
    world = storage(pod("p", volumes=[{"name": "tmp", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]))
    assert world.shape("p").volumes is None
    assert world.store.volumes.unbound() == []


# -- bound claims ------------------------------------------------------------------------------------------------------


def test_the_fields_of_a_volumes_node_affinity_are_left_out() -> None:
    fields = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}
    both = fields | {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["b"]}]}
    for terms, expected in (
        ([fields], {"a", "b", "c"}),
        ([both], {"b"}),
        ([both, fields], {"a", "b", "c"}),
        ([{}], set()),
    ):
        affinity: Object = {"required": {"nodeSelectorTerms": terms}}
        world = storage(pod("p", "data"), claim("data", volume="v"), volume("v", owner="data", nodeAffinity=affinity))
        assert world.where("p") == expected, terms


def test_a_bound_volume_is_used_where_its_node_affinity_allows() -> None:
    world = storage(pod("p", "data"), claim("data", volume="v"), volume("v", nodes=("b", "c"), owner="data"))
    assert world.where("p") == {"b", "c"}
    assert world.refusals("p") == {"volume-binding": 1}


def test_all_volumes_of_a_pod_bind_together() -> None:
    world = storage(
        pod("p", "x", "y"),
        claim("x", volume="v"),
        volume("v", nodes=("a", "b"), owner="x"),
        claim("y", volume="w"),
        volume("w", nodes=("b", "c"), owner="y"),
    )
    assert world.where("p") == {"b"}


ZONE, BETA = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({ZONE: "z1"}, {"one", "none"}),
        ({ZONE: "z1__z2"}, {"one", "two", "none"}),
        ({ZONE: "z1____"}, {"one", "two", "beta", "none"}),
        ({BETA: "z1"}, {"one", "beta", "none"}),
        ({BETA: "z2"}, {"two", "none"}),
        ({"topology.kubernetes.io/region": "r1"}, {"none"}),
    ],
    ids=["zone", "set", "not a set", "beta", "beta for current", "no such label"],
)
def test_zone_labels_of_a_bound_volume_match_the_nodes(labels: dict[str, str], expected: set[str]) -> None:
    nodes = [
        thing("Node", name, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, labels=own)
        for name, own in (("one", {ZONE: "z1"}), ("two", {ZONE: "z2"}), ("beta", {BETA: "z1"}), ("none", {}))
    ]
    amounts = {"allocatable": {"cpu": "8", "pods": "110"}}
    for each in nodes:
        each["status"] |= amounts
    world = Storage(*nodes, pod("p", "data"), claim("data", volume="v"), volume("v", labels=labels, owner="data"))
    assert world.where("p") == expected


# -- claims that wait for their pod ------------------------------------------------------------------------------------


def test_a_waiting_claim_goes_where_a_volume_fits() -> None:
    world = storage(
        pod("p", "data"),
        claim("data", size="10Gi"),
        volume("small", size="5Gi", nodes=("a",)),
        volume("large", size="20Gi", nodes=("b",)),
        volume("other", size="20Gi", nodes=("c",), storage_class="ebs"),
    )
    assert world.where("p") == {"b"}
    world.see(volume("large", size="20Gi", nodes=("b",), owner="somebody"))
    assert world.where("p") == set()


@pytest.mark.parametrize(
    "change",
    [
        {"modes": ("ReadOnlyMany",)},
        {"volumeMode": "Block"},
        {"phase": "Released"},
        {"volumeAttributesClassName": "fast"},
    ],
    ids=["modes", "volume mode", "not available", "attributes"],
)
def test_a_volume_of_another_kind_does_not_serve(change: dict[str, Any]) -> None:
    world = storage(pod("p", "data"), claim("data"), volume("v", nodes=("a",), **change))
    assert world.where("p") == set()
    world.see(volume("v", nodes=("a",)))
    assert world.where("p") == {"a"}


def test_a_selector_of_the_claim_chooses_among_volumes() -> None:
    asked = claim("data")
    asked["spec"]["selector"] = {"matchLabels": {"disk": "nvme"}}
    world = storage(
        pod("p", "data"), asked, volume("v", nodes=("a",)), volume("w", nodes=("b",), labels={"disk": "nvme"})
    )
    assert world.where("p") == {"b"}


def test_two_claims_of_a_pod_need_two_volumes_on_one_node() -> None:
    world = storage(
        pod("p", "small", "large"),
        claim("small", size="5Gi"),
        claim("large", size="10Gi"),
        volume("a1", size="10Gi", nodes=("a",)),
        volume("b1", size="10Gi", nodes=("b",)),
        volume("b2", size="6Gi", nodes=("b",)),
        volume("c1", size="6Gi", nodes=("c",)),
        volume("c2", size="6Gi", nodes=("c",)),
    )
    assert world.where("p") == {"b"}


def test_a_volume_reserved_for_the_claim_is_the_only_one_it_takes() -> None:
    reserved = volume("mine", nodes=("c",), owner="data", phase="Available")
    world = storage(pod("p", "data"), claim("data"), volume("v", nodes=("a",)), reserved)
    assert world.where("p") == {"c"}
    reserved["spec"]["claimRef"]["uid"] = "another-claim-of-that-name"
    world.see({**reserved, "metadata": {**reserved["metadata"], "resourceVersion": "2"}})
    assert world.where("p") == {"a"}


def test_a_volume_that_was_just_chosen_for_one_claim_serves_no_other() -> None:
    world = storage(pod("p", "data"), claim("data"), pod("q", "more"), claim("more"), volume("v", nodes=("a",)))
    assert world.where("q") == {"a"}
    world.store.volumes.choose("v", "team/data")
    assert (world.where("p"), world.where("q")) == ({"a"}, set())
    world.store.volumes.forget("v")
    assert world.where("q") == {"a"}


def test_a_claim_is_provisioned_anywhere_unless_its_class_says_where() -> None:
    world = storage(pod("p", "data"), claim("data", storage_class="ebs"))
    assert world.where("p") == {"a", "b", "c"}
    expression = {"key": "kubernetes.io/hostname", "values": ["a", "b"]}
    world.see(storage_class("ebs", provisioner="ebs.csi", allowedTopologies=[{"matchLabelExpressions": [expression]}]))
    assert world.where("p") == {"a", "b"}
    world.see(storage_class("ebs", provisioner="ebs.csi", allowedTopologies=[{}]))
    assert world.where("p") == set()


def test_what_finds_no_volume_on_a_node_is_provisioned_there() -> None:
    expression = {"key": "kubernetes.io/hostname", "values": ["b"]}
    topologies = [{"matchLabelExpressions": [expression]}]
    world = storage(
        pod("p", "data"),
        claim("data", storage_class="ebs"),
        storage_class("ebs", provisioner="ebs.csi", allowedTopologies=topologies),
        volume("v", nodes=("a",), storage_class="ebs"),
    )
    assert world.where("p") == {"a", "b"}


def test_storage_capacity_counts_where_the_driver_keeps_account() -> None:
    room = {"storageClassName": "ebs", "capacity": "50Gi", "nodeTopology": {"matchLabels": {"rack": "r1"}}}
    world = Storage(
        node("a", rack="r1"),
        node("b", rack="r2"),
        EBS,
        pod("p", "data"),
        claim("data", storage_class="ebs", size="40Gi"),
        thing("CSIStorageCapacity", "one", room),
    )
    assert world.where("p") == {"a", "b"}, "no CSIDriver says that capacity counts"
    world.see(thing("CSIDriver", "ebs.csi", {"spec": {"storageCapacity": True}}))
    assert world.where("p") == {"a"}
    world.see(thing("CSIStorageCapacity", "one", {**room, "maximumVolumeSize": "30Gi"}))
    assert world.where("p") == set()
    everywhere = {"storageClassName": "ebs", "capacity": "50Gi", "nodeTopology": {}}
    world.see(thing("CSIStorageCapacity", "one", everywhere))
    assert world.where("p") == {"a", "b"}
    del everywhere["nodeTopology"]
    world.see(thing("CSIStorageCapacity", "one", everywhere))
    assert world.where("p") == set(), "without a topology the storage is nowhere"


def test_the_selected_node_pins_a_claim() -> None:
    world = storage(pod("p", "data"), claim("data", storage_class="ebs", selected="b"))
    assert world.where("p") == {"b"}
    world.see(claim("data", storage_class="late", selected="b"), volume("v", nodes=("b",)))
    assert world.where("p") == set(), "a selected claim is provisioned, whatever volumes there are"


# -- claims and disks in use -------------------------------------------------------------------------------------------


def test_a_claim_for_one_pod_is_used_by_one_pod_in_the_whole_cluster() -> None:
    data = claim("data", volume="v", modes=("ReadWriteOncePod",))
    running = pod("first", "data", on="a")
    world = storage(data, volume("v", owner="data"), running, pod("p", "data"))
    assert world.where("p") == set()
    assert world.refusals("p") == {"volume-restrictions": 3}
    world.lose(running)
    assert world.where("p") == {"a", "b", "c"}


def test_a_claim_for_many_pods_is_shared() -> None:
    world = storage(claim("data", volume="v"), volume("v", owner="data"), pod("x", "data", on="a"), pod("p", "data"))
    assert world.where("p") == {"a", "b", "c"}


GCE, RBD = "gcePersistentDisk", "rbd"


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        ({GCE: {"pdName": "d"}}, {GCE: {"pdName": "d"}}, {"b", "c"}),
        ({GCE: {"pdName": "d", "readOnly": True}}, {GCE: {"pdName": "d", "readOnly": True}}, {"a", "b", "c"}),
        ({GCE: {"pdName": "d", "readOnly": True}}, {GCE: {"pdName": "d"}}, {"b", "c"}),
        ({GCE: {"pdName": "d"}}, {GCE: {"pdName": "e"}}, {"a", "b", "c"}),
        (
            {"awsElasticBlockStore": {"volumeID": "d", "readOnly": True}},
            {"awsElasticBlockStore": {"volumeID": "d", "readOnly": True}},
            {"b", "c"},
        ),
        ({"iscsi": {"iqn": "d", "lun": 0}}, {"iscsi": {"iqn": "d", "lun": 1}}, {"b", "c"}),
        ({RBD: {"image": "i", "monitors": ["m", "n"]}}, {RBD: {"image": "i", "monitors": ["n"]}}, {"b", "c"}),
        ({RBD: {"image": "i", "monitors": ["m"]}}, {RBD: {"image": "i", "monitors": ["n"]}}, {"a", "b", "c"}),
        (
            {RBD: {"image": "i", "pool": "x", "monitors": ["m"]}},
            {RBD: {"image": "i", "monitors": ["m"]}},
            {"a", "b", "c"},
        ),
    ],
)
def test_a_disk_is_not_shared_on_a_node(there: Object, asked: Object, expected: set[str]) -> None:
    world = storage(
        pod("x", on="a", volumes=[{"name": "disk", **there}]), pod("p", volumes=[{"name": "disk", **asked}])
    )
    assert world.where("p") == expected


# -- how many volumes a node attaches ----------------------------------------------------------------------------------


def test_a_driver_attaches_so_many_distinct_volumes_to_a_node() -> None:
    bound = [
        each
        for name in ("x", "y", "data")
        for each in (claim(name, volume=f"v-{name}"), volume(f"v-{name}", owner=name, csi=csi("ebs.csi", name)))
    ]
    limits = (csi_node("a", ebs_csi=2), csi_node("b", ebs_csi=None), csi_node("c", other_csi=1))
    world = storage(*bound, *limits, pod("one", "x", on="a"), pod("p", "data"))
    assert world.where("p") == {"a", "b", "c"}
    world.see(pod("two", "y", on="a"))
    assert world.where("p") == {"b", "c"}
    assert world.refusals("p") == {"volume-limits": 1}


def test_a_volume_that_another_pod_has_on_the_node_costs_nothing_more() -> None:
    world = storage(
        claim("data", volume="v"),
        volume("v", owner="data", csi=csi("ebs.csi", "h")),
        csi_node("a", ebs_csi=1),
        csi_node("b", ebs_csi=0),
        pod("x", "data", on="a"),
        pod("p", "data"),
    )
    assert world.where("p") == {"a", "c"}


def test_two_volumes_of_one_handle_are_attached_once() -> None:
    world = storage(
        *(claim(name, volume=f"v-{name}") for name in ("one", "two")),
        *(volume(f"v-{name}", owner=name, csi=csi("ebs.csi", "same")) for name in ("one", "two")),
        csi_node("a", ebs_csi=1),
        csi_node("b", ebs_csi=0),
        pod("x", "one", on="a"),
        pod("p", "two"),
    )
    assert world.where("p") == {"a", "c"}


def test_what_is_attached_without_a_pod_counts_once() -> None:
    source = {"attacher": "ebs.csi", "nodeName": "a", "source": {"persistentVolumeName": "w"}}
    world = storage(
        claim("data", volume="v"),
        volume("v", owner="data", csi=csi("ebs.csi", "v")),
        claim("other", volume="w"),
        volume("w", owner="other", csi=csi("ebs.csi", "w")),
        csi_node("a", ebs_csi=2),
        pod("p", "data"),
        thing("VolumeAttachment", "att", {"spec": source}),
        pod("x", "other", on="a"),
    )
    assert world.where("p") == {"a", "b", "c"}, "attached and used by a pod is one volume"
    world.see(csi_node("a", ebs_csi=1))
    assert world.where("p") == {"b", "c"}
    world.lose(pod("x", "other", on="a"))
    assert world.where("p") == {"b", "c"}, "it is still attached"


def test_a_claim_to_be_provisioned_counts_by_its_class() -> None:
    world = storage(
        claim("x", storage_class="ebs"),
        claim("y", storage_class="ebs"),
        pod("p", "x", "y"),
        csi_node("a", ebs_csi=1),
        csi_node("b", ebs_csi=2),
    )
    assert world.where("p") == {"b", "c"}


def test_a_driver_may_have_to_be_on_the_node() -> None:
    world = storage(claim("x", storage_class="ebs"), pod("p", "x"), csi_node("a", ebs_csi=None), csi_node("b"))
    assert world.where("p") == {"a", "b", "c"}
    world.see(thing("CSIDriver", "ebs.csi", {"spec": {"preventPodSchedulingIfMissing": True}}))
    assert world.where("p") == {"a"}


def test_a_node_that_handed_a_plugin_to_a_csi_driver_is_not_modelled() -> None:
    migrated = {"storage.alpha.kubernetes.io/migrated-plugins": "kubernetes.io/aws-ebs,kubernetes.io/gce-pd"}
    disk = {"name": "disk", "gcePersistentDisk": {"pdName": "d"}}
    world = storage(pod("p", volumes=[disk]), csi_node("a", migrated), csi_node("b"))
    assert world.where("p") == {"b", "c"}


# -- features ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "feature"),
    [
        ({"hostNetwork": True, "hostUsers": False}, "UserNamespacesHostNetworkSupport"),
        (
            {"initContainers": [{"name": "i", "restartPolicyRules": [{"action": "RestartAllContainers"}]}]},
            "RestartAllContainersOnContainerExits",
        ),
        (
            {"containers": [{"name": "c", "volumeMounts": [{"bindMountOptions": ["noexec"]}]}]},
            "VolumeBindMountOptions",
        ),
    ],
)
def test_a_feature_that_a_pod_needs_is_declared_by_its_node(spec: Object, feature: str) -> None:
    world = Storage(node("a"), node("b", features=("Else", feature)), pod("p", **spec), pod("q", hostNetwork=True))
    assert world.where("p") == {"b"}
    assert world.refusals("p") == {"declared-features": 1}
    assert world.where("q") == {"a", "b"}


# -- who is like whom --------------------------------------------------------------------------------------------------


def test_pods_with_claims_of_their_own_that_ask_for_the_same_are_alike() -> None:
    world = storage(
        pod("p", "x"), claim("x", storage_class="ebs"), pod("q", "y"), claim("y", storage_class="ebs"), pod("r")
    )
    assert world.shape("p") is world.shape("q")
    assert world.shape("p") != world.shape("r")
    world.see(claim("y", storage_class="ebs", selected="b"))
    assert world.shape("p") != world.shape("q")


def test_counts_come_and_go_with_pods_and_claims() -> None:
    """A claim that is bound while its pod runs counts as its volume from then on."""
    world = storage(claim("x", storage_class="ebs"), pod("p", "x", on="a"))
    facts = world.store.volumes.facts
    assert facts().by_pods == {"a": frozenset({("ebs.csi", "claim team/x")})}
    assert facts() is facts(), "nothing changed"
    world.see(volume("v", owner="x", csi=csi("ebs.csi", "h")), claim("x", storage_class="ebs", volume="v"))
    assert facts().by_pods == {"a": frozenset({("ebs.csi", "h")})}
    world.lose(pod("p", "x", on="a"))
    assert facts().by_pods == {}
    assert facts().in_use == frozenset()
