"""What the API server says, as it says it: when each pod was seen to exist and to be bound, what each gang is told.

Kubernetes' own timestamps have whole seconds. The moments here are those at which a watch event arrived, of creation
and bind alike, so that differences are good to some milliseconds.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from auditor.sources.cluster import read_kubeconfig
from auditor.sources.watch import Line, Watch
from testbed import Bed
from testbed.fleet import GPU_RESOURCE

from demo.workload import GROUP_LABEL

START_SECONDS_MAX = 20.0
Key = tuple[str, str]
"""(namespace, name)."""


class _Wire(msgspec.Struct, rename="camel"):
    """Base of everything decoded; unknown fields are skipped."""


class _Metadata(_Wire):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class _Condition(_Wire):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _Resources(_Wire):
    requests: dict[str, str] = {}


class _Container(_Wire):
    resources: _Resources = msgspec.field(default_factory=_Resources)


class _Verdict(_Wire):
    cause: str = ""
    message: str = ""


class _Spec(_Wire):
    node_name: str = ""
    containers: list[_Container] | None = None


class _Status(_Wire):
    phase: str = ""
    conditions: list[_Condition] | None = None
    verdict: _Verdict | None = None
    assignment: dict[str, Any] | None = None
    allocatable: dict[str, str] = {}


class _Object(_Wire):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


class _Event(_Wire):
    type: str
    object: _Object


@dataclass(slots=True)
class SeenPod:
    """One pod; moments are seconds since 1970, 0.0 for not yet."""

    namespace: str
    gang: str
    gpus: int
    created_at: float
    bound_at: float = 0.0
    node: str = ""
    moved: bool = False
    finished: bool = False
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class SeenGang:
    """What stands in a PodGroup's status. `recorded_at`: when its commit record was first seen."""

    phase: str = ""
    cause: str = ""
    message: str = ""
    recorded_at: float = 0.0


@dataclass(slots=True)
class SeenNode:
    """One node: its labels and what it offers."""

    labels: dict[str, str]
    allocatable: dict[str, str]


@dataclass(slots=True)
class Sightings:
    """Everything seen so far. Pods that are deleted stay here."""

    pods: dict[Key, SeenPod] = field(default_factory=dict)
    gangs: dict[Key, SeenGang] = field(default_factory=dict)
    nodes: dict[str, SeenNode] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        """Take in one line of a watch stream."""
        if isinstance(line.content, str) or line.kind not in ("pods", "podgroups", "nodes"):
            return
        event = msgspec.json.decode(line.content, type=_Event)
        if event.type not in ("ADDED", "MODIFIED"):
            return
        match line.kind:
            case "pods":
                self._take_pod(event.object, line.at)
            case "podgroups":
                self._take_gang(event.object, line.at)
            case _:
                node = SeenNode(event.object.metadata.labels, event.object.status.allocatable)
                self.nodes[event.object.metadata.name] = node

    def _take_pod(self, found: _Object, at: float) -> None:
        key = (found.metadata.namespace, found.metadata.name)
        pod = self.pods.get(key)
        if pod is None:
            gpus = sum(int(each.resources.requests.get(GPU_RESOURCE, 0)) for each in found.spec.containers or ())
            gang = found.metadata.labels.get(GROUP_LABEL, "")
            pod = self.pods[key] = SeenPod(found.metadata.namespace, gang, gpus, created_at=at)
        if found.spec.node_name and not pod.node:
            pod.node, pod.bound_at = found.spec.node_name, at
        pod.moved = pod.moved or found.spec.node_name not in ("", pod.node)
        pod.finished = found.status.phase in ("Succeeded", "Failed")
        for condition in found.status.conditions or ():
            if condition.type == "PodScheduled":
                said = condition.status == "False"
                pod.reason, pod.message = (condition.reason, condition.message) if said else ("", "")

    def _take_gang(self, found: _Object, at: float) -> None:
        gang = self.gangs.setdefault((found.metadata.namespace, found.metadata.name), SeenGang())
        verdict = found.status.verdict or _Verdict()
        gang.phase, gang.cause, gang.message = found.status.phase, verdict.cause, verdict.message
        if found.status.assignment is not None and not gang.recorded_at:
            gang.recorded_at = at

    def pods_of(self, namespace: str, gang: str) -> list[SeenPod]:
        """The pods of one gang."""
        return [pod for pod in self.pods.values() if pod.gang == gang and pod.namespace == namespace]


class Observer:
    """A thread that watches; take `lock` to read `seen` while it runs."""

    def __init__(self, bed: Bed) -> None:
        self.seen = Sightings()
        self.lock = threading.Lock()
        self._cluster = read_kubeconfig(bed.kubeconfig)
        self._begun = threading.Event()
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.trouble: BaseException | None = None

    @contextmanager
    def watching(self) -> Iterator["Observer"]:
        """Watch for the time of the block; begins when nothing is missed any more."""
        self._thread.start()
        try:
            if not self._begun.wait(START_SECONDS_MAX) or self.trouble is not None:
                raise RuntimeError(f"the API server cannot be watched: {self.trouble or 'no answer'}")
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._loop.close()

    def _run(self) -> None:
        try:
            watch = Watch(self._cluster, self._take)
            self._loop.run_until_complete(watch.run(self._stop, self._begun.set, lambda: None))
        except BaseException as trouble:  # handed to the main thread, which shows it
            self.trouble = trouble
        finally:
            self._begun.set()

    def _take(self, line: Line) -> None:
        with self.lock:
            self.seen.take(line)
