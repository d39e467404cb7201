"""What becomes of a record that stands: what others leave of it, what is added and struck out, when it is given up."""

from __future__ import annotations

from collections import Counter

import msgspec

from scheduler.core.facts.books import places_of, spots
from scheduler.core.facts.store import Store
from scheduler.core.gangs.binding import GangBinding
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.state import GangState, Giving
from scheduler.core.leaving.giving_way import GivingWay
from scheduler.model.policy import Patience
from scheduler.model.work import Assignment, GangKey, Pod, PodGroup


class GangUpkeep:
    """Answers with the record as it should be, or with None where it may stay as it is."""

    def __init__(
        self, store: Store, places: GangPlaces, binding: GangBinding, giving_way: GivingWay, patience: Patience
    ) -> None:
        self._store = store
        self._places = places
        self._binding = binding
        self._giving_way = giving_way
        self._patience = patience

    def standing(self, key: GangKey, state: GangState, pods: dict[str, Pod]) -> Assignment | None:
        """The record that reserves room: what stands or is being written, less what others' records make it give up."""
        record = state.record
        if state.committing is not None or record is None:
            state.giving = None
            return state.committing
        known = {} if state.giving is None else state.giving.gives
        own = {victim.uid for victim in record.victims}
        ended = {uid for uid in known if (pod := pods.get(uid)) is not None and pod.finished}  # these keep their places
        still = {
            uid: spot
            for uid, spot in known.items()
            if uid not in own and uid not in ended and self._store.notices.by(uid, besides=key)
        }
        gives = still | self._giving_way.noticed(key, record, pods)
        if not gives:
            state.giving = None
            return record
        if state.giving is None or state.giving.gives != gives:
            assert state.resolved is not None
            rest = self._giving_way.rest(key, record, gives, self._places.taken(key), state.resolved.minimum)
            state.giving = Giving(gives, rest)
        return state.giving.rest

    def losing(self, key: GangKey, state: GangState, group: PodGroup, now_seconds: float) -> Phase | None:
        """The phase to go to when the record no longer stands for anything; None while it does."""
        assert state.record is not None
        pods = {uid: pod for uid, pod in self._store.members_of.get(key, {}).items() if uid not in state.departing}
        live = [pod for pod in pods.values() if not pod.finished]
        book = self._store.book(key)
        bound = +book.taken
        if pods and not live:
            state.unproven = True
            return Phase.DONE
        if bound:
            return None
        if state.unprepared is not None:
            return Phase.QUEUED
        assert state.resolved is not None
        if group.suspend or group.leaving or state.resolved.mismatches:
            return Phase.QUEUED
        if not self._places.still_good(key, state, state.record):
            return Phase.QUEUED
        patience = self._patience.pods_missing_seconds
        waited_seconds = now_seconds - max(state.record.decided_at_seconds, state.left_seconds)
        overdue = waited_seconds > patience and not self._giving_way.awaited(state.record)
        if (overdue and not self._binding.enough(key, state, pods)) or (
            group.scheduled and not live and not state.record.victims
        ):
            state.unproven = True
            return Phase.QUEUED
        return None

    def changed(self, key: GangKey, state: GangState, now_seconds: float) -> Assignment | None:
        """The next thing to be changed about it."""
        return self._readmitted(key, state) or self._struck(key, state) or self._shrunk(key, state, now_seconds)

    def _readmitted(self, key: GangKey, state: GangState) -> Assignment | None:
        """Those who were to leave stay after all, because the decision that needed it was withdrawn."""
        record = state.record
        if record is None or not record.victims or state.committing is not None:
            return None
        charges = ((victim.uid, self._store.charges.get(victim.uid)) for victim in record.victims)
        stay = [each.spot for uid, each in charges if each is not None and each.gang == key]
        if not stay:
            return None
        places = places_of(spots(record.places) + Counter(stay))
        victims = tuple(each for each in record.victims if each.uid in state.departing)
        return msgspec.structs.replace(record, places=places, victims=victims)

    def _struck(self, key: GangKey, state: GangState) -> Assignment | None:
        """Take places out of the record whose pods succeeded and were deleted: their room may be somebody else's, and a
        successor could not tell them from places that wait for a pod."""
        if state.record is None or state.committing is not None:
            return None
        promised = spots(state.record.places)
        left = promised - self._store.spent_of(key, state.record)
        if not left or left == promised:
            return None
        return msgspec.structs.replace(state.record, places=places_of(left))

    def _shrunk(self, key: GangKey, state: GangState, now_seconds: float) -> Assignment | None:
        """Give back places that nobody takes: an elastic gang was scaled down, or replacements never came."""
        assert state.resolved is not None
        waits = state.committing is not None or state.loose or state.departing
        if waits or not self._store.open_spots(key):
            state.short_since_seconds = 0.0
            return None
        state.short_since_seconds = state.short_since_seconds or now_seconds
        taken = self._places.taken(key)
        patient = now_seconds - state.short_since_seconds <= self._patience.pods_missing_seconds
        if patient or taken.total() < max(1, state.resolved.minimum):
            return None
        assert state.record is not None
        state.unproven = True
        return msgspec.structs.replace(state.record, places=places_of(taken))
