"""The steps that make a pod's claims ready on its node, and the last look at a decision's volumes."""

from __future__ import annotations

import msgspec
import pytest

from scheduler.core.gangs.resolve import single_gang
from scheduler.core.verify.admission import Admission
from scheduler.core.verify.volumes import volume_refusal
from scheduler.core.volumes.preparing import Preparer, Step
from scheduler.model.effects import ReserveVolume, SelectNode
from scheduler.model.plan import Decision
from scheduler.model.policy import Patience, Policy
from scheduler.model.work import GangKey, NodeCount, Place
from tests.unit.core.storage_objects import Object, Storage, claim, csi, csi_node, node, pod, storage_class, volume

NODES = (node("a"), node("b"))
CLASSES = (storage_class("late"), storage_class("ebs", provisioner="ebs.csi"))
GANG = GangKey("team/g")


class Case:
    """A pod ``p`` with the claim ``data`` that was given the node ``a``."""

    def __init__(self, *objects: Object) -> None:
        self.storage = Storage(*NODES, *CLASSES, pod("p", "data"), *objects)
        self.preparer = Preparer(self.storage.store, Patience(bind_retry_seconds=1.0))

    def step(self, now_seconds: float = 0.0) -> Step:
        return self.preparer.prepare(self.storage.store.pods["uid-p"], "a", GANG, now_seconds)

    def refused(self) -> str:
        refusal = self.step().refusal
        return "" if refusal is None else refusal.code


def test_the_smallest_volume_that_fits_is_reserved_once() -> None:
    case = Case(
        claim("data"),
        volume("large", size="50Gi", nodes=("a",)),
        volume("small", size="20Gi", nodes=("a",)),
        volume("elsewhere", nodes=("b",)),
    )
    (effect,) = case.step().effects
    assert effect == ReserveVolume("small", "1", "team", "data", "uid-data", GANG)
    assert case.step() == Step(), "it is on its way"
    case.preparer.done(effect, "2")
    case.storage.see(volume("small", size="20Gi", nodes=("a",), owner="data", phase="Available"))
    assert case.step() == Step(), "the volume controller has its turn"
    case.storage.see(claim("data", volume="small"))
    assert case.step().ready


def test_without_a_volume_the_node_is_selected_and_what_the_provisioner_says_is_awaited() -> None:
    case = Case(claim("data", storage_class="ebs"))
    (effect,) = case.step().effects
    assert effect == SelectNode("team", "data", "uid-data", "1", "a", GANG)
    case.preparer.done(effect, "2")
    assert case.step() == Step(), "our own write is not seen yet"
    case.storage.see(claim("data", storage_class="ebs", selected="a", resourceVersion="2"))
    assert case.step() == Step()
    case.storage.see(claim("data", storage_class="ebs", resourceVersion="3"))
    assert case.refused() == "ProvisioningFailed"


def test_a_lost_write_is_made_again_after_a_pause() -> None:
    case = Case(claim("data", storage_class="ebs"))
    (effect,) = case.step().effects
    assert isinstance(effect, SelectNode)
    case.preparer.failed(effect, 10.0)
    assert case.step(10.5) == Step()
    assert case.step(11.5).effects == (effect,)


def test_a_lost_write_that_took_place_is_not_made_again() -> None:
    case = Case(claim("data", storage_class="ebs"))
    (effect,) = case.step().effects
    assert isinstance(effect, SelectNode)
    case.preparer.failed(effect, 10.0)
    case.storage.see(claim("data", storage_class="ebs", selected="a", resourceVersion="2"))
    assert case.step(11.5) == Step()


def test_a_volume_that_names_the_claim_without_its_uid_gets_it() -> None:
    named = volume("mine", nodes=("a",), owner="data", phase="Available")
    del named["spec"]["claimRef"]["uid"]
    case = Case(claim("data"), named)
    assert case.step().effects == (ReserveVolume("mine", "1", "team", "data", "uid-data", GANG, chosen=False),)


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        ([], "ClaimGone"),
        ([claim("data", volume="v"), volume("v", nodes=("b",), owner="data")], "BoundElsewhere"),
        ([claim("data"), volume("v", nodes=("b",), owner="data", phase="Available")], "BoundElsewhere"),
        ([claim("data"), volume("v", nodes=("b",))], "NoVolume"),
    ],
    ids=["gone", "bound elsewhere", "reserved elsewhere", "none left"],
)
def test_what_can_never_be_ready_on_the_node_is_said(objects: list[Object], code: str) -> None:
    assert Case(*objects).refused() == code


# -- the last look -----------------------------------------------------------------------------------------------------


def refusal_of(storage: Storage, *nodes: str) -> str:
    """What is said about pods like ``p`` on these nodes, as one gang."""
    single = single_gang(storage.store.with_volumes(storage.store.pods["uid-p"]), "default")
    member = msgspec.structs.replace(single.members[0], count=len(nodes), minimum=len(nodes))
    gang = msgspec.structs.replace(single, members=(member,))
    places = (Place("pod", tuple(NodeCount(each, nodes.count(each)) for each in sorted(set(nodes)))),)
    admission = Admission(storage.store, Policy())
    refusal = volume_refusal(storage.store, admission, gang, Decision(gang.key, places))
    return "" if refusal is None else refusal.code


def test_a_claim_for_one_pod_is_not_given_to_two() -> None:
    data = claim("data", volume="v", modes=("ReadWriteOncePod",))
    storage = Storage(*NODES, *CLASSES, data, volume("v", owner="data"), pod("p", "data"))
    assert refusal_of(storage, "a") == ""
    assert refusal_of(storage, "a", "b") == "ClaimInUse"
    storage.see(pod("other", "data", on="b"))
    assert refusal_of(storage, "a") == "Changed"


def test_no_more_volumes_are_attached_than_the_node_may() -> None:
    storage = Storage(*NODES, *CLASSES, claim("data", storage_class="ebs"), pod("p", "data"), csi_node("a", ebs_csi=2))
    assert refusal_of(storage, "a", "a") == ""
    assert refusal_of(storage, "a", "a", "a") == "TooMany"
    assert refusal_of(storage, "a", "a", "b") == ""
    storage.see(claim("x", volume="x"), volume("x", owner="x", csi=csi("ebs.csi", "x")), pod("runs", "x", on="a"))
    assert refusal_of(storage, "a", "a") == "TooMany"


def test_a_shared_volume_is_attached_to_a_node_once() -> None:
    storage = Storage(
        *NODES,
        *CLASSES,
        claim("data", volume="v"),
        volume("v", owner="data", csi=csi("ebs.csi", "v")),
        pod("p", "data"),
        pod("q", "data"),
        csi_node("a", ebs_csi=1),
    )
    assert refusal_of(storage, "a", "a", "a") == ""


def test_work_without_volumes_is_not_looked_at() -> None:
    assert refusal_of(Storage(*NODES, pod("p")), "gone") == ""
