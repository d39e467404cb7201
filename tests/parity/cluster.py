"""The real side: a bed with kube-scheduler, a world in its API server, and what kube-scheduler says of each pod."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from testbed import Bed, BedOptions
from testbed.bulk import CONNECTIONS, Request, collection_path, run

from tests.e2e.raw_api import RawApi
from tests.parity.extender import Recorder, recording
from tests.parity.world import NAMESPACES, Document, World, key_of, name_of

GATES = (
    "OpportunisticBatching=false",
    "TaintTolerationComparisonOperators=true",
    "UserNamespacesHostNetworkSupport=true",
    "VolumeBindMountOptions=true",
)
"""A batch of equal pods re-uses the first one's nodes, and is asked about once. The others are alpha in 1.37, and
without them the API server drops or refuses what is to be compared."""

WITHOUT_ADMISSION = ("StorageObjectInUseProtection",)
"""Its finalizers are taken off by a controller that does not run here."""

_Seen = TypeVar("_Seen")

SECONDS_MAX = 60.0
POLL_SECONDS = 0.02
LEAVING_GRACE_SECONDS = 3600
MERGE = "application/merge-patch+json"
REQUESTS_PER_CONNECTION = 10
VOLUMES = "/api/v1/persistentvolumes"
CLAIMS = tuple(f"/api/v1/namespaces/{name}/persistentvolumeclaims" for name in NAMESPACES)
WORLD_KINDS = (
    "/api/v1/nodes",
    VOLUMES,
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/storage.k8s.io/v1/csinodes",
    "/apis/storage.k8s.io/v1/csidrivers",
    "/apis/storage.k8s.io/v1/volumeattachments",
    "/apis/node.k8s.io/v1/runtimeclasses",
    *CLAIMS,
    *(f"/apis/storage.k8s.io/v1/namespaces/{name}/csistoragecapacities" for name in NAMESPACES),
)
"""The collections that a world fills, apart from pods."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What kube-scheduler says of one pod: the nodes that passed all of its filters, and its own words."""

    uid: str
    feasible: frozenset[str]
    message: str


class Cluster:
    """One world after another in one API server; nothing else may run there."""

    def __init__(self, bed: Bed, recorder: Recorder) -> None:
        self._bed = bed
        self._api = RawApi.admin(bed)
        self._recorder = recorder

    @classmethod
    @contextmanager
    def up(cls) -> Iterator[Cluster]:
        """A bed of etcd, kube-apiserver and kube-scheduler until the block is left."""
        with recording() as recorder:
            configuration = {
                "percentageOfNodesToScore": 100,
                "extenders": [{"urlPrefix": recorder.url, "filterVerb": "filter", "nodeCacheCapable": True}],
                "profiles": [{"plugins": {"postFilter": {"disabled": [{"name": "*"}]}}}],
            }
            options = BedOptions(
                kwok=False,
                kube_scheduler=True,
                throughput=True,
                feature_gates=GATES,
                without_admission=WITHOUT_ADMISSION,
                scheduler_configuration=configuration,
            )
            with Bed.up(options) as bed:
                cluster = cls(bed, recorder)
                cluster._create(
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
                    for name, labels in NAMESPACES.items()
                )
                yield cluster
                bed.check()

    # -- loading ---------------------------------------------------------------------------------------------------

    def load(self, world: World) -> None:
        """Create what a world consists of, apart from the pods to be judged. The cluster has to be clear."""
        self._create(world.cluster)
        self._create(world.running)
        graceful = json.dumps({"gracePeriodSeconds": LEAVING_GRACE_SECONDS}).encode()
        leaving = (each for each in (*world.cluster, *world.running) if key_of(each) in world.leaving)
        self._run(Request("DELETE", _path(each), graceful) for each in leaving)

    def clear(self) -> None:
        """Delete everything that worlds are made of."""
        self._delete_pods("")
        now = json.dumps({"gracePeriodSeconds": 0}).encode()
        self._run(Request("DELETE", path, now) for path in WORLD_KINDS)
        # What is left was held by a finalizer of its world.
        held = [f"{path}/{name_of(each)}" for path in (VOLUMES, *CLAIMS) for each in self.items(path)]
        bare = json.dumps({"metadata": {"finalizers": None}}).encode()
        self._run(Request("PATCH", path, bare, MERGE) for path in held)

    def items(self, path: str) -> list[Document]:
        """All objects of a collection, as the API server has them."""
        answer = self._api.send("GET", path)
        assert answer.code == 200, f"{path}: {answer.message}"
        return list(answer.body["items"])

    # -- judging ---------------------------------------------------------------------------------------------------

    def judge(self, pods: Sequence[Document]) -> dict[str, Judgement]:
        """Create pods and wait until kube-scheduler has judged each of them; by name. They stay until `forget`."""
        self._create(pods)
        names = {name_of(each) for each in pods}
        said = self._until(lambda: self._said(), lambda said: names <= said.keys())
        return {
            name: Judgement(uid, self._recorder.feasible.get(uid, frozenset()), message)
            for name, (uid, message) in said.items()
        }

    def forget(self) -> None:
        """Delete the pods that were judged."""
        self._delete_pods("&fieldSelector=spec.nodeName%3D")
        self._recorder.feasible.clear()

    def _said(self) -> dict[str, tuple[str, str]]:
        """(UID, message) of every waiting pod that has been judged, by name."""
        said = {}
        for pod in self.items("/api/v1/pods?fieldSelector=spec.nodeName%3D"):
            for condition in pod["status"].get("conditions") or ():
                if condition["type"] == "PodScheduled":
                    words = f"{condition.get('reason', '')}: {condition.get('message', '')}"
                    said[name_of(pod)] = (pod["metadata"]["uid"], words)
        return said

    # -- requests --------------------------------------------------------------------------------------------------

    def _create(self, documents: Iterable[Document]) -> None:
        """POST all, then write the statuses that creation drops (a node keeps its own)."""
        documents = tuple(documents)
        self._run(Request("POST", collection_path(each), json.dumps(each).encode()) for each in documents)
        self._run(
            Request("PATCH", f"{_path(each)}/status", json.dumps({"status": each["status"]}).encode(), MERGE)
            for each in documents
            if "status" in each and each["kind"] != "Node"
        )

    def _delete_pods(self, selector: str) -> None:
        now = json.dumps({"gracePeriodSeconds": 0}).encode()
        paths = [f"/api/v1/namespaces/{name}/pods?gracePeriodSeconds=0{selector}" for name in NAMESPACES]
        self._run(Request("DELETE", path, now) for path in paths)
        self._until(lambda: [each for path in paths for each in self.items(path)], lambda left: not left)

    def _run(self, requests: Iterable[Request]) -> None:
        requests = tuple(requests)
        if requests:
            connections = min(CONNECTIONS, 1 + len(requests) // REQUESTS_PER_CONNECTION)
            asyncio.run(run(self._bed.target, requests, connections=connections))

    def _until(self, look: Callable[[], _Seen], wanted: Callable[[_Seen], bool]) -> _Seen:
        deadline = time.monotonic() + SECONDS_MAX
        while not wanted(seen := look()):
            self._bed.check()
            assert time.monotonic() < deadline, f"not seen within {SECONDS_MAX:.0f} s; seen last: {seen!r}"
            time.sleep(POLL_SECONDS)
        return seen


def _path(document: Document) -> str:
    return f"{collection_path(document)}/{name_of(document)}"
