"""What is said about a gang with a PodGroup: its status, warnings, and the words about its waiting pods."""

from __future__ import annotations

from scheduler.core.facts.books import spots
from scheduler.core.facts.store import Store
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.state import GangState
from scheduler.core.gangs.status import as_written, group_status, says_the_same, warning_about
from scheduler.core.voice import Voice, pod_effects
from scheduler.model.effects import Effect, GroupStatus, Tell
from scheduler.model.plan import Cause
from scheduler.model.policy import Patience
from scheduler.model.work import Assignment, GangKey, PodGroup

PREPARING_WORDS_SECONDS = 3.0

PREPARING_AGAIN_SECONDS = 10.0
"""A PodGroup whose record names thousands of victims is a large object to write."""


class GangWords:
    def __init__(self, store: Store, voice: Voice, patience: Patience) -> None:
        self._store = store
        self._voice = voice
        self._patience = patience

    def waiting(self, key: GangKey, state: GangState) -> list[Effect]:
        """The words about a gang that waits, now that its verdict may be written."""
        saying = self._voice.of(key)
        if saying is None:
            return []
        pods = self._store.members_of.get(key, {})
        effects: list[Effect] = []
        for uid in state.loose:
            pod = pods.get(uid)
            if pod is not None and not pod.gated:
                effects += pod_effects(pod, saying, tell=False)
        group = self._store.groups.get(key)
        if group is not None and saying.verdict.cause is not Cause.INCOMPLETE:
            effects.append(warning_about(group, saying.text))
        return effects

    def incomplete(self, key: GangKey, state: GangState, now_seconds: float) -> list[Effect]:
        """Too few pods is normal while a controller creates them; only after a while it is worth a warning."""
        saying = self._voice.of(key)
        group = self._store.groups.get(key)
        if saying is None or group is None or saying.verdict.cause is not Cause.INCOMPLETE:
            state.warned = False
            return []
        if state.warned or now_seconds - saying.since_seconds < self._patience.incomplete_warning_seconds:
            return []
        state.warned = True
        return [warning_about(group, saying.text)]

    def status(self, group: PodGroup, state: GangState, scheduled: int, now_seconds: float) -> GroupStatus | None:
        """The status to be written; None while it says what stands there, or nothing worth a write."""
        if state.phase in (Phase.ASSIGNED, Phase.RELEASING):
            return None
        if state.phase is Phase.PREPARING and not self._prepares_for_long(state, now_seconds):
            return None
        saying = self._voice.of(group.key)
        if state.phase is Phase.BINDING and (state.written is None or state.written.phase != Phase.DEGRADED):
            return None
        waits = state.phase in (Phase.QUEUED, Phase.INCOMPLETE)
        if (saying is None and waits) or (saying is not None and not saying.said_cause):
            return None
        status = group_status(group, state.phase, scheduled, saying, self._store, now_seconds, state.leaving)
        if state.written is None:
            state.written = as_written(group)
        return None if says_the_same(status, state.written) else status

    def runs(self, group: PodGroup, scheduled: int, record: Assignment | None) -> Tell:
        """That all of it runs, said once."""
        nodes = 0 if record is None else len({node for _, node, _ in spots(record.places)})
        pods, where = (
            f"{number} {name}{'' if number == 1 else 's'}" for number, name in ((scheduled, "pod"), (nodes, "node"))
        )
        text = f"placed {pods} on {where}"
        return Tell("PodGroup", group.namespace, group.name, group.uid, "Scheduled", "Binding", text)

    def _prepares_for_long(self, state: GangState, now_seconds: float) -> bool:
        """Whether claims or leaving pods keep a gang waiting so long that its status says so; most are not as slow. How
        many pods are left to leave changes all the time and is said anew after a while only."""
        decided = 0.0 if state.record is None else state.record.decided_at_seconds
        said = state.written is not None and state.written.phase == Phase.PREPARING
        due_seconds = state.said_seconds + PREPARING_AGAIN_SECONDS if said else decided + PREPARING_WORDS_SECONDS
        return (state.awaits_claims or state.leaving > 0) and now_seconds >= due_seconds
