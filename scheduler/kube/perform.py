"""Effects performed, over a fixed number of connections; words have few of their own."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from time import time

import structlog

from scheduler.core.gangs.lifecycle import Phase
from scheduler.kube.client import ApiClient, UnreachableError
from scheduler.model import effects as ef
from scheduler.model.effects import Effect
from scheduler.model.events import Event, Failed
from scheduler.wire.requests import event_for, request_for

URGENT = (
    ef.Bind,
    ef.Commit,
    ef.Hold,
    ef.Bump,
    ef.Release,
    ef.MakeGroup,
    ef.MarkEvicted,
    ef.Evict,
    ef.SelectNode,
    ef.ReserveVolume,
)
"""What work waits for. Everything else is words."""

WORDS_WORKERS = 2
"""So few connections are for words: statuses and events trickle while binds have all others to themselves."""

WORDS_DELAY_SECONDS = 1.0

TELLS_WAITING_MAX = 2000
"""With this many words waiting, further events are dropped: they are the first thing nobody misses."""


class _Lane:
    """Effects in order, events after everything else, and workers that wait for them."""

    def __init__(self) -> None:
        self._effects: deque[Effect] = deque()
        self._tells: deque[Effect] = deque()
        self._ready = asyncio.Semaphore(0)

    @property
    def waiting(self) -> int:
        return len(self._effects) + len(self._tells)

    @property
    def pressing(self) -> bool:
        """Whether something waits besides events."""
        return bool(self._effects)

    def put(self, effect: Effect) -> None:
        # A gang goes on when its status is written: that must not wait behind thousands of events about its victims.
        (self._tells if isinstance(effect, ef.Tell) else self._effects).append(effect)
        self._ready.release()

    async def get(self) -> Effect:
        while True:
            await self._ready.acquire()
            for waiting in (self._effects, self._tells):
                if waiting:
                    return waiting.popleft()

    def clear(self) -> None:
        self._effects.clear()
        self._tells.clear()


class Performer:
    """Takes effects, answers with events. First come, first served, words apart from what work waits for."""

    def __init__(self, client: ApiClient, answer: Callable[[Event], None], workers: int = 24) -> None:
        self._client = client
        self._answer = answer
        self._workers = workers
        self._urgent = _Lane()
        self._words = _Lane()
        self._open = False
        self.in_flight = 0
        self._log = structlog.get_logger("perform")
        self.performed: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.dropped = 0

    def take(self, effects: Iterable[Effect]) -> None:
        for effect in effects if self._open else ():
            if isinstance(effect, URGENT):
                self._urgent.put(effect)
            elif isinstance(effect, ef.Tell) and self._words.waiting >= TELLS_WAITING_MAX:
                self.dropped += 1
            else:
                self._words.put(effect)

    def close(self) -> None:
        """We no longer lead: what has not been sent is forgotten, and nothing is taken until `open`."""
        self._open = False
        self._urgent.clear()
        self._words.clear()

    async def open(self) -> None:
        """We lead: take effects again, once everything of before has been answered or has timed out."""
        while self.in_flight:
            await asyncio.sleep(0.05)
        self._open = True

    @property
    def waiting(self) -> int:
        return self._urgent.waiting + self._words.waiting

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._workers):
                tasks.create_task(self._work(self._urgent), name=f"perform {number}")
            for number in range(WORDS_WORKERS):
                tasks.create_task(self._work(self._words), name=f"say {number}")

    async def _urgent_first(self, effect: Effect) -> None:
        """Let words wait for a while as long as something urgent waits for a connection; events only until something
        else is to be said. What is said of a gang that has not arrived does not wait: it goes on once that is
        written."""
        if isinstance(effect, ef.WriteStatus) and effect.status.phase != Phase.RUNNING:
            return
        patience = WORDS_DELAY_SECONDS
        while self._urgent.waiting and patience > 0 and not (isinstance(effect, ef.Tell) and self._words.pressing):
            await asyncio.sleep(0.05)
            patience -= 0.05

    async def _work(self, lane: _Lane) -> None:
        while True:
            effect = await lane.get()
            if lane is self._words:
                await self._urgent_first(effect)
            self.in_flight += 1
            try:
                await self._perform(effect)
            finally:
                self.in_flight -= 1

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
