"""Raw objects to values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from scheduler.model import events as ev
from scheduler.model.queue import Borrowing, Counts, History, Preemption
from scheduler.model.resources import GPU
from scheduler.model.selector import Requirement, selects
from scheduler.wire.decode import Bookmark, Decoder, Malformed, StreamError

EXAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "examples" / "good"
KINDS = {"PodGroup": "podgroups", "Queue": "queues", "Topology": "topologies"}


def line(kind: str, item: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode()


def pod(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    meta = {"name": "p", "namespace": "team", "uid": "u", "resourceVersion": "5", **metadata}
    return {"metadata": meta, "spec": {"schedulerName": "muster", **spec}, "status": {"phase": "Pending"}}


def seen_pod(spec: dict[str, Any], status: dict[str, Any] | None = None, **metadata: Any) -> ev.PodSeen:
    event, _ = Decoder().line("pods", line("ADDED", pod(spec, **metadata) | {"status": status or {}}))
    assert isinstance(event, ev.PodSeen)
    return event


def container(**requests: str) -> dict[str, Any]:
    return {
        "name": "c",
        "resources": {"requests": {name.replace("gpu", GPU): value for name, value in requests.items()}},
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [container(cpu="1", gpu="2")]}, {"cpu": 1000, GPU: 2000, "pods": 1}),
        ({"containers": [container(cpu="1"), container(cpu="500m")]}, {"cpu": 1500, "pods": 1}),
        (
            {"containers": [container(cpu="1")], "initContainers": [container(cpu="3")]},
            {"cpu": 3000, "pods": 1},
        ),
        (
            {
                "containers": [container(cpu="2")],
                "initContainers": [{**container(cpu="1"), "restartPolicy": "Always"}, container(cpu="1500m")],
            },
            {"cpu": 3000, "pods": 1},
        ),
        (
            {
                "containers": [container(cpu="1")],
                "initContainers": [container(cpu="4"), {**container(cpu="2"), "restartPolicy": "Always"}],
            },
            {"cpu": 4000, "pods": 1},
        ),
        (
            {"containers": [container(cpu="1", gpu="1")], "resources": {"requests": {"cpu": "4"}}},
            {"cpu": 4000, GPU: 1000, "pods": 1},
        ),
        (
            {"containers": [container(memory="1Gi")], "overhead": {"memory": "1Mi"}},
            {"memory": 2**30 + 2**20, "pods": 1},
        ),
    ],
    ids=["plain", "sum", "init", "sidecar before init", "sidecar after init", "pod level", "overhead"],
)
def test_requests_follow_the_formula_of_kube_scheduler(spec: dict[str, Any], expected: dict[str, int]) -> None:
    assert dict(seen_pod(spec).pod.shape.requests) == expected


def reported(name: str, allocated: str, actual: str) -> dict[str, Any]:
    return {"name": name, "allocatedResources": {"cpu": allocated}, "resources": {"requests": {"cpu": actual}}}


INFEASIBLE = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]


@pytest.mark.parametrize(
    ("status", "milli"),
    [
        ({"containerStatuses": [reported("a", "1", "3"), reported("b", "1", "1")]}, 4000),
        # Each of the three is summed up for itself: 2 + 2 specified, 3 + 1 allocated, 1 + 3 actual.
        ({"containerStatuses": [reported("a", "3", "1"), reported("b", "1", "3")]}, 4000),
        ({"containerStatuses": [{"name": "a", "allocatedResources": {"cpu": "5"}}]}, 7000),
        ({"containerStatuses": [reported("a", "1", "1"), reported("b", "1", "1")], "conditions": INFEASIBLE}, 2000),
        ({"containerStatuses": [reported("a", "1", "1")], "conditions": INFEASIBLE}, 1000),
        ({"allocatedResources": {"cpu": "6"}, "resources": {"requests": {"cpu": "5"}}}, 6000),
        ({"allocatedResources": {"cpu": "6"}, "containerStatuses": [reported("a", "3", "3")]}, 5000),
    ],
    ids=["actual", "crossed", "one of two", "infeasible", "infeasible, one of two", "the pod's own", "the pod's half"],
)
def test_a_pod_that_is_being_resized_counts_the_largest_of_its_amounts(status: dict[str, Any], milli: int) -> None:
    containers = [{"name": name, "resources": {"requests": {"cpu": "2"}}} for name in ("a", "b")]
    assert dict(seen_pod({"containers": containers}, status=status).pod.shape.requests)["cpu"] == milli


def test_a_resize_of_pod_level_amounts_counts_the_largest() -> None:
    spec = {"containers": [{"name": "a"}], "resources": {"requests": {"cpu": "2"}}}
    status = {"allocatedResources": {"cpu": "1"}, "resources": {"requests": {"cpu": "3"}}}
    assert dict(seen_pod(spec, status=status).pod.shape.requests)["cpu"] == 3000


@pytest.mark.parametrize(
    ("spec", "feature"),
    [
        ({"resourceClaims": [{"name": "x"}]}, "resourceClaims (dynamic resource allocation)"),
        (
            {"containers": [container(**{"deviceclass.resource.kubernetes.io/fast": "1"})]},
            "deviceclass.resource.kubernetes.io/fast (dynamic resource allocation)",
        ),
    ],
)
def test_what_is_not_decided_on_is_named(spec: dict[str, Any], feature: str) -> None:
    assert seen_pod({"containers": [container(cpu="1")], **spec}).pod.shape.unmodelled == (feature,)


def test_equal_pods_share_one_shape_also_when_bound() -> None:
    decoder = Decoder()
    spec = {"containers": [container(cpu="1")]}
    first, _ = decoder.line("pods", line("ADDED", pod(spec)))
    second, _ = decoder.line("pods", line("MODIFIED", pod({**spec, "nodeName": "n1"}, uid="v")))
    assert isinstance(first, ev.PodSeen)
    assert isinstance(second, ev.PodSeen)
    assert first.pod.shape is second.pod.shape
    assert (first.pod.node, second.pod.node) == ("", "n1")


def test_bookmarks_carry_nulls_and_end_the_initial_list() -> None:
    plain = {"metadata": {"resourceVersion": "9"}, "spec": {"containers": None}}
    assert Decoder().line("pods", line("BOOKMARK", plain))[0] == Bookmark("9", initial_end=False)
    ending = {"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}}
    assert Decoder().line("pods", line("BOOKMARK", ending))[0] == Bookmark("9", initial_end=True)


def test_an_error_line_is_a_status() -> None:
    assert Decoder().line("pods", line("ERROR", {"code": 410, "message": "too old"}))[0] == StreamError(410, "too old")


def test_a_malformed_object_is_named_and_the_stream_goes_on() -> None:
    broken = pod({"containers": [container(cpu="many")]})
    seen, version = Decoder().line("pods", line("ADDED", broken))
    assert isinstance(seen, Malformed)
    assert (seen.kind, seen.name, version) == ("pods", "team/p", "5")
    assert "'many' is not a quantity" in seen.message


def test_a_node_without_a_ready_condition_is_not_ready() -> None:
    bare = {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "4"}}}
    event, _ = Decoder().line("nodes", line("ADDED", bare))
    assert isinstance(event, ev.NodeSeen)
    assert not event.node.ready


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_good_example_is_understood(path: Path) -> None:
    for item in yaml.safe_load_all(path.read_text()):
        kind = KINDS.get(item["kind"])
        if kind is not None:
            seen, _ = Decoder().object(kind, json.dumps(item, default=str).encode())
            assert not isinstance(seen, Malformed), seen


def seen(kind: str, item: dict[str, Any]) -> Any:
    event, _ = Decoder().line(kind, line("ADDED", item))
    return event


def test_what_a_queue_says_about_taking_and_counting() -> None:
    spec = {
        "preemption": {
            "withinQueue": "LowerOrNewerEqualPriority",
            "reclaim": "LowerPriority",
            "whileBorrowing": {"policy": "LowerPriority", "maxPriority": 7},
            "minRuntime": {"preempt": "10m", "reclaim": "1h30m"},
            "delay": "500ms",
        },
        "history": {"halfLife": "168h", "factor": "500m"},
        "limits": {"gangs": 3, "perUser": {"pods": 4, "resources": {GPU: "2", "cpu": "8"}}},
        "namespaceSelector": {"matchLabels": {"team": "a"}},
    }
    queue = seen("queues", {"metadata": {"name": "q"}, "spec": spec}).queue
    assert queue.preemption == Preemption(
        "LowerOrNewerEqualPriority", "LowerPriority", Borrowing("LowerPriority", 7), 600.0, 5400.0, 0.5
    )
    assert queue.history == History(168 * 3600.0, "0.5")
    assert queue.counts == Counts(3, None, None, 4, (("cpu", 8000), (GPU, 2000)))
    assert queue.namespace_selector == (Requirement("team", "In", ("a",)),)


def test_a_queue_that_says_nothing_is_as_its_crd_defaults_it() -> None:
    queue = seen("queues", {"metadata": {"name": "q"}, "spec": {"preemption": {}, "namespaceSelector": {}}}).queue
    assert (queue.preemption, queue.history, queue.counts) == (Preemption(), None, Counts())
    assert queue.namespace_selector == ()


def test_what_a_pod_says_about_giving_way() -> None:
    annotations = {"muster.dev/movable": "false", "muster.dev/last-checkpoint": "2027-01-15T08:00:10Z"}
    status = {
        "startTime": "2027-01-15T08:00:00Z",
        "conditions": [{"type": "muster.dev/Evicted", "status": "True", "reason": "Reclaimed"}],
    }
    found = seen_pod(
        {"preemptionPolicy": "Never"}, status, annotations=annotations, deletionTimestamp="2027-01-15T08:01:00Z"
    ).pod
    assert (found.movable, found.preempts, found.marked_evicted) == (False, False, True)
    assert (found.saved_seconds - found.started_seconds, found.leaves_seconds - found.started_seconds) == (10.0, 60.0)


def test_what_a_group_says_about_giving_way() -> None:
    spec = {
        "minMember": 1,
        "movable": False,
        "stalenessGrace": "1m",
        "preemptionDelay": "0s",
        "checkpoint": {"interval": "10m"},
    }
    meta = {"name": "g", "namespace": "team", "annotations": {"muster.dev/user": "ann", "muster.dev/for-pod": "uid-1"}}
    found = seen("podgroups", {"metadata": meta, "spec": spec, "status": {"evictions": 2}}).group
    assert (found.movable, found.stale_grace_seconds, found.delay_seconds) == (False, 60.0, 0.0)
    assert (found.checkpoint_seconds, found.user, found.for_pod, found.evictions) == (600.0, "ann", "uid-1", 2)


@pytest.mark.parametrize(
    ("generation", "selector", "allowed"),
    [(1, {"matchLabels": {"app": "x"}}, 2), (2, {"matchLabels": {"app": "x"}}, 0), (1, {}, 2), (1, None, 2)],
    ids=["current", "status-of-an-older-generation", "all-pods", "no-pods"],
)
def test_a_budget_allows_what_its_newest_status_says(generation: int, selector: Any, allowed: int) -> None:
    status = {"disruptionsAllowed": 2, "observedGeneration": 1}
    meta = {"name": "b", "namespace": "team", "generation": generation}
    guard = seen("poddisruptionbudgets", {"metadata": meta, "spec": {"selector": selector}, "status": status}).guard
    assert (guard.key, guard.allowed) == ("team/b", allowed)
    assert selects(guard.selector, {"app": "x"}) == (selector is not None)
    assert selects(guard.selector, {}) == (selector == {})


def test_a_class_that_never_preempts() -> None:
    said = seen("priorityclasses", {"metadata": {"name": "c"}, "value": 5, "preemptionPolicy": "Never"})
    assert (said.value, said.preempts) == (5, False)
