"""Effects performed: binds and commits first, words last, over a fixed number of connections."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from time import time

import structlog

from scheduler.kube.client import ApiClient, UnreachableError
from scheduler.model import effects as ef
from scheduler.model.effects import Effect
from scheduler.model.events import Event, Failed
from scheduler.wire.requests import event_for, request_for

LANES: dict[type[Effect], int] = {
    ef.Bind: 0,
    ef.Commit: 0,
    ef.Hold: 0,
    ef.Bump: 0,
    ef.Release: 0,
    ef.WriteStatus: 1,
    ef.WriteQueueConditions: 1,
    ef.MarkPod: 2,
    ef.Tell: 2,
}
TELLS_WAITING_MAX = 2000
"""With this many words waiting, further events are dropped: they are the first thing nobody misses."""


class Performer:
    """Takes effects, answers with events. Within a lane first come first served; a lower lane always goes first."""

    def __init__(self, client: ApiClient, answer: Callable[[Event], None], workers: int = 24) -> None:
        self._client = client
        self._answer = answer
        self._workers = workers
        self._lanes: tuple[deque[Effect], ...] = (deque(), deque(), deque())
        self._wake = asyncio.Semaphore(0)
        self._log = structlog.get_logger("perform")
        self.performed: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.dropped = 0
        self._open = False
        self._in_flight = 0

    def take(self, effects: Iterable[Effect]) -> None:
        for effect in effects if self._open else ():
            lane = self._lanes[LANES[type(effect)]]
            if isinstance(effect, ef.Tell) and len(lane) >= TELLS_WAITING_MAX:
                self.dropped += 1
                continue
            lane.append(effect)
            self._wake.release()

    def close(self) -> None:
        """We no longer lead: what has not been sent is forgotten, and nothing is taken until `open`."""
        self._open = False
        for lane in self._lanes:
            lane.clear()

    async def open(self) -> None:
        """We lead: take effects again, once everything of before has been answered or has timed out."""
        while self._in_flight:
            await asyncio.sleep(0.05)
        self._open = True

    @property
    def waiting(self) -> int:
        return sum(len(lane) for lane in self._lanes)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._workers):
                tasks.create_task(self._work(), name=f"perform {number}")

    async def _work(self) -> None:
        while True:
            await self._wake.acquire()
            effect = next((lane.popleft() for lane in self._lanes if lane), None)
            if effect is not None:
                self._in_flight += 1
                try:
                    await self._perform(effect)
                finally:
                    self._in_flight -= 1

    async def _perform(self, effect: Effect) -> None:
        kind = type(effect).__name__
        try:
            status, body = await self._client.send(request_for(effect, time()))
            event = event_for(effect, status, body)
        except UnreachableError as trouble:
            event = Failed(effect, 0, str(trouble))
        self.performed[kind] += 1
        if isinstance(event, Failed):
            self.failures[f"{kind} {event.status}"] += 1
            level = self._log.info if event.status in (404, 409) else self._log.warning
            level("effect failed", effect=kind, status=event.status, reason=event.message, name=_name(effect))
        self._answer(event)


def _name(effect: Effect) -> str:
    namespace = getattr(effect, "namespace", "")
    return f"{namespace}/{getattr(effect, 'name', '')}".lstrip("/")
