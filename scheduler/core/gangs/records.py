"""What is written into a gang's PodGroup about its places: a record is committed, made smaller, or taken away."""

from __future__ import annotations

from scheduler.core.binder import Binder
from scheduler.core.facts.store import Store
from scheduler.core.gangs.binding import GangBinding
from scheduler.core.gangs.claims import GangClaims
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.state import GangState
from scheduler.core.gangs.states import GangStates
from scheduler.core.gangs.writes import GangWrites
from scheduler.core.voice import Voice
from scheduler.model.effects import Bump, Commit, DropGroup, Effect, Hold, Release
from scheduler.model.work import FINALIZER, Assignment, GangKey, PodGroup


class GangRecords:
    """For all gangs. What is recorded holds its room from the moment it is sent."""

    def __init__(
        self,
        store: Store,
        binder: Binder,
        voice: Voice,
        claims: GangClaims,
        binding: GangBinding,
        writes: GangWrites,
        states: GangStates,
    ) -> None:
        self._store = store
        self._binder = binder
        self._voice = voice
        self._claims = claims
        self._binding = binding
        self._writes = writes
        self._states = states

    def commit(self, key: GangKey, state: GangState, group: PodGroup, record: Assignment, queue: str) -> list[Effect]:
        state.committing = record
        self._states.settle(key, state)
        self._voice.drop(key)
        assert state.resolved is not None
        self._store.reserve(
            key, record, queue, state.resolved.shapes, state.resolved.labels, firm=not group.preemptible
        )
        if state.resolved.volumes:  # from now on their volumes are in use on the recorded nodes
            pods = self._store.members_of.get(key, {})
            self._claims.seat(state.resolved, pods, self._binding.unbound(state, pods), self._store.open_spots(key))
        return self._writes.send(state, Commit(group.namespace, group.name, state.version, record))

    def release(
        self, key: GangKey, state: GangState, group: PodGroup, phase: Phase, *, evicted: bool = False
    ) -> list[Effect]:
        """First bump the unbound pods, so that no late bind of this record can succeed; then take the record away."""
        if any(self._binder.in_flight(uid) for uid in self._store.members_of.get(key, {})):
            return []
        if state.bumps is None:
            pods = [self._store.pods[uid] for uid in sorted(state.loose)]
            state.bumps = {pod.uid: None for pod in pods}
            if pods:
                return [Bump(pod.namespace, pod.name, pod.uid, pod.version, key) for pod in pods]
        if state.bumps:
            return []
        state.bumps = None
        self._writes.advance(key, state, Phase.RELEASING)
        evictions = group.evictions + 1 if evicted else None
        return self._writes.send(state, Release(group.namespace, group.name, state.version, phase.value, evictions))

    def let_go(self, key: GangKey, state: GangState, group: PodGroup) -> list[Effect]:
        bound = any(not pod.finished and pod.node for pod in self._store.members_of.get(key, {}).values())
        if not group.held or bound or state.record is not None:
            return []
        others = tuple(each for each in group.finalizers if each != FINALIZER)
        return self._writes.send(state, Hold(group.namespace, group.name, state.version, others))

    def commit_made(self, state: GangState, group: PodGroup | None) -> list[Effect]:
        """The PodGroup that we make for a single pod is there: the decision that it was made for is written into it."""
        if group is None or state.flight is not None or state.committing is None:
            return []
        state.made = False
        return self._writes.send(state, Commit(group.namespace, group.name, state.version, state.committing))

    def drop_made(self, state: GangState, group: PodGroup) -> list[Effect]:
        """A PodGroup that we made for a single pod goes when the pod runs, or is gone."""
        served = state.record is not None and state.phase is Phase.RUNNING and not state.departing
        if not (served or group.for_pod not in self._store.pods) or group.leaving:
            return []
        return self._writes.send(state, DropGroup(group.namespace, group.name, group.uid))
