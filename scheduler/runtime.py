"""The asyncio loop: events in, effects out. It owns time; everything that takes long happens elsewhere.

A decision runs in a thread on an immutable snapshot, its solves in another process, so that watches, binds and the
lease never wait for either.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, time
from typing import Protocol

import structlog

from scheduler.core.decide import Mark, Memory, decide
from scheduler.core.drive import Deciding
from scheduler.core.engine import Engine
from scheduler.model.effects import Decide, Effect
from scheduler.model.events import Event, PlanFailed, Planned, Ticked
from scheduler.model.plan import Plan
from scheduler.solver.problem import SolveRequest, SolveResult

EVENTS_PER_STEP = 400
"""How many events are applied before other tasks get the loop: at some 20 us each, a few milliseconds."""

GATHER_SECONDS = 0.002
"""How long the loop waits for more events before it turns to the first: fewer, larger steps cost less."""

TICK_SECONDS = 0.1

Solve = Callable[[SolveRequest, asyncio.Event | None], Awaitable[SolveResult]]
"""The best answer within the request's budget, or when the event is set: what came is enough then."""


class Effects(Protocol):
    """Whoever performs effects."""

    def take(self, effects: list[Effect]) -> None: ...


class CycleRecord:
    """What the last decision took, in seconds, for metrics and the log line of the cycle."""

    def __init__(self) -> None:
        self.cycles = 0
        self.failed = 0
        self.snapshot_seconds = 0.0
        self.decide_seconds = 0.0
        self.stage_seconds: dict[str, float] = {}
        """By stage of the decision (`decide.Mark`); what a solve adds besides waiting is in `solve`."""
        self.solve_seconds = 0.0
        self.gangs = 0
        self.placed = 0
        self.end = ""
        self.used = ""
        self.stall_seconds_max = 0.0


class Runtime:
    """Feeds the engine and carries out what it asks for."""

    def __init__(self, engine: Engine, effects: Effects, solve: Solve) -> None:
        self.engine = engine
        self.last = CycleRecord()
        self._effects = effects
        self._solve = solve
        self._memory = Memory(engine.policy)
        self._inbox: list[Event] = []
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decide")
        self._log = structlog.get_logger("runtime")
        self._decisions: set[asyncio.Task[None]] = set()

    def tell(self, *events: Event) -> None:
        """Events for the engine; may be called from any task of the loop."""
        self._inbox.extend(events)
        self._wake.set()

    def tell_first(self, event: Event) -> None:
        """An event that must not wait behind others."""
        self._inbox.insert(0, event)
        self._wake.set()

    def tell_all(self, events: list[Event]) -> None:
        self._inbox.extend(events)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. An error in the engine ends it: the successor rebuilds everything."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick(), name="tick")
            tasks.create_task(self._watch_stalls(), name="stalls")
            tasks.create_task(self._loop(), name="engine")

    async def _loop(self) -> None:
        while True:
            if not self._inbox and not self.engine.busy:
                self._wake.clear()
                await self._wake.wait()
                await asyncio.sleep(GATHER_SECONDS)
            events, self._inbox = self._inbox[:EVENTS_PER_STEP], self._inbox[EVENTS_PER_STEP:]
            self._step(events)
            await asyncio.sleep(0)

    def _step(self, events: list[Event]) -> None:
        performed: list[Effect] = []
        for effect in self.engine.handle(events, time()):
            if isinstance(effect, Decide):
                self._start_decision()
            else:
                performed.append(effect)
        self._effects.take(performed)
        if self.engine.stirred:
            self._news.set()

    def _start_decision(self) -> None:
        self._news.clear()
        started = perf_counter()
        snapshot = self.engine.snapshot()
        self.last.snapshot_seconds = perf_counter() - started
        policy = self.engine.policy
        deciding = decide(snapshot, policy, time(), policy.budget, self._memory, self._stopwatch())
        task = asyncio.create_task(self._decide(deciding, len(snapshot.pending)), name="decide")
        self._decisions.add(task)
        task.add_done_callback(self._decisions.discard)

    def _stopwatch(self) -> Mark:
        """Notes what each stage of one decision takes."""
        taken: dict[str, float] = {}
        began = perf_counter()

        def mark(stage: str) -> None:
            nonlocal began
            now = perf_counter()
            taken[stage] = taken.get(stage, 0.0) + now - began
            began = now

        self.last.stage_seconds = taken
        return mark

    async def _decide(self, deciding: Deciding, gangs: int) -> None:
        """Drive the generator: its own steps in the thread, its solves in the worker process."""
        loop = asyncio.get_running_loop()
        started = perf_counter()
        solving = 0.0
        placed = 0
        try:
            step = await loop.run_in_executor(self._thread, _advance, deciding, None)
            while not (isinstance(step, Plan) and step.final):
                result = None
                if isinstance(step, Plan):
                    placed += len(step.decisions)
                    self.tell(Planned(step))
                else:
                    solve_started = perf_counter()
                    result = await self._solve(step, self._news if step.patient else None)
                    solving += perf_counter() - solve_started
                step = await loop.run_in_executor(self._thread, _advance, deciding, result)
        except Exception as trouble:
            # A bug in deciding must not pass silently and must not take binds along: say it, try again later.
            self.last.failed += 1
            self._log.exception("decision failed")
            await asyncio.sleep(1.0)
            self.tell(PlanFailed(str(trouble)))
            return
        self._record(step, gangs, placed + len(step.decisions), perf_counter() - started - solving, solving)
        self.tell(Planned(step))

    def _record(self, plan: Plan, gangs: int, placed: int, decide_seconds: float, solve_seconds: float) -> None:
        last = self.last
        last.cycles += 1
        last.decide_seconds, last.solve_seconds = decide_seconds, solve_seconds
        last.gangs, last.placed = gangs, placed
        last.end = plan.solves[-1].end if plan.solves else ""
        last.used = plan.solves[-1].used if plan.solves else ""
        self._log.info(
            "cycle",
            asked=gangs,
            placed=placed,
            snapshot_ms=round(last.snapshot_seconds * 1000, 1),
            decide_ms=round(decide_seconds * 1000, 1),
            solve_ms=round(solve_seconds * 1000, 1),
            solver=last.end,
            used=last.used,
        )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tell(Ticked())

    async def _watch_stalls(self) -> None:
        """Measure how long the loop is ever away from its tasks."""
        pause_seconds = 0.005
        while True:
            before = perf_counter()
            await asyncio.sleep(pause_seconds)
            self.last.stall_seconds_max = max(self.last.stall_seconds_max, perf_counter() - before - pause_seconds)


def _advance(deciding: Deciding, result: SolveResult | None) -> SolveRequest | Plan:
    """One step of a decision: the next solve it asks for, or (a part of) its plan."""
    try:
        return deciding.send(result)
    except StopIteration as end:
        plan: Plan = end.value
        return plan


def settle_memory() -> None:
    """After the initial lists: what was read stays, so the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
