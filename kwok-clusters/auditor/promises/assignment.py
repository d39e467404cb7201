"""Pods of a gang are bound only as its commit record says: there is one, it names the node, and not more often."""

from collections.abc import Iterator

from auditor.facts import Bound, Fact
from auditor.report import Finding
from auditor.tracked import Gang, TrackedPod
from auditor.world import World

PROMISE = "commit record"


class Assignment:
    """Binds of gangs against the record in force."""

    def __init__(self, world: World) -> None:
        self._world = world

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Bound(pod=pod, seen=seen) if pod.bound_by_us and pod.occupies and pod.gang:
                message = self._broken(pod, self._world.book.gang(pod.gang))
                if message:
                    # Of a bind that nobody saw, the record may have been released since.
                    yield self._world.finding("violation" if seen else "note", PROMISE, pod.subject, message)

    def _broken(self, pod: TrackedPod, gang: Gang) -> str:
        if gang.record is None:
            return f"bound to {pod.node} while {gang.subject} had no commit record"
        if pod.place is None:
            named = ", ".join(sorted(gang.record.nodes())[:8])
            label = f" (subgroup {pod.label})" if pod.label else ""
            return f"bound to {pod.node}{label}, for which the record of {gang.subject} has no place; it names {named}"
        filling = gang.record.filled.get(pod.place, ())
        here = [uid for uid in filling if uid in gang.active]
        places = gang.record.places.get(pod.place, 0)
        if len(here) > places:
            return f"{len(here)} pods of {gang.subject} run on {pod.node}, where its record has places for {places}"
        return ""
