"""Composition root: the only module that wires real parts together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from scheduler.core.engine import Engine
from scheduler.kube.client import REQUEST_SECONDS_MAX, ApiClient
from scheduler.kube.credentials import Credentials, CredentialsError, from_kubeconfig, in_cluster
from scheduler.kube.lease import Elector, LeaseRefusedError, LeaseSettings
from scheduler.kube.perform import Performer
from scheduler.kube.watch import Watcher
from scheduler.model.events import Deposed, Leading, Synced
from scheduler.model.policy import Policy
from scheduler.observe.health import serving
from scheduler.observe.metrics import exposition
from scheduler.rpc.client import SolverClient
from scheduler.rpc.endpoint import Endpoint
from scheduler.rpc.supervise import WorkerSupervisor
from scheduler.runtime import Runtime, Solve, settle_memory
from scheduler.settings import Settings
from scheduler.solver.problem import SolveRequest, SolveResult
from scheduler.wire.decode import Decoder

SOLVE_MARGIN_SECONDS = 0.3
"""What an answer may take beyond the solver's own budget: the way there and back."""

CALM_SECONDS = 2
"""With nothing to decide or to send for so long, the solver worker is started."""

SWITCH_SECONDS = 0.001
"""How long a deciding thread may keep the interpreter from the event loop at a time."""


def credentials(settings: Settings) -> Credentials:
    """The explicit kubeconfig, else the cluster we run in, else $KUBECONFIG or ~/.kube/config."""
    if settings.kubeconfig is not None:
        return from_kubeconfig(settings.kubeconfig, settings.context)
    inside = in_cluster()
    if inside is not None:
        return inside
    path = Path(os.environ.get("KUBECONFIG", "") or Path.home() / ".kube" / "config")
    if not path.exists():
        raise CredentialsError(f"not in a cluster, and there is no kubeconfig at {path}; name one with --kubeconfig")
    return from_kubeconfig(path, settings.context)


