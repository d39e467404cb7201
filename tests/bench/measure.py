"""What a benchmark reads off: binds from the audit log, memory and CPU from /proc, the machine, a JSON file."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Binds:
    """Successful binding requests by the API server's own audit log (moments as epoch seconds)."""

    count: int
    first_seconds: float
    last_seconds: float

    @property
    def span_seconds(self) -> float:
        return self.last_seconds - self.first_seconds

    @property
    def per_second(self) -> float:
        return self.count / self.span_seconds if self.span_seconds > 0 else 0.0


def read_binds(audit_log: Path, after_seconds: float = 0.0) -> Binds:
    """Every successful pods/binding request after a moment."""
    return BindsFollowed(audit_log, after_seconds).read()


class BindsFollowed:
    """The same while the log grows: each line is looked at once, so that waiting for the last bind costs what is
    measured no time."""

    def __init__(self, audit_log: Path, after_seconds: float) -> None:
        self._log = audit_log
        self._after_seconds = after_seconds
        self._offset = 0
        self._moments: list[float] = []

    def read(self) -> Binds:
        with self._log.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._offset += len(line)
                if b'"subresource":"binding"' in line:
                    self._see(json.loads(line))
        if not self._moments:
            return Binds(0, 0.0, 0.0)
        return Binds(len(self._moments), min(self._moments), max(self._moments))

    def _see(self, entry: dict[str, Any]) -> None:
        if entry.get("responseStatus", {}).get("code", 0) < 300 and entry["verb"] == "create":
            moment = datetime.fromisoformat(entry["stageTimestamp"]).timestamp()
            if moment >= self._after_seconds:
                self._moments.append(moment)


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes took so far: peak resident memory of each added up, and CPU time of all."""

    peak_mib: float
    cpu_seconds: float
    processes: int


def usage(pid: int) -> Usage:
    """A process with all its descendants."""
    root = psutil.Process(pid)
    peak = cpu = 0.0
    found = [root, *root.children(recursive=True)]
    for process in found:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
            times = process.cpu_times()
            cpu += times.user + times.system
        except (psutil.NoSuchProcess, FileNotFoundError, StopIteration):
            continue
    return Usage(peak, cpu, len(found))


def machine() -> dict[str, Any]:
    """Where a result comes from."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def write_json(path: Path | None, result: dict[str, Any]) -> None:
    """One result file per benchmark run."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def columns(rows: Iterable[Iterable[str]]) -> str:
    """Rows as aligned text; the first row is the head."""
    table = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
