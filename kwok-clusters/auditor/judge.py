"""The judge: events in, report out. No input, output or clock; two runs over one recording give one report."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from auditor.events import Event, Requested
from auditor.facts import Bound, Elapsed, Fact, Finished, RecordWritten, Started
from auditor.promises import Promise, promises
from auditor.report import Finding, Report, Seen
from auditor.settings import Settings
from auditor.world import World


@dataclass(slots=True)
class _Counts:
    events: int = 0
    binds: int = 0
    found: int = 0
    records: int = 0
    requests: int = 0
    revisions: list[int] = field(default_factory=list)


class Judge:
    """Judges events one by one, in the order of their revisions. ``observe`` returns what is new."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._world = World(settings or Settings())
        self._promises: list[Promise] = promises(self._world)
        self._findings: list[Finding] = []
        self._counts = _Counts()

    def observe(self, event: Event) -> list[Finding]:
        """Take one event in; returns the findings it gave rise to."""
        self._counts.events += 1
        if isinstance(event, Requested):
            self._counts.requests += 1
            return self._judge([event])
        # Graces that ran out before the event ran out on the old state, so time comes first.
        found = self._judge([Elapsed(event.at)])
        first = self._counts.revisions[:1] or [event.revision]
        self._counts.revisions = [*first, max(event.revision, self._world.revision)]
        return found + self._judge(self._world.apply(event))

    def elapse(self, now: float) -> list[Finding]:
        """Let time pass without an event; returns the findings of graces that ran out."""
        return self._judge([Elapsed(now)])

    def finish(self, now: float) -> Report:
        """End the audit at ``now`` (seconds since 1970): graces are judged up to it, the audit log is joined."""
        self._judge([Elapsed(now), Finished(now)])
        return Report(
            seen=self._seen(),
            violations=[f for f in self._findings if f.severity == "violation"],
            notes=[f for f in self._findings if f.severity == "note"],
        )

    def _judge(self, facts: Iterable[Fact]) -> list[Finding]:
        found: list[Finding] = []
        for fact in facts:
            match fact:
                case Bound(pod=pod) if pod.ours:
                    self._counts.binds += 1
                case Started():
                    self._counts.found = sum(1 for pod in self._world.pods.values() if pod.ours and pod.node)
                case RecordWritten():
                    self._counts.records += 1
            for promise in self._promises:
                found.extend(promise.judge(fact))
        self._findings.extend(found)
        return found

    def _seen(self) -> Seen:
        counts, world = self._counts, self._world
        return Seen(
            events=counts.events,
            pods=len(world.pods),
            binds=counts.binds,
            found=counts.found,
            gangs=sum(1 for gang in world.book.gangs.values() if gang.group is not None or gang.pods),
            records=counts.records,
            nodes=len(world.nodes),
            requests=counts.requests,
            revision_first=counts.revisions[0] if counts.revisions else 0,
            revision_last=counts.revisions[-1] if counts.revisions else 0,
        )


def judge(events: Iterable[Event], now: float, settings: Settings | None = None) -> Report:
    """Judge a complete, ordered list of events (see ``events.ordered``), the audit ending at ``now``."""
    one = Judge(settings)
    for event in events:
        one.observe(event)
    return one.finish(now)
