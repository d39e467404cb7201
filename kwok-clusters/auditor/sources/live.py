"""Judging while it happens: the streams of the kinds merged by resource version, a moment behind."""

import asyncio
import heapq
import time
from collections.abc import Callable

from auditor.events import Changed, Listed, Lost
from auditor.judge import Judge
from auditor.report import Finding
from auditor.sources.cluster import Cluster
from auditor.sources.reader import Reader
from auditor.sources.watch import Line, Watch

# How long an event waits for earlier ones of other streams.
MERGE_SECONDS = 1.0


class Live:
    """Feeds a judge from the watch streams of a cluster."""

    def __init__(self, judge: Judge, on_finding: Callable[[Finding], None]) -> None:
        self._judge = judge
        self._on_finding = on_finding
        self._reader = Reader()
        self._waiting: list[tuple[int, int, Changed | Listed | Lost]] = []
        self._sequence = 0
        self._judged_revision = 0

    async def run(self, cluster: Cluster, stop: asyncio.Event, on_begun: Callable[[], None]) -> None:
        """Watch and judge until told to stop and everything received by then is judged."""
        await Watch(cluster, self._take).run(stop, on_begun, lambda: self._release(time.time() - MERGE_SECONDS))
        self._release(float("inf"))

    def _take(self, line: Line) -> None:
        for event in self._reader.read(line):
            self._sequence += 1
            heapq.heappush(self._waiting, (event.revision, self._sequence, event))

    def _release(self, until: float) -> None:
        """Judge, in order, all up to the latest event that has waited long enough."""
        last = max((entry[0] for entry in self._waiting if entry[2].at <= until), default=-1)
        while self._waiting and self._waiting[0][0] <= last:
            revision, _, event = heapq.heappop(self._waiting)
            if isinstance(event, Changed) and revision < self._judged_revision:
                reason = f"{event.kind} changed at {revision}: received when {self._judged_revision} had been judged"
                self._observe(Lost(revision, event.at, event.kind, reason))
            self._judged_revision = max(self._judged_revision, revision)
            self._observe(event)
        for finding in self._judge.elapse(until) if until != float("inf") else ():
            self._on_finding(finding)

    def _observe(self, event: Changed | Listed | Lost) -> None:
        for finding in self._judge.observe(event):
            self._on_finding(finding)
