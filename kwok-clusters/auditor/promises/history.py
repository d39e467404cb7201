"""Not a promise but its precondition: what was not seen cannot be judged, and the report must say so."""

from collections.abc import Iterator

from auditor.facts import Fact, HistoryLost
from auditor.report import Finding
from auditor.world import World


class History:
    """Notes every gap in what was watched."""

    def __init__(self, world: World) -> None:
        self._world = world

    def judge(self, fact: Fact) -> Iterator[Finding]:
        if isinstance(fact, HistoryLost):
            yield self._world.finding("note", "history", fact.kind, f"history was lost: {fact.reason}")
