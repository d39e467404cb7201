"""The process above a bed's components: it starts, watches and ends them, and cleans up behind them.

It runs as a script of its own (`python -I supervisor.py HOME`) on the standard library alone, so that it is up within
a tenth of a second. Three ties keep anything from being left running:

- a component dies with the supervisor, killed by the kernel (parent-death signal), also after `kill -9`;
- the supervisor ends the bed when its standard input closes, i.e. when its launcher is gone, until told to detach;
- the bed's lock file is held by an inherited descriptor, so a dead bed can be told from a living one.

It answers requests on the Unix socket `HOME/control.sock`: one JSON object per line, one line back.
"""

import asyncio
import ctypes
import json
import os
import shutil
import signal
import ssl
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROBE_INTERVAL_SECONDS = 0.05
PROBE_TIMEOUT_SECONDS = 2.0
STOP_TIMEOUT_SECONDS = 10.0
LOG_TAIL_LINES = 15
_PR_SET_PDEATHSIG = 1

# Loaded here because the child between fork and exec must not import anything.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent() -> None:
    """Run in a child before exec: have the kernel kill it when its parent dies."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def last_lines(path: Path, count: int = LOG_TAIL_LINES) -> str:
    """The end of a log file, or a word on why there is none."""
    try:
        lines = path.read_text(errors="replace").splitlines()[-count:]
    except OSError as error:
        return f"({error})"
    return "\n".join(lines) or "(empty)"


class Component:
    """One process of the bed: etcd, kube-apiserver, ..."""

    def __init__(self, spec: dict[str, Any], home: Path) -> None:
        self.name: str = spec["name"]
        self.log = home / "logs" / f"{self.name}.log"
        self._arguments: list[str] = spec["arguments"]
        self._ready_url: str = spec["ready_url"]
        self._ca_file: str | None = spec["ca_file"]
        self._process: asyncio.subprocess.Process | None = None
        self._started = 0.0
        self._ended_seconds: float | None = None
        self._asked_to_stop = False
        self._watcher: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def status(self) -> dict[str, Any]:
        """For people and for `Bed.check`: `state` is one of absent, running, stopped, died."""
        process = self._process
        if process is None:
            return {"name": self.name, "state": "absent", "pid": None, "message": ""}
        if process.returncode is None:
            return {"name": self.name, "state": "running", "pid": process.pid, "message": ""}
        if self._asked_to_stop:
            return {"name": self.name, "state": "stopped", "pid": None, "message": ""}
        return {"name": self.name, "state": "died", "pid": None, "message": self.obituary()}

    def obituary(self) -> str:
        """Name, exit code and last log lines of a component that ended by itself."""
        assert self._process is not None
        code = self._process.returncode
        assert code is not None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        after = f" after {self._ended_seconds:.1f} s" if self._ended_seconds is not None else ""
        return f"{self.name} {how}{after}; the end of its log:\n{last_lines(self.log)}"

    async def start(self, timeout_seconds: float) -> str | None:
        """Start and wait until it is ready; returns what went wrong, or None."""
        if self.running:
            return None
        self._asked_to_stop = False
        self._ended_seconds = None
        self._started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent.parent,
                preexec_fn=end_with_parent,
            )
        self._watcher = asyncio.create_task(self._watch(self._process))
        answer = "nothing yet"
        while time.monotonic() - self._started < timeout_seconds:
            if not self.running:
                await self._watcher
                return self.obituary()
            answer = await self._probe()
            if answer == "200":
                return None
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
        return (
            f"{self.name} is not ready after {timeout_seconds:.0f} s ({self._ready_url} answers: {answer}); "
            f"the end of its log:\n{last_lines(self.log)}"
        )

    async def stop(self, number: signal.Signals) -> None:
        """End it, with SIGKILL where the gentler signal has no effect in time."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._asked_to_stop = True
        process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._ended_seconds = time.monotonic() - self._started

    async def _probe(self) -> str:
        """Status code of the readiness URL, or the error that kept it from answering."""
        url = urlsplit(self._ready_url)
        context = ssl.create_default_context(cafile=self._ca_file) if url.scheme == "https" else None
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
                try:
                    request = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
                    writer.write(request.encode())
                    status_line = await reader.readline()
                finally:
                    writer.close()
        except OSError as error:
            return str(error) or type(error).__name__
        fields = status_line.decode("latin-1").split()
        return fields[1] if len(fields) > 1 else "an empty line"


class Supervisor:
    """All components of one bed and the requests about them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        spec = json.loads((home / "components.json").read_text())
        self._components = {item["name"]: Component(item, home) for item in spec["components"]}
        self._data = Path(spec["data"])
        self._ended = asyncio.Event()
        self._detached = False

    async def run(self) -> None:
        """Serve requests until the bed ends, then leave nothing behind."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._ended.set)
        loop.add_reader(sys.stdin.fileno(), self._on_standard_input)
        # Whoever sees the socket may connect at once: it gets its name only when it listens.
        server = await asyncio.start_unix_server(self._serve, self.home / "control.new")
        (self.home / "control.new").rename(self.home / "control.sock")
        await self._ended.wait()
        server.close()
        # The data goes away with the bed: nobody needs a tidy end, only a quick and certain one.
        await asyncio.gather(*(component.stop(signal.SIGKILL) for component in self._components.values()))
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def _on_standard_input(self) -> None:
        # Nobody writes to it: readable means that the launcher's end of the pipe is closed.
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        if not self._detached:
            self._ended.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                try:
                    answer = await self._answer(json.loads(line))
                except Exception as error:  # The asker gets the reason; the bed goes on.
                    answer = {"error": f"{type(error).__name__}: {error}"}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        components = [self._components[name] for name in request.get("names", ())]
        match request["do"]:
            case "start":
                errors = await asyncio.gather(
                    *(component.start(request["timeout_seconds"]) for component in components)
                )
                return {"error": next(filter(None, errors), None)}
            case "stop":
                await asyncio.gather(*(component.stop(signal.Signals[request["signal"]]) for component in components))
                return {"error": None}
            case "status":
                return {"error": None, "components": [item.status() for item in self._components.values()]}
            case "detach":
                self._detached = True
                return {"error": None}
            case "down":
                self._ended.set()
                return {"error": None}
            case other:
                return {"error": f"unknown request {other!r}"}


def main() -> None:
    home = Path(sys.argv[1])
    os.umask(0o077)
    asyncio.run(Supervisor(home).run())


if __name__ == "__main__":
    main()
