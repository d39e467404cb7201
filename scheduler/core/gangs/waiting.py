"""Which gangs wait for a decision, and why the others do not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from scheduler.core.facts.store import Store
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.resolve import gang_of
from scheduler.core.gangs.state import GangState
from scheduler.core.gangs.states import GangStates
from scheduler.core.gangs.writes import GangWrites
from scheduler.core.voice import Voice
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.work import GangKey, Pod, PodGroup


class GangWaiting:
    """For all gangs. ``stir`` asks for a decision."""

    def __init__(
        self,
        store: Store,
        voice: Voice,
        places: GangPlaces,
        writes: GangWrites,
        states: GangStates,
        stir: Callable[[], None],
    ) -> None:
        self._store = store
        self._voice = voice
        self._places = places
        self._writes = writes
        self._states = states
        self._stir = stir

    def queue_up(
        self, key: GangKey, state: GangState, group: PodGroup, pods: dict[str, Pod], queue: str, now_seconds: float
    ) -> None:
        """Put the gang among those that wait for a decision, or note why it does not wait for one."""
        assert state.resolved is not None
        record = state.committing or state.record
        missing = self._places.missing(group, state, pods, record)
        if state.committing is not None or state.blocked_version == state.version or not missing:
            self._states.settle(key, state)
            if record is not None:
                self._voice.drop(key)
            elif not missing:
                self._idle(key, state, pods, now_seconds)
            return
        if state.rests_until_seconds > now_seconds:
            self._states.settle(key, state)
            if record is None:
                self._writes.advance(key, state, Phase.QUEUED)
            return
        held = self._places.held(key, state, record)
        priority = self._places.priority(group, pods)
        found = gang_of(group, state.resolved, pods, queue, priority, missing, held, promised=not state.unproven)
        if isinstance(found, Verdict):
            self._states.settle(key, state)
            if record is None:
                self._writes.advance(key, state, Phase.INCOMPLETE if found.cause is Cause.INCOMPLETE else Phase.QUEUED)
                self._voice.note(key, found, now_seconds)
            return
        if record is None:
            self._writes.advance(key, state, Phase.QUEUED)
        stated = self._store.priority_classes.get(group.priority_class)
        if stated is not None and stated.preempts != found.preempts:
            found = msgspec.structs.replace(found, preempts=stated.preempts)
        if record is None and any(self._store.notices.by(uid, besides=key) for uid in state.departing):
            found = msgspec.structs.replace(found, gives_way=True)
        if self._states.pending.get(key) != found:
            self._states.pending[key] = state.gang = found
            self._stir()

    def _idle(self, key: GangKey, state: GangState, pods: dict[str, Pod], now_seconds: float) -> None:
        """Nothing to place and no record: its pods are finished, none exist yet, or all of them are gated."""
        present = [pod for uid, pod in pods.items() if uid not in state.departing]
        if present and all(pod.finished for pod in present):
            self._writes.advance(key, state, Phase.DONE)
            self._voice.drop(key)
        elif not present:
            assert state.resolved is not None
            self._writes.advance(key, state, Phase.INCOMPLETE)
            short = Refusal("gang-minimum", "Incomplete", needed=state.resolved.minimum)
            self._voice.note(key, Verdict(Cause.INCOMPLETE, (short,)), now_seconds)
        elif (gated := sum(pod.gated for pod in pods.values())) and not self._places.taken(key):
            assert state.resolved is not None
            self._writes.advance(key, state, Phase.QUEUED)
            held = Refusal("gang-minimum", "Gated", needed=state.resolved.minimum, offered=gated)
            self._voice.note(key, Verdict(Cause.HELD, (held,)), now_seconds)
        else:
            # Somebody else bound its pods: nothing is left to decide.
            self._writes.advance(key, state, Phase.RUNNING)
            self._voice.drop(key)
