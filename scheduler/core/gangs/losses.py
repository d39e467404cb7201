"""Places that a gang gives up to others, and what it does when others do not give up theirs."""

from __future__ import annotations

from collections import Counter

import msgspec

from scheduler.core.explain import Reason, loss_words, reason_to_leave
from scheduler.core.facts.books import Spot, places_of, spots
from scheduler.core.facts.store import Store
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.records import GangRecords
from scheduler.core.gangs.state import GangState
from scheduler.core.gangs.states import GangStates
from scheduler.core.gangs.writes import GangWrites
from scheduler.core.leaving.giving_way import NO_GANG, GivingWay, gang_of_pod
from scheduler.model.effects import Effect, Tell
from scheduler.model.plan import Refusal
from scheduler.model.work import Assignment, GangKey, Pod, PodGroup, Terms, single_key


class GangLosses:
    """For all gangs."""

    def __init__(
        self,
        store: Store,
        places: GangPlaces,
        giving_way: GivingWay,
        writes: GangWrites,
        records: GangRecords,
        states: GangStates,
    ) -> None:
        self._store = store
        self._places = places
        self._giving_way = giving_way
        self._writes = writes
        self._records = records
        self._states = states

    def give_way(self, key: GangKey, state: GangState, group: PodGroup, queue: str) -> list[Effect]:
        """Write what others' records leave to this gang, while its leaving pods are still there to be counted by."""
        assert state.giving is not None
        assert state.record is not None
        assert state.resolved is not None
        rest, gives = state.giving.rest, self._giving_way.ready_to_go(state.giving.gives, key)
        if not gives:
            return []
        if len(gives) < len(state.giving.gives):
            taken = self._places.taken(key)
            rest = self._giving_way.rest(key, state.record, gives, taken, state.resolved.minimum)
        if rest is not None:
            effects = self._records.commit(key, state, group, rest, queue)
        else:
            # A successor is to see that the rest of a stale gang has to go.
            after = Phase.DEGRADED if state.stale else Phase.QUEUED
            effects = self._records.release(key, state, group, after, evicted=not group.leaving)
        if state.flight is None or group.leaving:  # what is being deleted goes for its owner's sake
            return effects
        return effects + self._tell_loss(group, queue, tuple(gives))

    def fall_back(
        self, key: GangKey, state: GangState, group: PodGroup, queue: str, overtaken: Counter[Spot]
    ) -> list[Effect]:
        """Give places up that a newer record has taken."""
        assert state.record is not None
        self._states.settle(key, state)
        if not self._places.taken(key):
            return self._records.release(key, state, group, Phase.QUEUED, evicted=True)
        less = places_of(spots(state.record.places) - overtaken)
        return self._records.commit(key, state, group, msgspec.structs.replace(state.record, places=less), queue)

    def withdraw(
        self, key: GangKey, state: GangState, group: PodGroup, record: Assignment, refusal: Refusal, now_seconds: float
    ) -> list[Effect]:
        """Somebody may not leave, or does not: give up the places that are not taken, and be decided on anew later."""
        self._giving_way.withdraw(key, record)
        taken = self._places.taken(key)
        if not taken:
            state.unprepared = refusal
            return self._records.release(key, state, group, Phase.QUEUED)
        self._writes.rest(key, state, refusal, now_seconds)
        less = msgspec.structs.replace(record, places=places_of(taken), victims=(), moves=(), terms=Terms())
        return self._records.commit(key, state, group, less, self._states.queue_of(key))

    def has_given(self, pod: Pod) -> bool:
        """Whether a pod's gang goes on without it by its own record, so that it may be evicted."""
        key = gang_of_pod(pod)
        state = None if key is None else self._states.get(key)
        if state is None or state.committing is not None:
            return state is None
        return state.record is None or any(victim.uid == pod.uid for victim in state.record.victims)

    def reason(self, key: GangKey, record: Assignment, pod: Pod) -> Reason:
        """Why a pod leaves for this gang."""
        charge = self._store.charges.get(pod.uid)
        queue = "" if charge is None else charge.queue
        moved = any(pod.uid == each.uid for move in record.moves for each in move.pods)
        return reason_to_leave(
            key, self._states.queue_of(key), queue, gang_of_pod(pod) or single_key(pod.uid), record.terms, moved=moved
        )

    def _tell_loss(self, group: PodGroup, queue: str, gives: tuple[str, ...]) -> list[Effect]:
        """Say on a gang and on its queue that pods of it leave, and why."""
        reason = next((why for uid in gives if (why := self._why(uid)) is not None), None)
        if reason is None:
            return []
        own, theirs = loss_words(group.key, len(gives), reason)
        told: list[Effect] = [Tell("PodGroup", group.namespace, group.name, group.uid, reason.word, "Evicting", own)]
        found = self._store.queues.get(queue)
        if found is not None:
            told.append(Tell("Queue", "", found.name, found.uid, reason.word, "Evicting", theirs))
        return told

    def _why(self, uid: str) -> Reason | None:
        """Why a pod that was given notice leaves."""
        pod = self._store.pods.get(uid)
        for by in self._store.notices.by(uid, besides=None if pod is None else gang_of_pod(pod)):
            state = self._states.get(by)
            if by == NO_GANG:
                return self._giving_way.for_nobody.get(uid)
            if pod is not None and state is not None and state.record is not None:
                return self.reason(by, state.record, pod)
        return None
