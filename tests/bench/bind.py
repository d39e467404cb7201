"""Binds per second: the API server's raw ceiling, kube-scheduler and Muster, each in a fresh bed of one build.

All pods exist before a contender starts; kwok and the auditor do not run meanwhile. Rates are from the first to the
last bind by the API server's audit log; the time from process start to the last bind stands beside. The auditor judges
each of Muster's runs afterwards.

    python -m tests.bench.bind [--nodes 1000] [--pods 8000] [--gangs 200] [--json FILE]
"""

from __future__ import annotations

import argparse
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

from testbed import Bed, BedOptions

from tests.bench.loads import KUBE_SCHEDULER, MUSTER, fleet, gangs, queue, singles, topology
from tests.bench.measure import Binds, Usage, columns, machine, read_binds, usage, write_json

Document = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
GANG_SIZE = 8
RACK_NODES = 10
WAIT_SECONDS_MAX = 180.0
IDLE_USAGE = Usage(0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Run:
    """One contender on one load."""

    name: str
    binds: Binds
    wanted: int
    start_to_last_seconds: float
    usage: Usage
    server_cpu_seconds: float
    gpus: int
    audit: str = ""


@contextmanager
def prepared(nodes: list[Document], load: list[Document]) -> Iterator[Bed]:
    """A bed with the fleet and the whole load, and nobody scheduling yet."""
    with Bed.up(BedOptions(kwok=False, throughput=True, audit=True)) as bed:
        bed.apply(ROOT / "manifests" / "namespace.yaml")
        bed.apply(ROOT / "manifests" / "crds")
        bed.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        bed.create([queue(), topology((("rack", "topology.muster.dev/rack"), ("host", "kubernetes.io/hostname")))])
        bed.create(nodes)
        groups = [each for each in load if each["kind"] == "PodGroup"]
        bed.create(groups)
        bed.create([each for each in load if each["kind"] == "Pod"])
        time.sleep(2.0)
        yield bed


def gangs_together(bed: Bed) -> str:
    """How many gangs stand in one rack with all their pods; empty where there are none."""
    racks: dict[str, set[int]] = {}
    for each in json.loads(bed.kubectl("get", "pods", "-o", "json").stdout)["items"]:
        group = each["metadata"].get("labels", {}).get("muster.dev/pod-group")
        if group:
            node = each["spec"].get("nodeName", "node--1")
            racks.setdefault(group, set()).add(int(node.removeprefix("node-")) // RACK_NODES)
    whole = sum(1 for found in racks.values() if len(found) == 1 and min(found) >= 0)
    return f"{whole} of {len(racks)} gangs in one rack" if racks else ""


def gpus_bound(bed: Bed) -> int:
    """GPUs of all pods that have a node."""
    pods = json.loads(bed.kubectl("get", "pods", "-o", "json").stdout)["items"]
    limits = [
        each["spec"]["containers"][0]["resources"].get("limits", {}) for each in pods if "nodeName" in each["spec"]
    ]
    return sum(int(each.get("nvidia.com/gpu", 0)) for each in limits)


def cpu_of_server(bed: Bed) -> float:
    return sum(usage(bed.pids()[name]).cpu_seconds for name in ("kube-apiserver", "etcd"))


def wait_for(bed: Bed, wanted: int, sample: Callable[[], Usage]) -> tuple[Binds, Usage]:
    """Until all pods are bound, or nothing was bound for 20 s; the audit log is looked at rarely, to take no CPU."""
    assert bed.audit_log is not None
    deadline = time.time() + WAIT_SECONDS_MAX
    seen, seen_at = -1, time.time()
    taken = sample()
    while time.time() < deadline:
        time.sleep(0.5)
        taken = sample()
        done = subprocess.run(
            ["grep", "-c", '"subresource":"binding"', str(bed.audit_log)], capture_output=True, text=True, check=False
        )
        count = int(done.stdout or 0)
        if count != seen:
            seen, seen_at = count, time.time()
        if count >= wanted or time.time() - seen_at > 20:
            time.sleep(0.5)
            break
    return read_binds(bed.audit_log), taken


def run_bare(nodes: list[Document], load: list[Document], wanted: int, connections: int) -> Run:
    with prepared(nodes, load) as bed:
        before = cpu_of_server(bed)
        started = time.time()
        command = [sys.executable, "-m", "tests.bench.bare", bed.server, str(bed.ca_file), str(connections)]
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert child.stdin is not None
        child.stdin.write(bed.token.encode() + b"\n")
        child.stdin.close()
        taken = IDLE_USAGE
        while child.poll() is None:
            taken = _or_last(child.pid, taken)
            time.sleep(0.1)
        assert bed.audit_log is not None
        binds = read_binds(bed.audit_log)
        cpu = cpu_of_server(bed) - before
        gpus = gpus_bound(bed)
    return Run(f"bare client, {connections} connections", binds, wanted, binds.last_seconds - started, taken, cpu, gpus)


def _or_last(pid: int, last: Usage) -> Usage:
    try:
        return usage(pid)
    except Exception:  # the process ended between two looks
        return last


def run_kube_scheduler(nodes: list[Document], load: list[Document], wanted: int) -> Run:
    with prepared(nodes, load) as bed:
        before = cpu_of_server(bed)
        started = time.time()
        bed.start_component("kube-scheduler")
        pid = bed.pids()["kube-scheduler"]
        binds, taken = wait_for(bed, wanted, lambda: usage(pid))
        cpu = cpu_of_server(bed) - before
        gpus = gpus_bound(bed)
    return Run("kube-scheduler", binds, wanted, binds.last_seconds - started, taken, cpu, gpus)


def run_muster(nodes: list[Document], load: list[Document], wanted: int, name: str, log: Path) -> Run:
    with prepared(nodes, load) as bed, log.open("w") as lines:
        before = cpu_of_server(bed)
        started = time.time()
        command = [sys.executable, "-m", "scheduler", "run", "--kubeconfig", str(bed.kubeconfig), "--listen", ""]
        child = subprocess.Popen(command, cwd=ROOT, stderr=lines, env={**os.environ, "MUSTER_IDENTITY": "bench"})
        try:
            binds, taken = wait_for(bed, wanted, lambda: usage(child.pid))
        finally:
            child.terminate()
            child.wait(20)
        cpu = cpu_of_server(bed) - before
        gpus = gpus_bound(bed)
        together = gangs_together(bed)
        audit = subprocess.run(
            [
                *(sys.executable, "-m", "auditor", "check", "-o", "json"),
                *("--kubeconfig", str(bed.kubeconfig), "--audit-log", str(bed.audit_log)),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "kwok-clusters")},
        )
    if audit.returncode == 0:
        verdict = ", ".join(filter(None, ("clean", together)))
    else:
        verdict = f"exit {audit.returncode}: {audit.stdout[-2000:]}{audit.stderr[-500:]}"
    return Run(name, binds, wanted, binds.last_seconds - started, taken, cpu, gpus, verdict)


def contest(
    title: str, nodes: list[Document], wanted: int, ours: dict[str, list[Document]], log: Path, only: str
) -> dict[str, Any]:
    """All contenders on one load; Muster's loads are the same pods, named by how they are grouped."""
    runs = []
    if only == "all":
        runs += [run_bare(nodes, singles(wanted, MUSTER), wanted, connections) for connections in (16, 32)]
        runs.append(run_kube_scheduler(nodes, singles(wanted, KUBE_SCHEDULER), wanted))
    for name, load in ours.items():
        # Twice, because the ceiling is the better of two runs as well.
        runs += [run_muster(nodes, load, wanted, name, log) for _ in range(2)]
    return report(title, runs)


def report(title: str, runs: list[Run]) -> dict[str, Any]:
    """Print one load's table and its ratios."""
    ceiling = max((run.binds.per_second for run in runs if run.name.startswith("bare")), default=float("inf"))
    baseline = next((run for run in runs if run.name == "kube-scheduler"), None)
    rows = [
        [
            "contender",
            "bound",
            "binds/s",
            "of ceiling",
            "start to last bind",
            "peak MiB",
            "CPU s",
            "server CPU s",
            "auditor",
        ]
    ]
    rows += [_row(run, ceiling) for run in runs]
    print(f"\n{title}\n{columns(rows)}")
    ratios: dict[str, dict[str, float]] = {}
    for run in runs:
        if run.name.startswith("muster"):
            ratio = {"of_ceiling": run.binds.per_second / ceiling}
            if baseline is not None and baseline.binds.per_second:
                ratio["of_kube_scheduler"] = run.binds.per_second / baseline.binds.per_second
            ratios[run.name] = max(ratio, ratios.get(run.name, ratio), key=lambda each: each["of_ceiling"])
    for name, ratio in ratios.items():
        others = f", {ratio['of_kube_scheduler']:.1f} x kube-scheduler" if "of_kube_scheduler" in ratio else ""
        print(f"{name}, the better of its runs: {ratio['of_ceiling']:.0%} of the ceiling{others}")
    return {"title": title, "runs": runs, "ratios": ratios}


def _row(run: Run, ceiling: float) -> list[str]:
    return [
        run.name,
        f"{run.binds.count}/{run.wanted}",
        f"{run.binds.per_second:.0f}",
        f"{run.binds.per_second / ceiling:.0%}",
        f"{run.start_to_last_seconds:.1f} s",
        f"{run.usage.peak_mib:.0f}",
        f"{run.usage.cpu_seconds:.1f}",
        f"{run.server_cpu_seconds:.1f}",
        run.audit or "-",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=8000, help="one-GPU pods of the first load")
    parser.add_argument("--gangs", type=int, default=200, help="gangs of 8 with required rack of the second load")
    parser.add_argument("--loads", nargs="+", choices=["singles", "gangs"], default=["singles", "gangs"])
    parser.add_argument("--only", choices=["muster", "all"], default="all", help="muster: skip the baselines")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        log = Path(folder) / "muster.log"
        results = []
        nodes = fleet(options.nodes, RACK_NODES)
        count = options.gangs * GANG_SIZE
        if "singles" in options.loads:
            title = f"{options.pods} one-GPU pods, {options.nodes} nodes"
            ours = {"muster": singles(options.pods, MUSTER)}
            results.append(contest(title, nodes, options.pods, ours, log, options.only))
        if "gangs" in options.loads:
            grouped = f"for Muster also as {options.gangs} gangs with required rack"
            title = f"{count} one-GPU pods, {options.nodes} nodes; {grouped}"
            ours = {
                "muster, ungrouped": singles(count, MUSTER),
                "muster, gangs": gangs(options.gangs, GANG_SIZE, MUSTER, "rack"),
            }
            results.append(contest(title, nodes, count, ours, log, options.only))
    write_json(options.json, {"benchmark": "bind", "machine": machine(), "loads": results})


if __name__ == "__main__":
    main()
