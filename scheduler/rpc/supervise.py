"""Keeps a solver worker of our own alive: starts it, replaces it when it dies or hangs, ends it with us."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc.aio
import msgspec
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scheduler.rpc.endpoint import Endpoint, open_channel

log = structlog.get_logger(__name__)

WORKER_COMMAND = (sys.executable, "-m", "scheduler.rpc.worker")


class Pace(msgspec.Struct, frozen=True):
    """How patient the supervisor is. A hang is noticed within ``misses_max`` x (interval + timeout) seconds."""

    start_seconds_max: float = 120.0
    """From the start of the process until it first serves. Loading the solver takes 3 s of CPU, but was seen to take
    18 s on an overloaded machine; a limit near that would kill every worker just before it serves."""
    check_interval_seconds: float = 1.0
    check_timeout_seconds: float = 2.0
    misses_max: int = 2
    """Unanswered checks in a row; one may be a busy machine."""
    backoff_seconds: float = 0.1
    """Before the first restart; doubles with each that follows, up to ``backoff_seconds_max``."""
    backoff_seconds_max: float = 10.0
    settled_seconds: float = 30.0
    """A worker that served for so long starts the backoff anew."""
    end_seconds_max: float = 3.0
    """From SIGTERM to SIGKILL when we end."""


class Loss(StrEnum):
    """Why a worker had to be replaced."""

    DIED = "died"
    HUNG = "hung"
    """Answers no health check."""
    OVERRAN = "overran"
    """Says itself that it does not serve: a solve did not stop at its deadline."""
    NOT_STARTED = "not started"


class WorkerSupervisor:
    """``async with WorkerSupervisor() as worker``: inside, ``worker.endpoint`` is where a worker is, or soon is again.

    The endpoint is a Unix socket in a directory that only we may enter. Entering does not wait for the worker to serve:
    until it does, a client gets its answers as from any solver that is away.
    """

    def __init__(self, command: Sequence[str] = WORKER_COMMAND, pace: Pace = Pace()) -> None:  # noqa: B008 (frozen)
        """``command`` takes the worker's options at its end; it may run the worker under `nice` and the like."""
        self.pid: int | None = None
        self.losses = dict.fromkeys(Loss, 0)
        self.serving = asyncio.Event()
        """Set while the worker answers its health checks."""
        self._command = tuple(command)
        self._pace = pace
        self._directory = tempfile.TemporaryDirectory(prefix="muster-solver-")
        self.endpoint = Endpoint(f"unix:{Path(self._directory.name) / 'solver.sock'}")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep(), name="solver-worker-supervisor")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self.discard()

    def discard(self) -> None:
        """Remove its directory, also if it was never started."""
        self._directory.cleanup()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        backoff_seconds = self._pace.backoff_seconds
        while True:
            started = loop.time()
            try:
                loss = await self._run_one()
            except Exception:
                # Nobody awaits this task before the end: going on is better than to be without a worker from here on.
                log.exception("the solver worker could not be run")
                loss = Loss.NOT_STARTED
            self.losses[loss] += 1
            if loop.time() - started >= self._pace.settled_seconds:
                backoff_seconds = self._pace.backoff_seconds
            log.warning("solver worker lost", loss=loss.value, restart_in_seconds=backoff_seconds)
            await asyncio.sleep(backoff_seconds)
            backoff_seconds = min(2 * backoff_seconds, self._pace.backoff_seconds_max)

    async def _run_one(self) -> Loss:
        """The whole life of one worker process; it is gone when this returns."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "--listen",
            self.endpoint.target,
            "--end-with-parent",
            stdin=PIPE,
            # Ctrl-C in a terminal reaches us alone: we end the worker ourselves.
            start_new_session=True,
        )
        self.pid = process.pid
        died = asyncio.create_task(process.wait())
        unfit = asyncio.create_task(self._until_unfit())
        try:
            await asyncio.wait((died, unfit), return_when=asyncio.FIRST_COMPLETED)
            if died.done():
                return Loss.DIED
            process.kill()
            return unfit.result()
        except asyncio.CancelledError:
            if not died.done():
                process.terminate()
                await asyncio.wait((died,), timeout=self._pace.end_seconds_max)
            raise
        finally:
            self.serving.clear()
            self.pid = None
            unfit.cancel()
            await self._gone(process)

    async def _gone(self, process: Process) -> None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _until_unfit(self) -> Loss:
        """Returns when the worker has to be replaced although its process lives."""
        pace = self._pace
        async with open_channel(self.endpoint) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            if not await self._first_serving(stub):
                return Loss.NOT_STARTED
            self.serving.set()
            misses = 0
            while misses < pace.misses_max:
                await asyncio.sleep(pace.check_interval_seconds)
                match await _status(stub, pace.check_timeout_seconds):
                    case health_pb2.HealthCheckResponse.SERVING:
                        misses = 0
                    case None:
                        misses += 1
                    case _:
                        return Loss.OVERRAN
            return Loss.HUNG

    async def _first_serving(self, stub: health_pb2_grpc.HealthStub) -> bool:
        try:
            async with asyncio.timeout(self._pace.start_seconds_max):
                while await _status(stub, self._pace.check_timeout_seconds) is None:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return False
        return True


async def _status(stub: health_pb2_grpc.HealthStub, timeout_seconds: float) -> int | None:
    """What the worker says of itself; None when it says nothing in time."""
    try:
        response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout_seconds)
    except grpc.aio.AioRpcError:
        return None
    return int(response.status)
