"""Volumes and claims, as the scheduler finds and changes them: told to the simulated API server and to the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.work import GangKey
from scheduler.wire.decode import Decoder
from scheduler.wire.requests import event_for, request_for
from tests.contract.api import Api, Object, RealApi
from tests.contract.stories import Story, version

STORAGE = "/apis/storage.k8s.io/v1"
VOLUMES = "/api/v1/persistentvolumes"
GANG = GangKey("team/gang")


def claim_of(name: str, storage_class: str) -> Object:
    spec = {
        "storageClassName": storage_class,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def volume_of(name: str, storage_class: str) -> Object:
    host = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}
    spec = {
        "storageClassName": storage_class,
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "2Gi"},
        "local": {"path": "/mnt/disk"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def real_api() -> Iterator[Api]:
    """Here the volume controller of kube-controller-manager has its part."""
    from testbed import Bed, BedOptions

    with Bed.up(BedOptions(kwok=False, controller_manager=True)) as bed:
        yield RealApi(bed.server, bed.token, bed.ca_file)


@pytest.fixture
def storage_class(story: Story) -> str:
    """A class of its own whose volumes are made by hand and wait for a pod."""
    name = f"late-{story.namespace}"[:60].strip("-")
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    story.do("POST", f"{STORAGE}/storageclasses", body)
    return name


def claims(story: Story) -> str:
    return f"/api/v1/namespaces/{story.namespace}/persistentvolumeclaims"


def perform(story: Story, effect: ef.Effect) -> ev.Event:
    request = request_for(effect, 0.0)
    code, answer = story.ask(request.method, request.path, msgspec.json.decode(request.body), request.content_type)
    return event_for(effect, code, msgspec.json.encode(answer))


def read(kind: str, body: Object) -> Any:
    event, _ = Decoder().object(kind, msgspec.json.encode(body))
    assert isinstance(event, ev.StorageSeen), event
    return event.object


def until(story: Story, kind: str, path: str, reached: Callable[[Any], bool]) -> Any:
    """Look again and again until an object is as it should be."""
    found = None
    for _ in range(100):
        found = read(kind, story.do("GET", path))
        if reached(found):
            return found
        story.wait()
    raise AssertionError(f"it stays at {found}")


def test_claims_and_volumes_are_read_as_they_stand(story: Story, storage_class: str) -> None:
    claim = read("persistentvolumeclaims", story.do("POST", claims(story), claim_of("data", storage_class)))
    assert (claim.storage_class, claim.request, claim.modes) == (storage_class, 2**30, ("ReadWriteOnce",))
    assert not claim.bound
    body = volume_of(f"disk-{story.namespace}", storage_class)
    volume = read("persistentvolumes", story.do("POST", VOLUMES, body))
    assert (volume.capacity, volume.claim, volume.volume_mode) == (2 * 2**30, "", "Filesystem")
    (term,) = volume.node_terms
    assert term.expressions[0].values == ("n1",)
    found = read("storageclasses", story.do("GET", f"{STORAGE}/storageclasses/{storage_class}"))
    assert (found.waits, found.provisions) == (True, False)


def test_a_node_is_selected_once_per_version(story: Story, storage_class: str) -> None:
    claim = story.do("POST", claims(story), claim_of("data", storage_class))
    meta = claim["metadata"]
    effect = ef.SelectNode(story.namespace, "data", meta["uid"], meta["resourceVersion"], "n1", GANG)
    answer = perform(story, effect)
    assert isinstance(answer, ev.Done)
    found = story.do("GET", f"{claims(story)}/data")
    assert read("persistentvolumeclaims", found).selected_node == "n1"
    assert int(answer.version) > int(meta["resourceVersion"])
    again = perform(story, effect)
    assert isinstance(again, ev.Failed)
    assert again.status == 409


def test_a_volume_is_reserved_once_per_version_and_then_bound(story: Story, storage_class: str) -> None:
    """We name the claim in the volume; the volume controller binds the two."""
    claim = story.do("POST", claims(story), claim_of("data", storage_class))
    name = f"disk-{story.namespace}"
    story.do("POST", VOLUMES, volume_of(name, storage_class))
    until(story, "persistentvolumes", f"{VOLUMES}/{name}", lambda found: found.available)
    volume = story.do("GET", f"{VOLUMES}/{name}")
    uid = claim["metadata"]["uid"]
    effect = ef.ReserveVolume(name, volume["metadata"]["resourceVersion"], story.namespace, "data", uid, GANG)
    answer = perform(story, effect)
    assert isinstance(answer, ev.Done)
    reserved = read("persistentvolumes", story.do("GET", f"{VOLUMES}/{name}"))
    assert (reserved.claim, reserved.claim_uid) == (f"{story.namespace}/data", uid)
    bound = until(story, "persistentvolumeclaims", f"{claims(story)}/data", lambda found: found.bound)
    assert bound.volume == name
    until(story, "persistentvolumes", f"{VOLUMES}/{name}", lambda found: not found.available)
    stale = perform(story, effect)
    assert isinstance(stale, ev.Failed)
    assert stale.status == 409
    assert version(story.do("GET", f"{VOLUMES}/{name}")) >= int(answer.version)
