"""The openb fleet through the API: kube-scheduler and Muster get the same nodes and pods, each in its own bed.

All CPU-only and whole-GPU pods of a list, repeated in order until they ask for 115 % of the fleet's GPUs (fractions of
a device are left out: kube-scheduler has no word for them). Pods exist before the contender starts; a run ends when
nothing was bound for 20 s.

    python -m tests.bench.fleet [--nodes FILE] [--pods FILE] [--demand-percent 115] [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import sys
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from testbed.fleet import Fleet
from testbed.openb import import_openb

from tests.bench.bind import Run, run_kube_scheduler, run_muster
from tests.bench.loads import KUBE_SCHEDULER, MUSTER, pod
from tests.bench.measure import columns, machine, write_json
from tests.shared import SHARED

MODEL_LABEL = "nvidia.com/gpu.product"


def read_pods(path: Path) -> list[dict[str, str]]:
    """The rows of a pod list that ask for no GPU or for whole ones."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row for row in rows if int(row["num_gpu"]) != 1 or int(row["gpu_milli"]) == 1000]


def pod_of(row: dict[str, str], name: str, scheduler: str) -> dict[str, Any]:
    models = [each for each in (row.get("gpu_spec") or "").split("|") if each]
    affinity = None
    if models:
        term = {"matchExpressions": [{"key": MODEL_LABEL, "operator": "In", "values": models}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    cpu, memory = f"{row['cpu_milli']}m", f"{row['memory_mib']}Mi"
    return pod(name, scheduler, gpus=int(row["num_gpu"]), cpu=cpu, memory=memory, affinity=affinity)


def workload(rows: list[dict[str, str]], gpus_wanted: int, scheduler: str) -> list[dict[str, Any]]:
    """Rows in order, again and again, until so many GPUs are asked for."""
    pods: list[dict[str, Any]] = []
    gpus = 0
    for number, row in enumerate(cycle(rows)):
        if gpus >= gpus_wanted:
            return pods
        pods.append(pod_of(row, f"openb-{number:05d}", scheduler))
        gpus += int(row["num_gpu"])
    return pods


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=Path, default=SHARED / "traces/openb/openb_node_list_gpu_node.csv.gz")
    parser.add_argument("--pods", type=Path, default=SHARED / "traces/openb/openb_pod_list_default.csv.gz")
    parser.add_argument("--demand-percent", type=int, default=115)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for path in (options.nodes, options.pods):
        if not path.exists():
            sys.exit(f"{path} does not exist; name the trace with --nodes and --pods, or its folder with MUSTER_SHARED")
    nodes = list(Fleet.model_validate(yaml.safe_load(import_openb(options.nodes, "openb"))).nodes())
    gpus = sum(int(each["status"]["allocatable"].get("nvidia.com/gpu", 0)) for each in nodes)
    rows = read_pods(options.pods)
    wanted = gpus * options.demand_percent // 100
    with TemporaryDirectory() as folder:
        log = Path(folder) / "muster.log"
        theirs = workload(rows, wanted, KUBE_SCHEDULER)
        print(f"{len(nodes)} nodes, {gpus} GPUs; {len(theirs)} pods ask for {wanted} GPUs or a little more")
        runs = [
            run_kube_scheduler(nodes, theirs, len(theirs)),
            run_muster(nodes, workload(rows, wanted, MUSTER), len(theirs), "muster", log),
        ]
        if os.environ.get("MUSTER_BENCH_LOG"):
            print(log.read_text())
    table = [
        ["scheduler", "GPUs bound", "of the fleet", "pods bound", "start to last bind", "peak MiB", "CPU s", "auditor"]
    ]
    table += [_row(run, gpus) for run in runs]
    print(columns(table))
    print(f"GPUs, Muster / kube-scheduler: {runs[1].gpus / max(1, runs[0].gpus):.4f}")
    write_json(
        options.json, {"benchmark": "fleet", "machine": machine(), "gpus": gpus, "pods": len(theirs), "runs": runs}
    )


def _row(run: Run, gpus: int) -> list[str]:
    return [
        run.name,
        str(run.gpus),
        f"{run.gpus / gpus:.2%}",
        str(run.binds.count),
        f"{run.start_to_last_seconds:.1f} s",
        f"{run.usage.peak_mib:.0f}",
        f"{run.usage.cpu_seconds:.1f}",
        run.audit or "-",
    ]


if __name__ == "__main__":
    main()
