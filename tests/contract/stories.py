"""What a story of the contract suite starts from: a namespace, and short words for what is done in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scheduler.wire.requests import JSON, MERGE
from tests.contract.api import Api, Object

MUSTER = "/apis/muster.dev/v1alpha1"
WATCH_LIST = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


class Story:
    def __init__(self, api: Api, namespace: str) -> None:
        self.namespace = namespace
        self._api = api
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.groups = f"{MUSTER}/namespaces/{namespace}/podgroups"
        self.budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"

    def ask(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> tuple[int, Object]:
        """(HTTP status, the answer's JSON), whatever it is."""
        return self._api.call(method, path, body, content_type)

    def do(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> Object:
        """A request that must succeed."""
        code, answer = self._api.call(method, path, body, content_type)
        assert code < 300, (method, path, code, answer)
        return answer

    def wait(self) -> None:
        """Give the controllers of the cluster a moment."""
        self._api.wait()

    def lines(self, path: str, enough: Callable[[list[Object]], bool]) -> list[Object]:
        return self._api.lines(path, enough)

    def pod(self, name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> Object:
        """Create a pod with one container and no service account."""
        container = {"name": "main", "image": "none", "resources": {"requests": {"cpu": "1"}}}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {"containers": [container], "automountServiceAccountToken": False, **spec},
        }
        return self.do("POST", self.pods, body)

    def group(self, name: str, *, finalizers: tuple[str, ...] = ()) -> Object:
        """Create a PodGroup of two."""
        return self.do("POST", self.groups, group_of(name, finalizers))

    def bind(self, pod: Object, node: str, **precondition: str) -> tuple[int, Object]:
        """Bind a pod with its own UID and version, unless a precondition says otherwise."""
        name = pod["metadata"]["name"]
        known = {"uid": pod["metadata"]["uid"], "resourceVersion": pod["metadata"]["resourceVersion"]}
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, **known, **precondition},
            "target": {"kind": "Node", "name": node},
        }
        return self.ask("POST", f"{self.pods}/{name}/binding", body)

    def running(self, name: str, **more: Any) -> Object:
        """A pod that is bound and says that it runs."""
        code, _ = self.bind(self.pod(name, **more), "n1")
        assert code == 201
        conditions = [{"type": "Ready", "status": "True"}]
        body = {"status": {"phase": "Running", "conditions": conditions}}
        return self.do("PATCH", f"{self.pods}/{name}/status", body, "application/strategic-merge-patch+json")

    def budget(self, name: str, labels: dict[str, str], allowed: int) -> Object:
        """A PodDisruptionBudget with so many disruptions left, as its controller would have written it."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": name},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        }
        self.do("POST", self.budgets, body)
        counts = {"currentHealthy": 1, "desiredHealthy": 0, "expectedPods": 1}
        status = {"observedGeneration": 1, "disruptionsAllowed": allowed, **counts}
        return self.do("PATCH", f"{self.budgets}/{name}/status", {"status": status}, MERGE)

    def evict(self, pod: Object, uid: str = "") -> tuple[int, Object]:
        name = pod["metadata"]["name"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": self.namespace},
            "deleteOptions": {"preconditions": {"uid": uid or pod["metadata"]["uid"]}},
        }
        return self.ask("POST", f"{self.pods}/{name}/eviction", body)


def group_of(name: str, finalizers: tuple[str, ...] = ()) -> Object:
    """The JSON of a PodGroup of two."""
    return {
        "apiVersion": "muster.dev/v1alpha1",
        "kind": "PodGroup",
        "metadata": {"name": name, "finalizers": list(finalizers)},
        "spec": {"minMember": 2},
    }


def conditions(body: Object) -> dict[str, tuple[str, str]]:
    """(status, reason) by condition type."""
    found = body.get("status", {}).get("conditions") or []
    return {each["type"]: (each["status"], each.get("reason", "")) for each in found}


def version(body: Object) -> int:
    return int(body["metadata"]["resourceVersion"])
