"""Everything that is left to chance in a world: one seeded source, and how far it may go."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import msgspec

Item = TypeVar("Item")


class Odds(msgspec.Struct, frozen=True):
    """Ranges of delays in seconds and probabilities of faults. The default is a quick, faultless network."""

    watch_seconds: tuple[float, float] = (0.001, 0.02)
    send_seconds: tuple[float, float] = (0.001, 0.01)
    answer_seconds: tuple[float, float] = (0.001, 0.01)
    decide_seconds: tuple[float, float] = (0.01, 0.2)
    start_pod_seconds: tuple[float, float] = (0.2, 1.5)
    volume_seconds: tuple[float, float] = (0.05, 2.0)
    """How long the volume controller and provisioners take for each step."""
    leave_pod_seconds: tuple[float, float] = (1.0, 1.0)
    """How long a deleted pod takes to go, within its grace."""
    replace_pod_seconds: tuple[float, float] = (0.1, 1.0)
    """How long a controller takes to make another pod for one that was evicted."""
    lost_request: float = 0.0
    """The request never reaches the server; the sender sees no answer."""
    lost_answer: float = 0.0
    """The request takes effect; the sender sees no answer."""
    broken_watch: float = 0.0
    """Per line: the stream ends after it and is opened again from the last version seen."""
    failed_decision: float = 0.0


class Chance:
    def __init__(self, seed: int, odds: Odds | None = None) -> None:
        self.odds = odds or Odds()
        self._source = random.Random(seed)

    def seconds(self, bounds: tuple[float, float]) -> float:
        # Whole microseconds keep moments readable in the log.
        return round(self._source.uniform(*bounds), 6)

    def happens(self, probability: float) -> bool:
        return probability > 0 and self._source.random() < probability

    def whole(self, low: int, high: int) -> int:
        """An integer between both bounds, inclusive."""
        return self._source.randint(low, high)

    def one_of(self, items: Sequence[Item]) -> Item:
        return self._source.choice(items)
