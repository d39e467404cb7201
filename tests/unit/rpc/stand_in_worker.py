"""The real worker program around a solver that does as it is told, for what a real one does only by misfortune.

The problem's ``node_score`` is the command: a name of `BEHAVIOURS`.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator

from scheduler.model.plan import TierScore
from scheduler.rpc.service import Stop
from scheduler.rpc.worker import run
from scheduler.solver.problem import Incumbent, Put, SolveRequest, SolveResult


def found(step: int) -> SolveResult:
    return SolveResult(Incumbent((Put(0, 0, 0, step),), (TierScore("served-value", step, 100),)), "feasible")


def quick(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    yield found(1)
    yield found(2)
    yield SolveResult(found(3).incumbent, "optimal", variables=7)


def echo(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    """Answers the start: it came whole."""
    yield SolveResult(request.start, "optimal", variables=len(request.problem.gangs))


def steady(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    """One better placement every 20 ms for as long as it may."""
    end = time.monotonic() + request.wall_seconds
    step = 0
    while not stop() and time.monotonic() < end:
        step += 1
        yield found(step)
        time.sleep(0.02)
    yield SolveResult(None, "deadline")


def barren(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    """Finds nothing until it is stopped."""
    while not stop():
        time.sleep(0.01)
    yield SolveResult(None, "deadline")


def deaf(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    """Does not stop when told to."""
    yield found(1)
    time.sleep(600)


def crash(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    """Finds something, then dies of a segmentation fault."""
    yield found(1)
    ctypes.string_at(0)


def unable(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    raise ValueError("unknown rule 'gravity'")
    yield


def outside(request: SolveRequest, stop: Stop) -> Iterator[SolveResult]:
    """Answers about a gang that nobody asked for."""
    yield SolveResult(Incumbent((Put(len(request.problem.gangs), 0, 0, 1),), ()), "optimal")


BEHAVIOURS: dict[str, Callable[[SolveRequest, Stop], Iterator[SolveResult]]] = {
    behaviour.__name__: behaviour for behaviour in (quick, echo, steady, barren, deaf, crash, unable, outside)
}


def solve(request: SolveRequest, *, stop: Stop) -> Iterator[SolveResult]:
    return BEHAVIOURS[request.problem.node_score](request, stop)


if __name__ == "__main__":
    run(sys.argv[1:], solve)
