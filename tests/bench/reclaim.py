"""One gang takes back half of a full fleet, on a real control plane: from the first create to the last bind.

Queue qa is guaranteed half of the GPUs and fills all with pods of one GPU; qb, guaranteed the other half, then asks for
a gang of one-GPU pods as large as its guarantee. The bound is what the API server and kwok alone take for as many
creates, evictions with the deletes that follow, and binds, each measured in the same bed before and after: on a shared
machine one of them alone may meet a fast or a slow minute.

    python -m tests.bench.reclaim [--nodes 100] [--grace 0] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from testbed import Bed, BedOptions
from testbed.bulk import Request, run

from tests.bench.bare import bind_all
from tests.bench.loads import MUSTER, fleet, pod, pod_group, queue
from tests.bench.measure import BindsFollowed, columns, machine, write_json

Document = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
PODS = "/api/v1/namespaces/default/pods"
NODE_GPUS = 8
RACK_NODES = 10
WAIT_SECONDS_MAX = 300.0
PUBLISHED = {100: "Volcano 8.8 s, KAI 13.9 s, Kueue 26.8 s", 500: "Volcano 44.9 s, KAI 120.6 s"}
"""Measured elsewhere on two cores, with a bed like this one."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What one kind of call costs by itself, in calls per second; evictions until the pods are gone."""

    creates: float
    binds: float
    evictions: float

    def seconds(self, pods: int) -> float:
        return pods / self.creates + pods / self.evictions + pods / self.binds


@dataclass(frozen=True, slots=True)
class Reclaimed:
    nodes: int
    pods: int
    grace_seconds: int
    fill_seconds: float
    created_seconds: float
    first_bind_seconds: float
    last_bind_seconds: float
    bound_seconds: float
    evicted: int
    auditor: str


def guaranteed(name: str, gpus: int) -> Document:
    made = queue(name)
    made["spec"]["resources"] = [{"name": "nvidia.com/gpu", "guaranteed": str(gpus)}]
    return made


def of_queue(document: Document, name: str, grace_seconds: int) -> Document:
    document["metadata"]["labels"]["muster.dev/queue"] = name
    document["spec"]["terminationGracePeriodSeconds"] = grace_seconds
    return document


@contextmanager
def prepared(nodes: int) -> Iterator[Bed]:
    with Bed.up(BedOptions(throughput=True, audit=True)) as bed:
        bed.apply(ROOT / "manifests" / "namespace.yaml")
        bed.apply(ROOT / "manifests" / "crds")
        bed.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        half = nodes * NODE_GPUS // 2
        bed.create([guaranteed("qa", half), guaranteed("qb", half), *fleet(nodes, RACK_NODES)])
        yield bed


def measured_ceiling(bed: Bed, count: int) -> Ceiling:
    """So many pods of nobody's are created, bound, evicted, and gone, beside whatever else runs."""
    created = bed.create([pod(f"ceiling-{number:05d}", "nobody") for number in range(count)])
    began = time.monotonic()
    bound = asyncio.run(bind_all(bed.server, bed.token, bed.ca_file, 16))
    binds = bound / (time.monotonic() - began)
    until(lambda: running(bed, "ceiling-") == count)
    began = time.monotonic()
    evictions = []
    for number in range(count):
        name = f"ceiling-{number:05d}"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": "default"},
            "deleteOptions": {"gracePeriodSeconds": 0},
        }
        evictions.append(Request("POST", f"{PODS}/{name}/eviction", json.dumps(body).encode()))
    asyncio.run(run(bed.target, evictions))
    until(lambda: not pods_of(bed, "ceiling-"))
    return Ceiling(created.per_second, binds, count / (time.monotonic() - began))


def pods_of(bed: Bed, prefix: str = "") -> list[Document]:
    found: list[Document] = json.loads(bed.kubectl("get", "--raw", PODS).stdout)["items"]
    return [each for each in found if each["metadata"]["name"].startswith(prefix)]


def running(bed: Bed, prefix: str = "") -> int:
    return sum(each["status"].get("phase") == "Running" for each in pods_of(bed, prefix))


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("reclaim: gave up after 300 s; look at the scheduler's log")
        time.sleep(0.2)


