"""The loop around a decision: parts of a plan are acted on while a solve goes on, and new work ends a patient one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from scheduler.core.engine import Engine
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.effects import Effect
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue
from scheduler.model.work import Pod, PodGroup
from scheduler.runtime import Runtime, Solve
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.unit.core.test_decide import CROWDED, gang, of_model
from tests.unit.core.world import RACKS, node
from tests.unit.solver.small import solved, unproven


class Recorder:
    """Performs nothing; remembers which gangs a record was asked for, in order."""

    def __init__(self) -> None:
        self.committed: list[str] = []

    def take(self, effects: list[Effect]) -> None:
        self.committed += [each.name for each in effects if isinstance(each, ef.Commit)]


def seen(*objects: object) -> list[ev.Event]:
    events: list[ev.Event] = []
    for each in objects:
        if isinstance(each, Pod):
            events.append(ev.PodSeen(each))
        elif isinstance(each, PodGroup):
            events.append(ev.PodGroupSeen(each))
        else:
            events.append(ev.NodeSeen(each))  # type: ignore[arg-type]
    return events


@asynccontextmanager
async def running(solve: Solve, *objects: object) -> AsyncIterator[tuple[Runtime, Recorder]]:
    recorder = Recorder()
    runtime = Runtime(Engine(Policy()), recorder, solve)
    loop = asyncio.create_task(runtime.run())
    runtime.tell(ev.QueueSeen(Queue("default")), ev.TopologySeen(RACKS), *seen(*objects), ev.Leading(1), ev.Synced())
    try:
        yield runtime, recorder
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20.0):
        while not done():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_what_nobody_contests_is_committed_while_the_solver_thinks() -> None:
    released = asyncio.Event()

    async def slow(_request: SolveRequest, _enough: asyncio.Event | None) -> SolveResult:
        await released.wait()
        return SolveResult(None, "deadline")

    work = (
        *gang("first", 5, model="h100", created_seconds=1.0),
        *gang("second", 5, model="h100", created_seconds=2.0),
        *gang("third", 5, model="a100", created_seconds=3.0),
    )
    async with running(slow, of_model("h", "h100"), of_model("a", "a100"), *work) as (runtime, recorder):
        await until(lambda: recorder.committed == ["third"])
        assert runtime.engine.deciding
        released.set()
        await until(lambda: recorder.committed == ["third", "first"])


@pytest.mark.asyncio
async def test_new_work_ends_the_improvement_of_what_is_left() -> None:
    cut = asyncio.Event()

    async def solve(request: SolveRequest, enough: asyncio.Event | None) -> SolveResult:
        assert (enough is not None) == request.patient
        if enough is not None:
            await enough.wait()
            cut.set()
            return SolveResult(None, "deadline")
        return unproven(solved(request))

    async with running(solve, *CROWDED) as (runtime, recorder):
        await until(lambda: recorder.committed == ["first"])
        await asyncio.sleep(0.3)
        assert not cut.is_set()
        runtime.tell(*seen(node("c"), *gang("new", 1)))
        await until(lambda: "new" in recorder.committed)
        assert recorder.committed[:2] == ["first", "large"]
