"""A bed as users find it, with our kinds and rules: work is submitted and looked at through the API."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from testbed import Bed

from tests.e2e import work
from tests.e2e.raw_api import KINDS_PATH, RawApi, install_kinds
from tests.e2e.work import Document

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
SECONDS_MAX = 60.0
POLL_SECONDS = 0.05

PODS = f"/api/v1/namespaces/{work.NAMESPACE}/pods"
GROUPS = f"{KINDS_PATH}/namespaces/{work.NAMESPACE}/podgroups"
QUEUES = f"{KINDS_PATH}/queues"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{work.NAMESPACE}/events"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a user and an administrator do and see."""

    bed: Bed
    api: RawApi

    @classmethod
    def installed(cls, bed: Bed) -> Self:
        """With our kinds and rules, the queue `default`, and the topology `dc` of the bed's racks and hosts."""
        install_kinds(bed)
        bed.apply(MANIFESTS / "namespace.yaml")
        bed.apply(MANIFESTS / "rbac.yaml")
        levels = {"block": "topology.muster.dev/block", "rack": "topology.muster.dev/rack"}
        topology = work.topology("dc", **levels, host="kubernetes.io/hostname")
        bed.apply(yaml.safe_dump_all([work.queue("default"), topology]))
        return cls(bed, RawApi.admin(bed))

    @property
    def scheduler_kubeconfig(self) -> Path:
        """Exactly the rights of `manifests/rbac.yaml`, so that one that is missing shows up."""
        return self.bed.service_account_kubeconfig("muster-system", "muster")

    # -- submitting ------------------------------------------------------------------------------------------------

    def create(self, *documents: Document) -> None:
        self.bed.create(documents)

    def ensure(self, *documents: Document) -> None:
        """Create what does not exist yet."""
        self.bed.apply(yaml.safe_dump_all(documents))

    def delete(self, path: str, grace_seconds: int | None = None) -> None:
        """Ask for an object, or all of a collection, to be deleted."""
        body = None if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        answer = self.api.send("DELETE", path, body)
        assert answer.code in (HTTPStatus.OK, HTTPStatus.ACCEPTED), answer.message

    def ungate(self, name: str) -> None:
        answer = self.api.merge(f"{PODS}/{name}", {"spec": {"schedulingGates": None}})
        assert answer.code == HTTPStatus.OK, answer.message

    # -- looking ---------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Document | None:
        """The object at a path, None when there is none."""
        answer = self.api.send("GET", path)
        assert answer.code in (HTTPStatus.OK, HTTPStatus.NOT_FOUND), answer.message
        return answer.body if answer.code == HTTPStatus.OK else None

    def items(self, path: str) -> list[Document]:
        answer = self.api.send("GET", path)
        assert answer.code == HTTPStatus.OK, answer.message
        return list(answer.body["items"])

    def group(self, name: str) -> Document:
        found = self.get(f"{GROUPS}/{name}")
        assert found is not None, f"PodGroup {name} does not exist"
        return found

    def status(self, name: str) -> Document:
        """The status of a PodGroup; empty while there is none."""
        return dict(self.group(name).get("status") or {})

    def phase(self, name: str) -> str:
        return str(self.status(name).get("phase", ""))

    def verdict(self, name: str) -> str:
        """Why a gang waits, in words."""
        return str((self.status(name).get("verdict") or {}).get("message", ""))

    def condition(self, name: str, kind: str) -> Document:
        """A condition of a PodGroup; empty while there is none."""
        return condition(self.status(name), kind)

    def node_of(self, pod: str) -> str:
        found = self.get(f"{PODS}/{pod}")
        return "" if found is None else str(found["spec"].get("nodeName", ""))

    def nodes_of(self, gang: str) -> dict[str, str]:
        """The node of every bound pod of a gang, by pod name."""
        pods = self.pods(f"{work.POD_GROUP}={gang}")
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName")}

    def pods(self, selector: str) -> list[Document]:
        """The pods with these labels, such as ``app=web``."""
        return self.items(f"{PODS}?labelSelector={selector}")

    def racks_of(self, gang: str) -> set[str]:
        """The racks that a gang's bound pods stand in."""
        racks = {
            node["metadata"]["name"]: node["metadata"]["labels"]["topology.muster.dev/rack"]
            for node in self.items("/api/v1/nodes")
        }
        return {racks[node] for node in self.nodes_of(gang).values()}

    def recorded(self, gang: str) -> Counter[str]:
        """How many pods the commit record puts on each node; empty while there is no record."""
        record = self.status(gang).get("assignment") or {"places": []}
        counts: Counter[str] = Counter()
        for place in record["places"]:
            for node in place["nodes"]:
                counts[node["name"]] += node["count"]
        return counts

    def told(self, name: str) -> list[str]:
        """The notes of all events about an object, as `reason: note`."""
        selector = f"fieldSelector=regarding.name={name}"
        return [f"{event['reason']}: {event.get('note', '')}" for event in self.items(f"{EVENTS}?{selector}")]

    # -- waiting ---------------------------------------------------------------------------------------------------

    def until(self, look: Callable[[], _T], wanted: Callable[[_T], bool], seconds: float = SECONDS_MAX) -> _T:
        """Look again and again until what is seen is wanted; AssertionError with what was seen last."""
        deadline = time.monotonic() + seconds
        while not wanted(seen := look()):
            assert time.monotonic() < deadline, f"not seen within {seconds:.0f} s; seen last: {seen!r}"
            time.sleep(POLL_SECONDS)
        return seen

    def until_phase(self, gang: str, *phases: str, seconds: float = SECONDS_MAX) -> Document:
        """Wait until a gang is in one of the phases; its status."""
        return self.until(lambda: self.status(gang), lambda status: status.get("phase") in phases, seconds)

    def until_running(self, *gangs: str) -> None:
        for gang in gangs:
            self.until_phase(gang, "Running")

    def until_verdict(self, gang: str, text: str) -> str:
        return self.until(lambda: self.verdict(gang), lambda said: text in said)

    def until_bound(self, pod: str) -> str:
        """Wait until a pod has a node; the node."""
        return self.until(lambda: self.node_of(pod), bool)

    # -- tidying ---------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Delete all work and wait until the scheduler has let go of all gangs: an empty fleet for the next story, with
        no queue but `default`."""
        self.delete(PODS, grace_seconds=0)
        self.delete(GROUPS)
        for name in _names(self.items(QUEUES)):
            if name != "default":
                self.delete(f"{QUEUES}/{name}")
        self.until(lambda: _names(self.items(PODS)), lambda left: not left)
        self.until(lambda: _names(self.items(GROUPS)), lambda left: not left)
        self.until(lambda: _names(self.items(QUEUES)), lambda left: set(left) <= {"default"})


def condition(status: Document, kind: str) -> Document:
    """The condition of a type in a status; empty when there is none."""
    return next((dict(each) for each in status.get("conditions") or () if each["type"] == kind), {})


def _names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]
