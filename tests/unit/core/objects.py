"""Pods, nodes and namespaces as the API server would tell of them, and what the scheduler makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scheduler.core.engine import Engine
from scheduler.model import events as ev
from scheduler.model.events import Event
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue
from scheduler.model.work import Pod
from scheduler.solver.asks.filters import feasible
from scheduler.wire.decode import Decoder

Raw = dict[str, Any]


def node(name: str, *, taints: list[Raw] | None = None, **labels: str) -> Raw:
    """A node that is ready; ``zone_`` and the like: a trailing underscore is left out of the label's key."""
    return {
        "kind": "nodes",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "spec": {"taints": taints or []},
        "status": {
            "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def namespace(name: str, **labels: str) -> Raw:
    return {"kind": "namespaces", "metadata": {"name": name, "labels": labels}}


def pod(
    name: str,
    on: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    namespace: str = "team",
    leaving: bool = False,
    ports: list[Raw] | None = None,
    ours: bool = True,
    **spec: Any,
) -> Raw:
    """A pod that asks for one CPU; ``spec`` is added to its specification."""
    meta: Raw = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
    if leaving:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    container = {"name": "c", "resources": {"requests": {"cpu": "1"}}, "ports": ports or []}
    return {
        "kind": "pods",
        "metadata": {**meta, "labels": dict(labels or {})},
        "spec": {
            "containers": [container],
            "schedulerName": "muster" if ours else "default-scheduler",
            "nodeName": on,
            **spec,
        },
        "status": {"phase": "Running" if on else "Pending"},
    }


def apart(key: str, app: str, **more: Any) -> Raw:
    """``affinity`` with required anti-affinity to pods with the label ``app``."""
    return {"affinity": {"podAntiAffinity": _required(key, app, more)}}


def near(key: str, app: str, **more: Any) -> Raw:
    """``affinity`` with required affinity to pods with the label ``app``."""
    return {"affinity": {"podAffinity": _required(key, app, more)}}


def _required(key: str, app: str, more: Raw) -> Raw:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def spread(key: str, app: str, skew: int = 1, **more: Any) -> Raw:
    """One topology spread constraint over pods with the label ``app``."""
    selector = {"matchLabels": {"app": app}}
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector,
        **more,
    }


def events(*objects: Raw) -> list[Event]:
    decoder = Decoder()
    seen = [decoder.object(each["kind"], json.dumps(each).encode())[0] for each in objects]
    return [each for each in seen if isinstance(each, Event)]


def engine_of(*objects: Raw) -> Engine:
    """An engine that has seen these objects and leads, but has not decided anything."""
    engine = Engine(Policy())
    engine.handle([ev.QueueSeen(Queue("default")), *events(*objects)], 0.0)
    return engine


def accepted(waiting: Raw, *objects: Raw) -> list[str]:
    """The nodes that a pod could be bound to among these objects."""
    engine = engine_of(*objects, waiting)
    (found,) = (each for each in events(waiting) if isinstance(each, ev.PodSeen))
    observed: Pod = found.pod
    mask, counts = feasible(engine.snapshot(), observed, engine.policy)
    names = [each.name for each in engine.store.table().nodes]
    assert sum(number for _, number in counts) == len(names) - int(mask.sum())
    return [name for name, fits in zip(names, mask.tolist(), strict=True) if fits]
