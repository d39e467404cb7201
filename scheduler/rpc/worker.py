"""The solver worker: a process of its own that serves `muster.solver.v1.SolverService`.

``python -m scheduler.rpc.worker --listen unix:/path`` (or ``host:port``). SIGTERM ends it within ``END_SECONDS_MAX``.
A crash of native code ends this process and nothing else; the scheduler's other processes never load the solver.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType

import grpc
import structlog
from grpc_health.v1 import health, health_pb2_grpc

from scheduler.rpc.endpoint import SERVER_OPTIONS
from scheduler.rpc.lifeline import end_with_parent
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2_grpc
from scheduler.rpc.service import Capacity, Solve, SolverService

END_SECONDS_MAX = 2.0
"""Solves that were told to stop may send their last answer for so long."""

_SPARE_THREADS = 8
"""For health checks and refusals, while every solve and every place in the queue holds a thread."""

log = structlog.get_logger(__name__)


def serve(solve: Solve, listen: str, capacity: Capacity) -> None:
    """Serves until SIGTERM or SIGINT. Ends the program with a message when the address cannot be listened on."""
    threads = capacity.slots + capacity.queue_length_max + _SPARE_THREADS
    server = grpc.server(ThreadPoolExecutor(threads, thread_name_prefix="rpc"), options=SERVER_OPTIONS)
    health_servicer = health.HealthServicer()
    service = SolverService(solve, capacity, health_servicer)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    solver_pb2_grpc.add_SolverServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError as error:
        sys.exit(f"cannot listen on {listen}: {error}")

    told_to_end = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        told_to_end.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    server.start()
    log.info("solver worker serves", listen=listen, port=port, slots=capacity.slots)
    told_to_end.wait()
    service.end()
    server.stop(END_SECONDS_MAX).wait()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scheduler.rpc.worker", description="Serves the solver over gRPC.")
    capacity = Capacity()
    parser.add_argument("--listen", required=True, metavar="ADDRESS", help="unix:/path or host:port")
    parser.add_argument("--slots", type=int, default=capacity.slots, help="solves at the same time (%(default)s)")
    parser.add_argument(
        "--queue-length-max",
        type=int,
        default=capacity.queue_length_max,
        help="solves that may wait for a slot (%(default)s); more are refused",
    )
    parser.add_argument(
        "--overrun-seconds-max",
        type=float,
        default=capacity.overrun_seconds_max,
        help="a solve that goes on for longer past its deadline makes the worker unhealthy (%(default)s)",
    )
    parser.add_argument(
        "--end-with-parent",
        action="store_true",
        help="end when the starting process, which holds our standard input, is gone",
    )
    options = parser.parse_args(arguments)
    if options.slots < 1 or options.queue_length_max < 0:
        parser.error("a worker needs at least one slot, and a queue cannot be shorter than 0")
    return options


def _configure_logs() -> None:
    """JSON lines on standard error, which a supervised worker shares with the scheduler."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def run(arguments: list[str], solve: Solve) -> None:
    """The program, with its arguments and the function that solves. Does not return."""
    options = parse(arguments)
    _configure_logs()
    if options.end_with_parent:
        end_with_parent()
    capacity = Capacity(
        slots=options.slots,
        queue_length_max=options.queue_length_max,
        overrun_seconds_max=options.overrun_seconds_max,
    )
    serve(solve, options.listen, capacity)
    sys.stderr.flush()
    # A thread inside native code cannot be joined: leave without waiting for it.
    os._exit(0)


if __name__ == "__main__":
    # Loaded here and nowhere else: importing this module must not load OR-Tools. It is loaded before serving, so that
    # the first solve does not pay for it.
    from scheduler.solver.improve import solve as improve

    run(sys.argv[1:], partial(improve, clock=time.monotonic))
