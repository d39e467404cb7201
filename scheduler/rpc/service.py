"""The solver service: admits solves, runs them one per slot, streams what they find.

Knows gRPC and threads but not the solver: that is a function handed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import grpc
import msgspec
import structlog
from grpc_health.v1 import health, health_pb2

from scheduler.rpc import convert
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2_grpc
from scheduler.solver.problem import Incumbent, SolveRequest, SolveResult

log = structlog.get_logger(__name__)

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["SolverService"].full_name
_QUEUE_POLL_SECONDS = 0.02

Stop = Callable[[], bool]


class Solve(Protocol):
    """Yields ever better results, the last with the final end; ends soon after ``stop`` (thread-safe) becomes true."""

    def __call__(self, request: SolveRequest, *, stop: Stop) -> Iterator[SolveResult]: ...


class Capacity(msgspec.Struct, frozen=True):
    """How much one worker takes on: a solve beyond ``slots`` waits, and is refused when the queue is full too."""

    slots: int = 1
    queue_length_max: int = 4
    solve_seconds_max: float = 600.0
    """Bounds a call that came without a deadline."""
    overrun_seconds_max: float = 5.0
    """So long a solve may go on after it was told to stop; then the worker says that it does not serve."""


class SolverService(solver_pb2_grpc.SolverServiceServicer):
    """Runs on gRPC's threads, one per call: solving releases the interpreter lock, so others are served meanwhile."""

    def __init__(self, solve: Solve, capacity: Capacity, serving: health.HealthServicer) -> None:
        self._solve = solve
        self._capacity = capacity
        self._slots = threading.BoundedSemaphore(capacity.slots)
        self._admissions = threading.BoundedSemaphore(capacity.slots + capacity.queue_length_max)
        self._health = serving
        self._ending = threading.Event()
        set_health(serving, serving=True)

    def end(self) -> None:
        """Every solve stops; what it has found so far is still sent."""
        self._ending.set()
        set_health(self._health, serving=False)

    def Solve(  # noqa: N802 (the name in solver.proto)
        self, message: pb.SolveRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.SolveResponse]:
        if not self._admissions.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "every slot is busy and the queue is full")
        try:
            yield from self._admitted(message, context)
        finally:
            self._admissions.release()

    def _admitted(self, message: pb.SolveRequest, context: grpc.ServicerContext) -> Iterator[pb.SolveResponse]:
        allowed_seconds = self._capacity.solve_seconds_max
        if (remaining := context.time_remaining()) is not None:
            allowed_seconds = min(allowed_seconds, remaining)
        deadline = time.monotonic() + allowed_seconds

        def stop() -> bool:
            return self._ending.is_set() or not context.is_active() or time.monotonic() >= deadline

        request = _understood(message, context)
        with self._slot(stop) as entered:
            if not entered:
                context.abort(grpc.StatusCode.CANCELLED, "ended while it waited for a slot")
            left_seconds = max(deadline - time.monotonic(), 0.0)
            request = msgspec.structs.replace(request, wall_seconds=min(request.wall_seconds, left_seconds))
            with self._watched(left_seconds):
                yield from self._responses(request, stop, context)

    def _responses(
        self, request: SolveRequest, stop: Stop, context: grpc.ServicerContext
    ) -> Iterator[pb.SolveResponse]:
        last: SolveResult | None = None
        sent: Incumbent | None = None
        try:
            for last in self._solve(request, stop=stop):
                if last.incumbent is not None and last.incumbent != sent:
                    sent = last.incumbent
                    yield pb.SolveResponse(incumbent=convert.incumbent_to_pb(sent))
            if last is None:
                raise ValueError("the solver ended without a result")
            yield pb.SolveResponse(end=convert.end_to_pb(last.end), variables=last.variables)
        except Exception as error:
            log.exception("solve failed")
            context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")

    @contextmanager
    def _slot(self, stop: Stop) -> Iterator[bool]:
        """Waits for a slot; false when told to stop before one was free."""
        entered = self._slots.acquire(blocking=False)
        while not entered and not stop():
            entered = self._slots.acquire(timeout=_QUEUE_POLL_SECONDS)
        try:
            yield entered
        finally:
            if entered:
                self._slots.release()

    @contextmanager
    def _watched(self, allowed_seconds: float) -> Iterator[None]:
        """Reports this process as unfit, for good, when the solve does not stop in time: its slot may be lost."""
        timer = threading.Timer(allowed_seconds + self._capacity.overrun_seconds_max, self._overrun)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _overrun(self) -> None:
        log.error("a solve did not stop at its deadline", overrun_seconds=self._capacity.overrun_seconds_max)
        set_health(self._health, serving=False)


def set_health(servicer: health.HealthServicer, *, serving: bool) -> None:
    """Says so for the server as a whole and for the service by name."""
    status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    for name in (health.OVERALL_HEALTH, SERVICE_NAME):
        servicer.set(name, status)


def _understood(message: pb.SolveRequest, context: grpc.ServicerContext) -> SolveRequest:
    if message.revision > convert.REVISION:
        context.abort(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"the request needs revision {message.revision} of {SERVICE_NAME}; this server knows {convert.REVISION}",
        )
    try:
        return convert.request_from_pb(message)
    except ValueError as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
