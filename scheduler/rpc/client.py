"""The asking side: sends a problem to a solver and comes back in time with the best that it found, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError

from scheduler.rpc import convert
from scheduler.rpc.endpoint import MESSAGE_BYTES_MAX, Endpoint, open_channel
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.problem import Problem, SolveRequest, SolveResult

log = structlog.get_logger(__name__)

_SERVICE = pb.DESCRIPTOR.services_by_name["SolverService"]
_METHOD = f"/{_SERVICE.full_name}/{_SERVICE.methods_by_name['Solve'].name}"

_T = TypeVar("_T")

CONNECT_SECONDS_MAX = 0.5
"""A solver that cannot be reached for so long costs no more of the deadline than this."""


class Outcome(StrEnum):
    """Which way a solve went, as the client saw it."""

    ANSWERED = "answered"
    """The solver ended by itself."""
    CUT = "cut"
    """The deadline came first; the best so far was taken."""
    SILENT = "silent"
    """The deadline came and nothing had been received: the solver hangs, or is too slow for the deadline."""
    UNREACHABLE = "unreachable"
    """No connection, or it broke in the middle: the solver is gone."""
    REFUSED = "refused"
    """The solver has too much to do already."""
    INCOMPATIBLE = "incompatible"
    """The solver does not know our revision, or the service."""
    GARBLED = "garbled"
    """What came back is no answer to what was asked."""
    FAILED = "failed"
    """The solver reported a failure, or the request could not be sent."""


_OUTCOME_OF_STATUS = {
    grpc.StatusCode.UNAVAILABLE: Outcome.UNREACHABLE,
    grpc.StatusCode.CANCELLED: Outcome.UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Outcome.SILENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Outcome.REFUSED,
    grpc.StatusCode.FAILED_PRECONDITION: Outcome.INCOMPATIBLE,
    grpc.StatusCode.UNIMPLEMENTED: Outcome.INCOMPATIBLE,
}


class _GarbledError(Exception):
    """The answer breaks the protocol."""


class _UnreachableError(Exception):
    """No connection within `CONNECT_SECONDS_MAX`."""


@dataclass(slots=True)
class _Answer:
    """What one stream has brought so far."""

    incumbent: pb.Incumbent | None = None
    closing: pb.SolveResponse | None = None

    def add(self, data: bytes) -> None:
        try:
            response = pb.SolveResponse.FromString(data)
        except DecodeError as error:
            raise _GarbledError(str(error)) from error
        if self.closing is not None:
            raise _GarbledError("something follows the response that ended the solve")
        if response.HasField("incumbent"):
            self.incumbent = response.incumbent
        if response.end != pb.END_UNSPECIFIED:
            self.closing = response

    def result(self, problem: Problem) -> SolveResult:
        try:
            incumbent = None if self.incumbent is None else convert.incumbent_from_pb(self.incumbent)
            if incumbent is not None:
                convert.check_fits(incumbent, problem)
            if self.closing is None:
                return SolveResult(incumbent, "deadline")
            return SolveResult(incumbent, convert.end_from_pb(self.closing.end), self.closing.variables)
        except ValueError as error:
            raise _GarbledError(str(error)) from error


class SolverClient:
    """Asks one endpoint, which may stand for several servers. Made inside a running event loop; close it at the end.

    Values become bytes and back in a thread of its own, so that a large problem never holds the event loop.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.outcomes = dict.fromkeys(Outcome, 0)
        """How many solves went which way; every solve is counted once."""
        self._channel = open_channel(endpoint)
        # Bytes in, bytes out: the generated stub would serialise on the event loop.
        self._call = self._channel.unary_stream(_METHOD, request_serializer=bytes, response_deserializer=bytes)
        self._converter = ThreadPoolExecutor(1, thread_name_prefix="solver-client")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close(grace=None)
        self._converter.shutdown(wait=False)

    async def solve(
        self, request: SolveRequest, deadline_seconds: float, enough: asyncio.Event | None = None
    ) -> SolveResult:
        """The best answer at the deadline, or sooner when the solver ends or ``enough`` is set; raises nothing but its
        own cancellation.

        Trouble of any kind is ``SolveResult(None, "failed")``. It is logged and counted in `outcomes` but not told
        apart here, because the decision does the same in all cases: it keeps the plan that it has.
        """
        answer = _Answer()
        try:
            try:
                async with asyncio.timeout(deadline_seconds):
                    await _unless(enough, self._receive(answer, request, deadline_seconds))
            except TimeoutError:
                if answer.incumbent is None:
                    return self._trouble(Outcome.SILENT, f"nothing was received within {deadline_seconds} s")
            result = await self._in_thread(lambda: answer.result(request.problem))
        except _UnreachableError:
            return self._trouble(Outcome.UNREACHABLE, "no connection to the solver")
        except _GarbledError as error:
            return self._trouble(Outcome.GARBLED, str(error))
        except grpc.aio.AioRpcError as error:
            outcome = _OUTCOME_OF_STATUS.get(error.code(), Outcome.FAILED)
            return self._trouble(outcome, f"{error.code().name}: {error.details()}")
        except Exception as error:
            # The border of the edge: no trouble with a solver may reach the decision.
            return self._trouble(Outcome.FAILED, f"{type(error).__name__}: {error}")
        self.outcomes[Outcome.CUT if answer.closing is None else Outcome.ANSWERED] += 1
        return result

    async def _receive(self, answer: _Answer, request: SolveRequest, deadline_seconds: float) -> None:
        """Adds to the answer until the solver ends; TimeoutError at the deadline."""
        deadline = asyncio.get_running_loop().time() + deadline_seconds
        payload = await self._in_thread(lambda: _encode(request))
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await self._channel.channel_ready()
        except TimeoutError:
            raise _UnreachableError from None
        call = self._call(payload, timeout=deadline - asyncio.get_running_loop().time())
        try:
            async for data in call:
                answer.add(data)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise TimeoutError from error
            raise
        finally:
            call.cancel()
        if answer.closing is None:
            raise _GarbledError("the stream ended without saying how the solve ended")

    async def _in_thread(self, convert_values: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._converter, convert_values)

    def _trouble(self, outcome: Outcome, detail: str) -> SolveResult:
        self.outcomes[outcome] += 1
        log.warning("no answer from the solver", outcome=outcome.value, detail=detail)
        return SolveResult(incumbent=None, end="failed")


async def _unless(enough: asyncio.Event | None, receiving: Coroutine[None, None, None]) -> None:
    """Receives until it ends, or until ``enough`` is set."""
    if enough is None:
        await receiving
        return
    received, told = asyncio.create_task(receiving), asyncio.create_task(enough.wait())
    try:
        await asyncio.wait((received, told), return_when=asyncio.FIRST_COMPLETED)
        if received.done():
            received.result()
    finally:
        for task in (received, told):
            task.cancel()
        await asyncio.gather(received, told, return_exceptions=True)


def _encode(request: SolveRequest) -> bytes:
    payload = convert.request_to_pb(request).SerializeToString()
    if len(payload) > MESSAGE_BYTES_MAX:
        raise ValueError(f"the problem takes {len(payload)} bytes; a message may have {MESSAGE_BYTES_MAX}")
    return payload
