"""The cycle's world on a real API server: what kube-scheduler and Muster take of memory with the same objects in view.

Nodes and running pods are created once; then each contender starts, reads everything, gets the same pods to place (for
Muster in gangs), and is looked at when all of them are bound. kube-scheduler is one process; ours are the scheduler and
its solver worker, added up.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from testbed import Bed, BedOptions, bulk

from tests.bench.cycle_world import NODE_GPUS, RACK_NODES
from tests.bench.loads import KUBE_SCHEDULER, MUSTER, fleet, pod, pod_group, queue, topology
from tests.bench.measure import columns, usage

Document = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
GANG_PODS = 5
CREATE_AT_ONCE = 5000
SYNC_SECONDS_MAX = 300.0
BIND_SECONDS_MAX = 300.0
REST_SECONDS = 10.0
"""Both give memory back, or start what they start late, a moment after the first load."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """One contender with the whole cluster in view: resident memory of all its processes, now and at its highest."""

    name: str
    processes: int
    resident_mib: float
    peak_mib: float
    bound: int
    wanted: int
    cycles: tuple[Document, ...] = ()
    """The scheduler's own lines about its decisions."""


def running_pods(count: int, nodes: int, fill: float) -> Iterator[Document]:
    """Pods on nodes from their creation on: one-GPU pods up to the fill, the rest without GPUs."""
    gpu_pods = min(count, round(fill * nodes * NODE_GPUS))
    for number in range(count):
        made = pod(f"old-{number:05d}", "nobody", gpus=1 if number < gpu_pods else 0)
        made["spec"]["nodeName"] = f"node-{number % nodes:04d}"
        yield made


@contextmanager
def populated(nodes: int, running: int, fill: float) -> Iterator[Bed]:
    with Bed.up(BedOptions(kwok=False, throughput=True)) as bed:
        bed.apply(ROOT / "manifests" / "namespace.yaml")
        bed.apply(ROOT / "manifests" / "crds")
        bed.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        levels = (("rack", "topology.muster.dev/rack"), ("host", "kubernetes.io/hostname"))
        bed.create([queue(), topology(levels)])
        bed.create(fleet(nodes, RACK_NODES))
        several: list[Document] = []
        for made in running_pods(running, nodes, fill):
            several.append(made)
            if len(several) == CREATE_AT_ONCE:
                bed.create(several)
                several = []
        bed.create(several)
        yield bed


def load(scheduler: str, gangs: int) -> list[Document]:
    """So many gangs of one-GPU pods in one rack each; for kube-scheduler the pods alone."""
    grouped = scheduler == MUSTER
    names = [f"new-{scheduler}-{number:04d}" for number in range(gangs)]
    groups = [pod_group(name, GANG_PODS, "rack") for name in names] if grouped else []
    pods = [
        pod(f"{name}-{index}", scheduler, group=name if grouped else "") for name in names for index in range(GANG_PODS)
    ]
    return [*groups, *pods]


async def bound(target: bulk.Target, scheduler: str) -> int:
    """How many pods of the load have a node."""
    async with target.session(1) as session:
        path = f"/api/v1/namespaces/default/pods?fieldSelector=spec.schedulerName%3D{scheduler}"
        async with session.get(path) as answer:
            found = json.loads(await answer.read())["items"]
    return sum(1 for each in found if "nodeName" in each["spec"])


def until(done: Callable[[], bool], seconds_max: float, pause_seconds: float) -> None:
    deadline = time.monotonic() + seconds_max
    while not done() and time.monotonic() < deadline:
        time.sleep(pause_seconds)


def place_all(bed: Bed, scheduler: str, gangs: int) -> int:
    bed.create(load(scheduler, gangs))
    until(lambda: asyncio.run(bound(bed.target, scheduler)) >= gangs * GANG_PODS, BIND_SECONDS_MAX, 2.0)
    time.sleep(REST_SECONDS)
    return asyncio.run(bound(bed.target, scheduler))


def settled_mib(pid: int) -> float:
    """Resident memory once it no longer grows: everything has been read."""
    before, now = -1.0, resident_mib(pid)
    deadline = time.monotonic() + SYNC_SECONDS_MAX
    while now > before * 1.01 and time.monotonic() < deadline:
        time.sleep(5.0)
        before, now = now, resident_mib(pid)
    return now


def resident_mib(pid: int) -> float:
    """A process with all its descendants."""
    root = psutil.Process(pid)
    return float(sum(each.memory_info().rss for each in (root, *root.children(recursive=True)))) / 2**20


def of_kube_scheduler(bed: Bed, gangs: int) -> Footprint:
    bed.start_component("kube-scheduler")
    pid = bed.pids()["kube-scheduler"]
    settled_mib(pid)
    placed = place_all(bed, KUBE_SCHEDULER, gangs)
    found = Footprint("kube-scheduler", 1, resident_mib(pid), usage(pid).peak_mib, placed, gangs * GANG_PODS)
    bed.stop_component("kube-scheduler")
    return found


def of_muster(bed: Bed, gangs: int) -> Footprint:
    command = [sys.executable, "-m", "scheduler", "run", "--kubeconfig", str(bed.kubeconfig), "--listen", ""]
    command += ["--log-format", "json"]
    with TemporaryDirectory() as folder, (Path(folder) / "muster.log").open("w") as log:
        path = Path(log.name)
        child = subprocess.Popen(command, cwd=ROOT, stderr=log, env={**os.environ, "MUSTER_IDENTITY": "bench"})
        try:
            until(lambda: '"synced"' in path.read_text(), SYNC_SECONDS_MAX, 0.5)
            # The solver worker counts too: it starts in the first calm moment.
            until(lambda: len(psutil.Process(child.pid).children()) > 0, 60.0, 0.5)
            settled_mib(child.pid)
            placed = place_all(bed, MUSTER, gangs)
            taken = usage(child.pid)
            resident = resident_mib(child.pid)
        finally:
            child.terminate()
            child.wait(30)
        cycles = tuple(_cycle_lines(path.read_text()))
    return Footprint(
        "muster with its worker", taken.processes, resident, taken.peak_mib, placed, gangs * GANG_PODS, cycles
    )


def _cycle_lines(text: str) -> Iterator[Document]:
    for line in text.splitlines():
        if line.startswith("{") and '"cycle"' in line:
            yield json.loads(line)


def compare(nodes: int, running: int, gangs: int, fill: float) -> list[Footprint]:
    with populated(nodes, running, fill) as bed:
        return [of_kube_scheduler(bed, gangs), of_muster(bed, gangs)]


def report(footprints: list[Footprint]) -> None:
    rows = [["contender", "processes", "resident MiB", "peak MiB", "pods bound"]]
    rows += [
        [
            each.name,
            str(each.processes),
            f"{each.resident_mib:.0f}",
            f"{each.peak_mib:.0f}",
            f"{each.bound}/{each.wanted}",
        ]
        for each in footprints
    ]
    print(columns(rows))
    theirs, ours = footprints
    print(f"ours / kube-scheduler: resident {ours.resident_mib / theirs.resident_mib:.2f}, ", end="")
    print(f"peak {ours.peak_mib / theirs.peak_mib:.2f}")
    deciding = [each["snapshot_ms"] + each["decide_ms"] for each in ours.cycles]
    if deciding:
        print(f"{len(deciding)} decisions, each with its snapshot at most {max(deciding):.0f} ms besides its solves")
