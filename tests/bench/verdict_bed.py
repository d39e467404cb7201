"""The same four kinds of "no" on a real API server: from the request that creates a gang's last pod to the words.

Ours are read from the PodGroup's status; kube-scheduler, which knows no gangs, is done when the last of the same ten
pods carries its condition. Each fleet is created once and both are asked on it, one after the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from testbed import Bed, BedOptions

from tests.bench.loads import KUBE_SCHEDULER, MUSTER, fleet, pod, pod_group, queue, topology
from tests.bench.measure import columns

Document = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
GROUPS = "/apis/muster.dev/v1alpha1/namespaces/default/podgroups"
PODS = "/api/v1/namespaces/default/pods"
POLL_SECONDS = 0.005
WAIT_SECONDS_MAX = 30.0
SYNC_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class BedAnswer:
    """Seconds from the last pod's creation to the words, of each repetition."""

    contender: str
    kind: str
    nodes: int
    seconds: list[float]
    words: str


def filler(number: int, gpus: int) -> Document:
    """A pod of somebody else that holds so many GPUs of a node from its creation on."""
    made = pod(f"old-{number:04d}", "nobody", gpus=gpus)
    made["spec"]["nodeName"] = f"node-{number:04d}"
    return made


@contextmanager
def filled(free_gpus: list[int], rack_nodes: int, quota_gpus: int | None) -> Iterator[Bed]:
    """A bed with a fleet on whose nodes so many GPUs are free, and nobody scheduling yet."""
    with Bed.up(BedOptions(kwok=False, throughput=True)) as bed:
        bed.apply(ROOT / "manifests" / "namespace.yaml")
        bed.apply(ROOT / "manifests" / "crds")
        bed.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        ours = queue()
        if quota_gpus is not None:
            ours["spec"]["resources"] = [{"name": "nvidia.com/gpu", "limit": str(quota_gpus)}]
        levels = (("rack", "topology.muster.dev/rack"), ("host", "kubernetes.io/hostname"))
        bed.create([ours, topology(levels)])
        bed.create(fleet(len(free_gpus), rack_nodes))
        bed.create([filler(number, 8 - free) for number, free in enumerate(free_gpus) if free < 8])
        yield bed


@contextmanager
def muster(bed: Bed) -> Iterator[None]:
    command = [sys.executable, "-m", "scheduler", "run", "--kubeconfig", str(bed.kubeconfig), "--listen", ""]
    environment = {**os.environ, "MUSTER_IDENTITY": "bench"}
    with TemporaryDirectory() as folder, (Path(folder) / "muster.log").open("w+") as log:
        child = subprocess.Popen(command, cwd=ROOT, stderr=log, env=environment)
        try:
            deadline = time.monotonic() + SYNC_SECONDS_MAX
            while "synced" not in Path(log.name).read_text():
                assert time.monotonic() < deadline, f"muster did not come up: {Path(log.name).read_text()[-2000:]}"
                time.sleep(0.1)
            time.sleep(5.0)  # the solver worker starts in the first calm moment; it is not what is measured
            yield
        finally:
            child.terminate()
            child.wait(30)


async def ask(bed: Bed, kind: str, scheduler: str, number: int, pods: int, gpus: int) -> tuple[float, str]:
    """One impossible gang; (seconds until the words stood there, the words)."""
    name = f"no-{scheduler}-{number}"
    ours = scheduler == MUSTER
    async with bed.target.session() as session:
        if ours:
            await _create(session, GROUPS, pod_group(name, pods, "rack" if kind == "rack" else ""))
        for index in range(pods - 1):
            await _create(session, PODS, pod(f"{name}-{index}", scheduler, gpus=gpus, group=name if ours else ""))
        last = f"{name}-{pods - 1}"
        began = time.perf_counter()
        await _create(session, PODS, pod(last, scheduler, gpus=gpus, group=name if ours else ""))
        read = (lambda: _verdict(session, name)) if ours else (lambda: _condition(session, last))
        words = await _until(read, began)
        taken = time.perf_counter() - began
        for index in range(pods):
            await session.delete(f"{PODS}/{name}-{index}?gracePeriodSeconds=0")
        if ours:
            await session.delete(f"{GROUPS}/{name}")
    return taken, words


async def _create(session: aiohttp.ClientSession, path: str, document: Document) -> None:
    async with session.post(path, json=document) as answer:
        assert answer.status < 300, await answer.text()


async def _until(read: Callable[[], Awaitable[str]], began: float) -> str:
    while time.perf_counter() - began < WAIT_SECONDS_MAX:
        if words := await read():
            return words
        await asyncio.sleep(POLL_SECONDS)
    return f"nothing within {WAIT_SECONDS_MAX:.0f} s"


async def _verdict(session: aiohttp.ClientSession, name: str) -> str:
    async with session.get(f"{GROUPS}/{name}") as answer:
        found = json.loads(await answer.read()).get("status", {}).get("verdict", {})
    return str(found.get("message", "")) if found.get("cause") == "Blocked" else ""


async def _condition(session: aiohttp.ClientSession, name: str) -> str:
    async with session.get(f"{PODS}/{name}") as answer:
        found = json.loads(await answer.read()).get("status", {}).get("conditions", [])
    return next((str(each.get("message", "")) for each in found if each["type"] == "PodScheduled"), "")


def measure_on_bed(
    kind: str, free_gpus: list[int], rack_nodes: int, quota_gpus: int | None, pods: int, gpus: int, repetitions: int
) -> list[BedAnswer]:
    """Muster and kube-scheduler, one after the other on one bed. kube-scheduler is asked where it can say no at all."""
    answers = []
    with filled(free_gpus, rack_nodes, quota_gpus) as bed:

        def asked(scheduler: str) -> BedAnswer:
            found = [asyncio.run(ask(bed, kind, scheduler, number, pods, gpus)) for number in range(repetitions)]
            return BedAnswer(scheduler, kind, len(free_gpus), [seconds for seconds, _ in found], found[-1][1])

        with muster(bed):
            answers.append(asked(MUSTER))
        if kind == "pieces":  # alone of the four it holds for each pod by itself
            bed.start_component("kube-scheduler")
            answers.append(asked(KUBE_SCHEDULER))
    return answers


def report(answers: list[BedAnswer]) -> None:
    rows = [["contender", "nodes", "kind", "p50 s", "max s", "message"]]
    rows += [
        [
            each.contender,
            str(each.nodes),
            each.kind,
            f"{median(each.seconds):.3f}",
            f"{max(each.seconds):.3f}",
            each.words[:90],
        ]
        for each in answers
    ]
    print(columns(rows))
