"""What a PodGroup's status says, from what is known of the gang."""

from __future__ import annotations

from scheduler.core.facts.store import Store
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.voice import Saying, facts
from scheduler.model.effects import GroupStatus, Tell
from scheduler.model.plan import Cause
from scheduler.model.work import Condition, PodGroup

MESSAGE_CHARACTERS = 1000

Holdup = tuple[str, str]
"""What keeps a gang that has its places from its binds: (reason, message)."""

PODS_LOST = "pods were lost; their places are kept for replacements"


def group_status(
    group: PodGroup,
    phase: Phase,
    scheduled: int,
    saying: Saying | None,
    store: Store,
    now_seconds: float,
    holdup: Holdup | None = None,
) -> GroupStatus:
    """The status as it should stand; conditions keep the moment of their last change."""
    text = "" if saying is None else saying.text[:MESSAGE_CHARACTERS]
    cause = "" if saying is None else saying.verdict.cause.value
    invalid = saying is not None and saying.verdict.cause is Cause.INVALID
    wanted = [
        ("Accepted", "False" if invalid else "True", _code(saying) if invalid else "Valid", text if invalid else ""),
        _scheduled(phase, cause, text, holdup),
    ]
    if phase is Phase.DEGRADED:
        wanted.append(("Degraded", "True", "PodsLost", PODS_LOST))
    labels = sorted({pod.queue for pod in store.members_of.get(group.key, {}).values()} - {"", group.queue})
    if group.queue and labels:
        note = f"spec.queue {group.queue} holds; the label of its pods says {', '.join(labels)}"
        wanted.append(("QueueLabelIgnored", "True", "SpecWins", note[:MESSAGE_CHARACTERS]))
    before = {each.type: each for each in group.conditions}
    conditions = tuple(
        Condition(kind, status, reason, message, _since(before.get(kind), status, now_seconds))
        for kind, status, reason, message in wanted
    )
    return GroupStatus(
        phase=phase.value,
        scheduled=scheduled,
        queued_at_seconds=group.queued_at_seconds or group.created_seconds,
        observed_generation=group.generation,
        conditions=conditions,
        verdict_cause=cause,
        verdict_message=text,
        verdict_since_seconds=0.0 if saying is None else saying.since_seconds,
        verdict_facts=() if saying is None else facts(saying.verdict.refusals),
    )


def _scheduled(phase: Phase, cause: str, text: str, holdup: Holdup | None) -> tuple[str, str, str, str]:
    if holdup is not None:
        return ("Scheduled", "False", *holdup)
    match phase:
        case Phase.RUNNING:
            return ("Scheduled", "True", "Placed", "")
        case Phase.DONE:
            return ("Scheduled", "True", "Finished", "")
        case Phase.DEGRADED:
            return ("Scheduled", "False", "PodsLost", PODS_LOST)
        case _:
            return ("Scheduled", "False", cause or "Binding", text)


def _code(saying: Saying | None) -> str:
    if saying is None or not saying.verdict.refusals:
        return "Invalid"
    return saying.verdict.refusals[0].code


def _since(before: Condition | None, status: str, now_seconds: float) -> float:
    return before.since_seconds if before is not None and before.status == status else now_seconds


def as_written(group: PodGroup) -> GroupStatus:
    """The status as it stands on the server."""
    verdict = group.verdict
    return GroupStatus(
        phase=group.phase,
        scheduled=group.scheduled,
        queued_at_seconds=group.queued_at_seconds,
        observed_generation=group.generation,
        conditions=group.conditions,
        verdict_cause="" if verdict is None else verdict.cause,
        verdict_message="" if verdict is None else verdict.message,
    )


def says_the_same(one: GroupStatus, other: GroupStatus) -> bool:
    """Whether two statuses say the same; moments and facts follow from the rest."""
    return (
        (one.phase, one.scheduled, one.observed_generation, one.verdict_cause, one.verdict_message)
        == (other.phase, other.scheduled, other.observed_generation, other.verdict_cause, other.verdict_message)
    ) and [(each.type, each.status, each.reason, each.message) for each in one.conditions] == [
        (each.type, each.status, each.reason, each.message) for each in other.conditions
    ]


def warning_about(group: PodGroup, text: str) -> Tell:
    return Tell(
        "PodGroup", group.namespace, group.name, group.uid, "FailedScheduling", "Scheduling", text, warning=True
    )
