"""What is said to people, and how often: verdicts on PodGroups and pods, events, within a rate and binds first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from scheduler.core.explain import message
from scheduler.model.effects import Effect, MarkPod, Tell
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.policy import VerdictPace
from scheduler.model.resources import quantity_text
from scheduler.model.work import GangKey, Pod

VERDICTS_KEPT = 10_000


OF_QUEUES = frozenset(("queue", "queue-limit", "lendable", "counts", "queue-order"))
"""Terms by which a queue, and not the fleet, keeps work waiting."""


@dataclass(slots=True)
class Saying:
    """What is to be said about one gang, and what was said last. Most verdicts change before they are said: they are
    put into words when these are asked for."""

    verdict: Verdict
    since_seconds: float
    """When the cause began."""
    changed_seconds: float
    """When the verdict, its numbers included, last changed."""
    said_cause: str = ""
    said_text: str = ""
    said_at_seconds: float = float("-inf")

    worded: tuple[Verdict, str] | None = None
    """The verdict that was last put into words, and these."""

    @property
    def text(self) -> str:
        if self.worded is None or self.worded[0] is not self.verdict:
            self.worded = self.verdict, message(self.verdict)
        return self.worded[1]


class Voice:
    """Keeps the verdict of everything that waits, and says which of them may be written now."""

    def __init__(self, pace: VerdictPace) -> None:
        self._pace = pace
        self._sayings: dict[GangKey, Saying] = {}
        self._unsaid: dict[GangKey, None] = {}
        self._one_of: dict[Verdict, Verdict] = {}
        self._tokens = pace.writes_per_second
        self._filled_at_seconds = 0.0

    def hear(
        self, verdicts: Mapping[GangKey, Verdict], singles: Collection[GangKey], now_seconds: float
    ) -> list[tuple[GangKey, Verdict]]:
        """Notes what a plan says of single pods that wait; answers what is new of all others.

        Of many thousands most share a few objects, and have the verdict that they had: one object stands for all that
        are equal, so that to compare costs next to nothing. Whether the words differ from what was said last is looked
        at when they may be said.
        """
        if len(self._one_of) > VERDICTS_KEPT:
            self._one_of.clear()
        one_of: dict[int, Verdict] = {}
        sayings, others, changed = self._sayings, [], []
        for key, verdict in verdicts.items():
            same = one_of.get(id(verdict))
            if same is None:
                same = one_of[id(verdict)] = self._one_of.setdefault(verdict, verdict)
            saying = sayings.get(key)
            if saying is not None and saying.verdict is same:
                continue
            if key not in singles:
                others.append((key, same))
            elif same.cause is not Cause.PLACED:
                changed.append(key)
                if saying is None:
                    sayings[key] = Saying(same, now_seconds, now_seconds)
                    continue
                if saying.verdict.cause is not same.cause:
                    saying.since_seconds = now_seconds
                saying.verdict, saying.changed_seconds = same, now_seconds
        self._unsaid.update(dict.fromkeys(changed))
        return others

    def note(self, key: GangKey, verdict: Verdict, now_seconds: float) -> None:
        """A gang waits for this reason from now on (or still)."""
        saying = self._sayings.get(key)
        if saying is None:
            saying = self._sayings[key] = Saying(verdict, now_seconds, now_seconds)
        elif saying.verdict is not verdict:
            if saying.verdict.cause != verdict.cause:
                saying.since_seconds = now_seconds
            if saying.verdict != verdict:
                saying.changed_seconds = now_seconds
            saying.verdict = verdict
        if saying.said_cause == verdict.cause.value and saying.said_text == saying.text:
            self._unsaid.pop(key, None)
        else:
            self._unsaid[key] = None

    def remember(self, key: GangKey, cause: str, text: str, since_seconds: float) -> None:
        """What a predecessor has said stands on the server: it need not be said again."""
        if key not in self._sayings:
            stale = Verdict(Cause.STALE)
            self._sayings[key] = Saying(
                stale, since_seconds, since_seconds, cause, text, since_seconds, worded=(stale, text)
            )

    def drop(self, key: GangKey) -> None:
        """It no longer waits, or is gone."""
        self._sayings.pop(key, None)
        self._unsaid.pop(key, None)

    def spend(self, writes: int) -> None:
        """So many writes were made beyond the one that `due` reckons per gang."""
        self._tokens -= writes

    def unsay(self, key: GangKey) -> None:
        """The words were lost on their way: they are due again."""
        saying = self._sayings.get(key)
        if saying is not None:
            saying.said_cause = saying.said_text = ""
            self._unsaid[key] = None

    def of(self, key: GangKey) -> Saying | None:
        return self._sayings.get(key)

    @property
    def waiting(self) -> int:
        return len(self._sayings)

    def due(self, now_seconds: float) -> list[GangKey]:
        """Gangs whose verdict may be written now: first after a short wait, then on a new cause, else rarely.

        The wait is for verdicts that the next moment may change. That a gang fits nowhere is said at once when it is
        proven: somebody is waiting for just that, and an autoscaler may be.
        """
        if now_seconds > self._filled_at_seconds:
            passed = min(now_seconds - self._filled_at_seconds, 1.0)
            self._filled_at_seconds = now_seconds
            self._tokens = min(self._pace.writes_per_second, self._tokens + passed * self._pace.writes_per_second)
        ready: list[GangKey] = []
        said: list[GangKey] = []
        for key in self._unsaid:
            if self._tokens < 1:
                break
            saying = self._sayings[key]
            if saying.said_cause == saying.verdict.cause.value:
                wait_until = saying.said_at_seconds + self._pace.repeat_seconds
            elif saying.verdict.cause is Cause.BLOCKED and saying.verdict.proven:
                wait_until = saying.since_seconds
            elif saying.verdict.cause is Cause.INCOMPLETE:
                wait_until = saying.changed_seconds + self._pace.incomplete_seconds
            else:
                wait_until = saying.since_seconds + self._pace.first_seconds
            if now_seconds < wait_until:
                continue
            if saying.said_cause == saying.verdict.cause.value and saying.said_text == saying.text:
                said.append(key)
            else:
                self._tokens -= 1
                ready.append(key)
        for key in said:
            del self._unsaid[key]
        for key in ready:
            saying = self._sayings[key]
            saying.said_cause, saying.said_text = saying.verdict.cause.value, saying.text
            saying.said_at_seconds = now_seconds
            del self._unsaid[key]
        return ready


def pod_reason(verdict: Verdict) -> str:
    """The reason of PodScheduled=False. `Unschedulable` only for what its queue would admit and no node can hold:
    autoscalers act on it."""
    match verdict.cause:
        case Cause.INCOMPLETE:
            return "GangIncomplete"
        case Cause.INVALID:
            return "SchedulerError"
        case Cause.BLOCKED if not any(each.term in OF_QUEUES for each in verdict.refusals):
            return "Unschedulable"
        case _:
            return "QueueHeld"


def pod_effects(pod: Pod, saying: Saying, *, tell: bool) -> list[Effect]:
    """The words about one waiting pod: its condition and, where it has no PodGroup to carry it, an event."""
    reason = pod_reason(saying.verdict)
    effects: list[Effect] = [MarkPod(pod.namespace, pod.name, pod.uid, pod.version, reason, saying.text)]
    if tell:
        effects.append(
            Tell("Pod", pod.namespace, pod.name, pod.uid, "FailedScheduling", "Scheduling", saying.text, warning=True)
        )
    return effects


def _amount(resource: str, value: int) -> str | int:
    return quantity_text(resource, value) if resource else value


def facts(refusals: tuple[Refusal, ...]) -> tuple[dict[str, str | int], ...]:
    """Refusals as the facts of a written verdict, in the API's words; what is empty is left out."""
    found = []
    for each in refusals[:16]:
        fact: dict[str, str | int] = {"term": each.term, "code": each.code}
        if each.needed or each.offered:
            fact |= {name: _amount(each.resource, getattr(each, name)) for name in ("needed", "offered")}
        if each.resource:
            fact["resource"] = each.resource
        where = each.where or ", ".join(f"{nodes} {reason}" for reason, nodes in each.counts)
        if where:
            fact["where"] = where[:250]
        found.append(fact)
    return tuple(found)
