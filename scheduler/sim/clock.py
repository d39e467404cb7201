"""Virtual time: a heap of (moment, sequence, action). Nothing else moves it."""

from __future__ import annotations

import heapq
from collections.abc import Callable

START_SECONDS = 1_800_000_000.0
"""When a world begins: a round moment, so that the timestamps in a log are easy to read."""


class Clock:
    """Actions of equal moments run in the order they were asked for."""

    def __init__(self, start_seconds: float = START_SECONDS) -> None:
        self.now_seconds = start_seconds
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def at(self, moment_seconds: float, action: Callable[[], None]) -> None:
        """Run an action at a moment; a moment that has passed means now."""
        self._sequence += 1
        heapq.heappush(self._queue, (max(moment_seconds, self.now_seconds), self._sequence, action))

    def after(self, delay_seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now_seconds + delay_seconds, action)

    def step(self) -> bool:
        """Run the next action; False when there is none."""
        if not self._queue:
            return False
        self.now_seconds, _, action = heapq.heappop(self._queue)
        action()
        return True

    def run_until(self, moment_seconds: float) -> None:
        """Run everything up to and including a moment."""
        while self._queue and self._queue[0][0] <= moment_seconds:
            self.step()
        self.now_seconds = max(self.now_seconds, moment_seconds)