class Process:
    """One running scheduler."""

    def __init__(self, settings: Settings, policy: Policy) -> None:
        self._settings = settings
        self._policy = policy
        self._log = structlog.get_logger("app")
        self._synced = False
        self._took_lease = asyncio.Event()

    async def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        sys.setswitchinterval(SWITCH_SECONDS)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                ApiClient(credentials(self._settings), self._settings.connections, self._request_seconds())
            )
            self._wire(client, await stack.enter_async_context(self._solver()))
            if self._settings.listen:
                address = await stack.enter_async_context(
                    serving(
                        self._settings.listen,
                        healthy=lambda: "",  # a loop that hangs does not answer at all
                        ready=lambda: "" if self._synced else "the initial lists are not complete",
                        metrics=exposition(self._readings),
                    )
                )
                self._log.info("serving", address=address)
            self._log.info("started", server=client.server, policy=self._policy.name, identity=self._settings.identity)
            code = await self._until(stop)
            await self._elector.release()
            return code

    def _request_seconds(self) -> float:
        """No request of ours may outlive our lease: shorter than its duration less the renew deadline."""
        return min(REQUEST_SECONDS_MAX, 0.8 * self._settings.lease_duration_seconds / 3)

    @asynccontextmanager
    async def _solver(self) -> AsyncIterator[Solve]:
        """How solves are made: by a worker of our own, or at the endpoint that the settings name."""
        if self._settings.solver_endpoint:
            async with SolverClient(Endpoint(self._settings.solver_endpoint)) as client:

                async def solve_elsewhere(request: SolveRequest, enough: asyncio.Event | None) -> SolveResult:
                    return await client.solve(request, request.wall_seconds + SOLVE_MARGIN_SECONDS, enough)

                yield solve_elsewhere
        else:
            async with AsyncExitStack() as stack:
                worker = WorkerSupervisor()
                stack.callback(worker.discard)
                client = await stack.enter_async_context(SolverClient(worker.endpoint))
                started = asyncio.Event()

                async def start_when_calm() -> None:
                    """Loading OR-Tools takes seconds of CPU: not while the first binds want it, unless asked for."""
                    calm_seconds = 0
                    while not started.is_set() and calm_seconds < CALM_SECONDS:
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(started.wait(), 1.0)
                        calm_seconds = calm_seconds + 1 if self._synced and self._calm() else 0
                    await stack.enter_async_context(worker)

                starting = asyncio.create_task(start_when_calm(), name="start solver")

                async def solve_here(request: SolveRequest, enough: asyncio.Event | None) -> SolveResult:
                    if not worker.serving.is_set() and not any(worker.losses.values()):
                        # Only the first solve waits for the worker to load, no longer than for an answer.
                        started.set()
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(worker.serving.wait(), request.wall_seconds)
                    if not worker.serving.is_set():
                        return SolveResult(incumbent=None, end="failed")
                    return await client.solve(request, request.wall_seconds + SOLVE_MARGIN_SECONDS, enough)

                try:
                    yield solve_here
                finally:
                    starting.cancel()

    def _calm(self) -> bool:
        """Whether nothing waits to be sent or decided."""
        return not (self._performer.waiting or self._performer.in_flight or self._engine.busy or self._engine.deciding)

    def _wire(self, client: ApiClient, solve: Solve) -> None:
        self._client = client
        self._engine = Engine(self._policy)
        self._performer = Performer(client, lambda event: self._runtime.tell(event), self._settings.connections)
        self._runtime = Runtime(self._engine, self._performer, solve)
        self._watcher = Watcher(client, Decoder(self._settings.scheduler_name), self._runtime.tell_all)
        self._elector = Elector(
            client,
            LeaseSettings(
                namespace=self._settings.lease_namespace,
                name=self._settings.lease_name,
                identity=self._settings.identity,
                duration_seconds=self._settings.lease_duration_seconds,
                renew_deadline_seconds=self._settings.lease_duration_seconds * 2 / 3,
                retry_seconds=self._settings.lease_duration_seconds * 2 / 15,
            ),
            self._gained,
            self._lost,
        )

    async def _until(self, stop: asyncio.Event) -> int:
        """Run all parts until asked to stop, or until one cannot go on; the exit code."""
        parts = [
            asyncio.create_task(self._elector.run(), name="lease"),
            asyncio.create_task(self._performer.run(), name="perform"),
            asyncio.create_task(self._runtime.run(), name="runtime"),
            asyncio.create_task(self._watcher.run(), name="watch"),
            asyncio.create_task(self._announce(), name="sync"),
            asyncio.create_task(stop.wait(), name="stop"),
        ]
        code = 0
        finished, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in finished:
            trouble = None if part.cancelled() else part.exception()
            if isinstance(trouble, LeaseRefusedError):
                self._log.error("cannot lead", reason=str(trouble))
                code = 2
            elif trouble is not None:
                self._log.error("stopped by an error", part=part.get_name(), exc_info=trouble)
                code = 1
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        return code

    async def _announce(self) -> None:
        """Tell the engine when it may act: each time the lease was taken, once all has been listed after that."""
        await self._watcher.synced()
        settle_memory()
        self._synced = True
        self._log.info("synced")
        listed_before_leading = not self._elector.leading
        while True:
            await self._took_lease.wait()
            self._took_lease.clear()
            await self._performer.open()
            if listed_before_leading:
                # A silent stream may hide what another leader did to the room of nodes: list before the first effect.
                self._watcher.tell_again()
                await self._watcher.synced()
            listed_before_leading = True
            if self._elector.leading:
                self._runtime.tell(Synced())

    def _gained(self, epoch: int) -> None:
        self._runtime.tell(Leading(epoch))
        self._took_lease.set()

    def _lost(self) -> None:
        self._performer.close()
        self._runtime.tell_first(Deposed())

    def _readings(self) -> dict[str, float]:
        gangs, singles = self._engine.waiting
        last = self._runtime.last
        return {
            "leading": float(self._elector.leading),
            "synced": float(self._synced),
            "gangs_waiting": gangs,
            "pods_waiting": singles,
            "cycles_total": last.cycles,
            "cycles_failed_total": last.failed,
            "cycle_snapshot_seconds": last.snapshot_seconds,
            "cycle_decide_seconds": last.decide_seconds,
            "cycle_solve_seconds": last.solve_seconds,
            "decisions_refused_total": self._engine.refused_decisions,
            "effects_waiting": self._performer.waiting,
            "effects_total": self._performer.performed.total(),
            "effects_failed_total": self._performer.failures.total(),
            "api_calls_total": self._client.calls,
            "relists_total": self._watcher.relists,
            "objects_malformed_total": self._watcher.malformed,
            "loop_stall_seconds_max": last.stall_seconds_max,
        }
