"""What queues used in the past: averages in which the past counts half after each half-life.

Kept for leaves below a queue that asks for it, per flavor of the nodes. The average moves towards what is used now; it
is written to the status of queues and taken from there by a successor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.model.queue import Queue
from scheduler.model.resources import Matrix

Averages = NDArray[np.float64]


class History:
    """Averages by (leaf, flavor), over resource columns that may grow."""

    def __init__(self) -> None:
        self._averages: dict[tuple[str, str], Averages] = {}
        self._restored: set[str] = set()
        self._at_seconds: float | None = None

    def advance(
        self,
        use: Mapping[tuple[str, str], Matrix],
        queues: Mapping[str, Queue],
        resources: tuple[str, ...],
        now_seconds: float,
    ) -> None:
        """Time has passed in which leaves used so much; ``use`` is by (leaf, flavor)."""
        keeping = {name: half for name in queues if (half := half_life_seconds(queues, name)) is not None}
        for name in keeping.keys() - self._restored:
            self._restore(queues[name], resources)
        self._restored = set(keeping)
        passed = 0.0 if self._at_seconds is None else max(0.0, now_seconds - self._at_seconds)
        self._at_seconds = now_seconds
        found: dict[tuple[str, str], Averages] = {}
        for key in (*self._averages, *use):
            if key[0] in keeping and key not in found:
                kept = 0.5 ** (passed / keeping[key[0]]) if keeping[key[0]] > 0 else 0.0
                now = use.get(key)
                before = _wide(self._averages.get(key, np.zeros(len(resources))), len(resources))
                found[key] = before * kept + (0.0 if now is None else now) * (1.0 - kept)
        self._averages = found

    def past(self) -> dict[tuple[str, str], Matrix]:
        """The averages in whole smallest units, as `Snapshot.past_by`."""
        return {key: np.rint(average).astype(np.int64) for key, average in self._averages.items()}

    def _restore(self, queue: Queue, resources: tuple[str, ...]) -> None:
        """What a predecessor wrote; flavors are parts of the line without one."""
        if queue.report is None or any(name == queue.name for name, _ in self._averages):
            return
        split = {line.resource for line in queue.report.lines if line.flavor}
        for line in queue.report.lines:
            if line.past and line.resource in resources and (line.flavor or line.resource not in split):
                row = self._averages.setdefault((queue.name, line.flavor), np.zeros(len(resources)))
                row[resources.index(line.resource)] = line.past


def half_life_seconds(queues: Mapping[str, Queue], name: str) -> float | None:
    """Of the nearest queue above (or at the top, itself) that keeps history; None: the past does not count."""
    seen = set()
    while name in queues and name not in seen:
        seen.add(name)
        history = queues[name].history
        if history is not None:
            return history.half_life_seconds
        name = queues[name].parent
    return None


def _wide(row: Averages, width: int) -> Averages:
    return row if len(row) == width else np.pad(row, (0, width - len(row)))
