"""What is said about a gang with a PodGroup: its status, warnings, and the words about its waiting pods."""

from __future__ import annotations

from scheduler.core.facts.books import spots
from scheduler.core.facts.store import Store
from scheduler.core.gangs.binding import GangBinding
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.state import GangState
from scheduler.core.gangs.status import Holdup, as_written, group_status, says_the_same, warning_about
from scheduler.core.voice import Voice, pod_effects
from scheduler.model.effects import Effect, GroupStatus, Tell
from scheduler.model.plan import Cause
from scheduler.model.policy import Patience
from scheduler.model.work import Assignment, GangKey, PodGroup

HOLDUP_WORDS_SECONDS = 3.0

HOLDUP_AGAIN_SECONDS = 10.0
"""A PodGroup whose record names thousands of victims is a large object to write."""


class GangWords:
    def __init__(self, store: Store, voice: Voice, binding: GangBinding, patience: Patience) -> None:
        self._store = store
        self._voice = voice
        self._binding = binding
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
        holdup = self._holdup(group.key, state, now_seconds)
        if state.phase is Phase.PREPARING and holdup is None:
            return None
        saying = self._voice.of(group.key)
        mends = state.written is not None and state.written.phase == Phase.DEGRADED
        if state.phase is Phase.BINDING and holdup is None and not mends:
            return None
        waits = state.phase in (Phase.QUEUED, Phase.INCOMPLETE)
        if (saying is None and waits) or (saying is not None and not saying.said_cause):
            return None
        status = group_status(group, state.phase, scheduled, saying, self._store, now_seconds, holdup)
        if state.written is None:
            state.written = as_written(group)
        return None if says_the_same(status, state.written) else status

    def runs(self, group: PodGroup, scheduled: int, record: Assignment | None) -> Tell:
        """That all of it runs, said once."""
        nodes = 0 if record is None else len({node for _, node, _ in spots(record.places)})
        text = f"placed {_count(scheduled, 'pod', 'pods')} on {_count(nodes, 'node', 'nodes')}"
        return Tell("PodGroup", group.namespace, group.name, group.uid, "Scheduled", "Binding", text)

    def _holdup(self, key: GangKey, state: GangState, now_seconds: float) -> Holdup | None:
        """What keeps a gang that has its places from its binds for so long that its status says so; most are not as
        slow. How many are left to leave changes all the time and is said anew after a while only."""
        if state.record is None or state.phase not in (Phase.PREPARING, Phase.BINDING):
            return None
        prepares = state.phase is Phase.PREPARING
        decided_seconds = state.record.decided_at_seconds
        since_seconds = decided_seconds if prepares else max(decided_seconds, state.left_seconds)
        said = state.written is not None and state.written.phase == state.phase
        if now_seconds < (state.said_seconds + HOLDUP_AGAIN_SECONDS if said else since_seconds + HOLDUP_WORDS_SECONDS):
            return None
        if not prepares:
            return self._pods_missing(key, state)
        if state.leaving:
            return "Preparing", f"{_count(state.leaving, 'pod has', 'pods have')} to leave first"
        return ("Preparing", "volume claims of its pods are not bound yet") if state.awaits_claims else None

    def _pods_missing(self, key: GangKey, state: GangState) -> Holdup | None:
        missing = self._binding.missing(key, state, self._store.members_of.get(key, {}))
        if not missing:
            return None
        assert state.resolved is not None
        who = f"{missing} of the {state.resolved.minimum} pods that it needs {'is' if missing == 1 else 'are'}"
        return "PodsMissing", f"{who} not there, or gated; its places are kept"


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
