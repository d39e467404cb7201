"""`muster run` as a process of its own, as it runs in production: started, killed, restarted and asked how it is."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.05
ROOT = Path(__file__).resolve().parents[2]


class SchedulerProcess:
    """One scheduler against one API server. Use as a context manager, which kills what is left at the end.

    All starts share one log file; ``said`` is what stands in it since the last `start`.
    """

    def __init__(
        self, kubeconfig: Path, log_file: Path, identity: str = "muster-e2e", arguments: Sequence[str] = ()
    ) -> None:
        self.identity = identity
        self.log_file = log_file
        self.port = _free_port()
        self._command = [sys.executable, "-m", "scheduler", "run", "--kubeconfig", str(kubeconfig)]
        self._command += ["--identity", identity, "--listen", f"127.0.0.1:{self.port}", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at_byte = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"log of scheduler {self.identity}:\n{self.log[-6000:]}")
        if self.running:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the scheduler has not been started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that was logged, over all starts."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def said(self) -> str:
        """What was logged since the last start."""
        return self.log_file.read_bytes()[self._started_at_byte :].decode(errors="replace")

    def start(self) -> None:
        """Start it without waiting for anything."""
        assert not self.running, "the scheduler is running already"
        with self.log_file.open("ab") as log:
            self._started_at_byte = log.tell()
            # A session of its own: Ctrl-C in the terminal is for the test.
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Wait until /readyz says that everything on the API server was seen."""
        self.wait_until(lambda: self.answer("/readyz")[0] == 200, "ready")

    def wait_until_leading(self) -> None:
        self.wait_until(lambda: self.metric("leading") == 1, "leading")

    def wait_until_said(self, *texts: str) -> None:
        """Wait until every one of the texts was logged since the last start."""
        self.wait_until(lambda: all(text in self.said for text in texts), f"heard saying {texts}")

    def wait_until(self, check: Callable[[], bool], what: str, seconds: float = START_SECONDS_MAX) -> None:
        """Poll until a check holds; AssertionError with the end of the log when it never does or the process ends."""
        deadline = time.monotonic() + seconds
        while not check():
            assert self.running, f"the scheduler ended before it was {what}:\n{self.said[-4000:]}"
            assert time.monotonic() < deadline, f"the scheduler was never {what}:\n{self.said[-4000:]}"
            time.sleep(POLL_SECONDS)

    def wait_until_ended(self, seconds: float = START_SECONDS_MAX) -> int:
        """Wait until it has ended by itself; the exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """`kill -9`: no chance to finish anything. Its solver worker ends by itself, because its parent is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS_MAX)

    def restart(self) -> None:
        """Kill it if it runs, start it under the same identity and wait until it is ready."""
        if self.running:
            self.kill()
        self.start()
        self.wait_until_ready()

    def terminate(self) -> int:
        """SIGTERM as from a kubelet; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(STOP_SECONDS_MAX)

    def solver_workers(self) -> list[int]:
        """The process ids of the solver workers that it has started and that still run."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"scheduler.rpc.worker" in _command_line(pid)]

    def kill_solver_worker(self) -> int:
        """`kill -9` of its solver worker; the process id that it had."""
        # It is started when nothing else wants the processors, so perhaps not yet.
        self.wait_until(lambda: bool(self.solver_workers()), "with a solver worker")
        (worker,) = self.solver_workers()
        os.kill(worker, signal.SIGKILL)
        return worker

    def answer(self, path: str) -> tuple[int, str]:
        """(status, text) of a page of its own; status 0 while it does not listen."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float | None:
        """A reading of /metrics; None while there is none."""
        for line in self.answer("/metrics")[1].splitlines():
            if line.startswith(f"muster_{name} "):
                return float(line.split()[1])
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command_line(pid: str) -> bytes:
    """Empty for a process that is gone or waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
