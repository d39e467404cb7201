"""The scheduler as a separate process: started with its own rights, waited for, measured, ended."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from testbed.locations import REPOSITORY
from testbed.ports import reserve_ports
from testbed.supervisor import end_with_parent, last_lines

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0
POLL_SECONDS = 0.05
LOG_LINES = 25


class SchedulerDiedError(Exception):
    """The scheduler did not start or ended by itself; the message has its last log lines."""


class Scheduler:
    """A running `muster run`."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self._process = process
        self._address = address
        self._log = log

    def wait_until_ready(self) -> None:
        """Until it has seen the cluster and leads; SchedulerDiedError when that does not come about."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            self.check()
            if self._answers("/readyz") and "muster_leading 1.0" in self.metrics():
                return
            time.sleep(POLL_SECONDS)
        raise SchedulerDiedError(f"the scheduler is not ready after {START_SECONDS_MAX:.0f} s\n{self.last_words()}")

    def check(self) -> None:
        """SchedulerDiedError when it is no longer there."""
        if (code := self._process.poll()) is not None:
            raise SchedulerDiedError(f"the scheduler ended with exit code {code}\n{self.last_words()}")

    def last_words(self) -> str:
        return f"the end of its log, {self._log}:\n{last_lines(self._log, LOG_LINES)}"

    def metrics(self) -> str:
        """Its metrics in Prometheus' text format."""
        with urllib.request.urlopen(f"http://{self._address}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def peak_memory_bytes(self) -> tuple[int, int]:
        """The largest resident size so far: of the scheduler itself, and of its solver worker."""
        own = psutil.Process(self._process.pid)
        return _peak_bytes(own.pid), sum(_peak_bytes(child.pid) for child in own.children(recursive=True))

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}{path}", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def scheduling(kubeconfig: Path, log: Path, ports: Path) -> Iterator[Scheduler]:
    """Run the scheduler for the time of the block. Its log goes to `log`."""
    (port,), held = reserve_ports(1, ports)
    address = f"127.0.0.1:{port}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(kubeconfig, address),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal is for the demo, which then ends it in order.
            preexec_fn=end_with_parent,
        )
    try:
        scheduler = Scheduler(process, address, log)
        scheduler.wait_until_ready()
        yield scheduler
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for descriptor in held:
            os.close(descriptor)


def command(kubeconfig: Path, address: str) -> list[str]:
    """The command line of the scheduler."""
    policy = REPOSITORY / "policies" / "default.yaml"
    options = ["--kubeconfig", str(kubeconfig), "--policy", str(policy), "--identity", "demo", "--listen", address]
    return [sys.executable, "-m", "scheduler", "run", *options]


def _peak_bytes(pid: int) -> int:
    """VmHWM of a process, where the system tells; else what it has now."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return int(psutil.Process(pid).memory_info().rss)