@contextmanager
def scheduler(bed: Bed) -> Iterator[None]:
    command = [sys.executable, "-m", "scheduler", "run", "--kubeconfig", str(bed.kubeconfig), "--listen", ""]
    with TemporaryDirectory() as folder, (Path(folder) / "muster.log").open("w+") as log:
        child = subprocess.Popen(command, cwd=ROOT, stderr=log, env={**os.environ, "MUSTER_IDENTITY": "bench"})
        try:
            yield
        finally:
            child.terminate()
            child.wait(30)


def binds_after(bed: Bed, moment: float, wanted: int) -> tuple[float, float]:
    """The first and the last of so many binds after a moment, in seconds after it."""
    assert bed.audit_log is not None
    deadline = time.time() + WAIT_SECONDS_MAX
    followed = BindsFollowed(bed.audit_log, moment)
    while time.time() < deadline:
        binds = followed.read()
        if binds.count >= wanted:
            return binds.first_seconds - moment, binds.last_seconds - moment
        time.sleep(0.5)
    raise SystemExit(f"reclaim: only {binds.count} of {wanted} pods were bound in {WAIT_SECONDS_MAX:.0f} s")


def evictions_in(audit_log: Path) -> int:
    with audit_log.open("rb") as lines:
        return sum(b'"subresource":"eviction"' in line and b'"code":201' in line for line in lines)


def audited(bed: Bed) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "auditor", "check", "-o", "json"),
            *("--kubeconfig", str(bed.kubeconfig), "--audit-log", str(bed.audit_log)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "kwok-clusters")},
    )
    return "clean" if done.returncode == 0 else f"exit {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}"


def reclaim(nodes: int, grace_seconds: int) -> Reclaimed:
    total, half = nodes * NODE_GPUS, nodes * NODE_GPUS // 2
    with prepared(nodes) as bed:
        before_seconds = measured_ceiling(bed, half).seconds(half)
        assert bed.audit_log is not None
        evicted_before = evictions_in(bed.audit_log)
        with scheduler(bed):
            began = time.time()
            bed.create([of_queue(pod(f"qa-{number:05d}", MUSTER), "qa", grace_seconds) for number in range(total)])
            _, filled = binds_after(bed, began, total)
            until(lambda: running(bed) == total)
            time.sleep(5.0)
            group = pod_group("hero", half)
            group["spec"]["queue"] = "qb"
            members = [pod(f"qb-{number:05d}", MUSTER, group="hero") for number in range(half)]
            began = time.time()
            bed.create([group])
            created = bed.create([of_queue(each, "qb", grace_seconds) for each in members])
            first, last = binds_after(bed, began, half)
            time.sleep(2.0)
        evicted, auditor = evictions_in(bed.audit_log) - evicted_before, audited(bed)
        after_seconds = measured_ceiling(bed, half).seconds(half)
        return Reclaimed(
            nodes,
            half,
            grace_seconds,
            filled,
            created.seconds,
            first,
            last,
            (before_seconds + after_seconds) / 2 + grace_seconds,
            evicted,
            auditor,
        )


def table(runs: Sequence[Reclaimed]) -> str:
    head = (
        "nodes",
        "gang",
        "grace",
        "fill",
        "create",
        "first bind",
        "last bind",
        "API bound",
        "of it",
        "evicted",
        "auditor",
    )
    rows = [
        (
            str(each.nodes),
            str(each.pods),
            f"{each.grace_seconds} s",
            *(f"{seconds:.1f} s" for seconds in (each.fill_seconds, each.created_seconds, each.first_bind_seconds)),
            f"{each.last_bind_seconds:.1f} s",
            f"{each.bound_seconds:.1f} s",
            f"{each.last_bind_seconds / each.bound_seconds:.2f} x",
            str(each.evicted),
            each.auditor,
        )
        for each in runs
    ]
    return columns([head, *rows])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", type=int, nargs="+", default=[100])
    options.add_argument("--grace", type=int, nargs="+", default=[0], help="termination grace of all pods, seconds")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    runs = [reclaim(nodes, grace) for nodes in given.nodes for grace in given.grace]
    print(table(runs))
    for nodes in given.nodes:
        if nodes in PUBLISHED:
            print(f"{nodes} nodes elsewhere, measured the same way: {PUBLISHED[nodes]}")
    write_json(given.json, {"benchmark": "reclaim", "machine": machine(), "runs": [asdict(each) for each in runs]})


if __name__ == "__main__":
    main()
