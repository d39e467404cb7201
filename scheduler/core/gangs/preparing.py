"""A record replayed: everything that must be true first, then the binds that are missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scheduler.core.facts.store import Store
from scheduler.core.gangs.binding import GangBinding
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.losses import GangLosses
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.records import GangRecords
from scheduler.core.gangs.state import GangState
from scheduler.core.gangs.writes import GangWrites
from scheduler.core.leaving.giving_way import GivingWay
from scheduler.model.effects import Effect, Hold
from scheduler.model.work import FINALIZER, Assignment, GangKey, Pod, PodGroup


class GangPreparing:
    """For all gangs. ``touch`` asks for a look at one of them."""

    def __init__(
        self,
        store: Store,
        places: GangPlaces,
        binding: GangBinding,
        giving_way: GivingWay,
        writes: GangWrites,
        records: GangRecords,
        losses: GangLosses,
        touch: Callable[[GangKey], None],
    ) -> None:
        self._store = store
        self._places = places
        self._binding = binding
        self._giving_way = giving_way
        self._writes = writes
        self._records = records
        self._losses = losses
        self._touch = touch

    def prepare_and_bind(
        self,
        key: GangKey,
        state: GangState,
        group: PodGroup,
        pods: dict[str, Pod],
        queue: str,
        now_seconds: float,
    ) -> list[Effect]:
        """Replay the record: everything that must be true first, then the binds that are missing."""
        record = state.committing or state.record
        assert record is not None
        assert state.resolved is not None
        if state.committing is not None:
            if state.record is None:
                self._writes.advance(key, state, Phase.ASSIGNED)
            return []
        if not group.held and not group.for_pod:
            self._writes.advance(key, state, Phase.PREPARING)
            return self._writes.send(
                state, Hold(group.namespace, group.name, state.version, (*group.finalizers, FINALIZER))
            )
        effects: list[Effect] = []
        open_spots = self._store.open_spots(key)
        if record.victims or record.moves:
            waits = self._make_room(key, state, group, record, now_seconds)
            if waits is not None:
                if open_spots:
                    self._writes.advance(key, state, Phase.PREPARING)
                    return waits
                effects += waits
        seats = self._binding.seats(key, state, pods, open_spots, now_seconds)
        effects += seats.effects
        if state.unprepared is not None:
            return [*effects, *self._records.release(key, state, group, Phase.QUEUED)]
        state.awaits_claims = not self._places.taken(key) and not seats.all_ready
        if state.awaits_claims:
            self._writes.advance(key, state, Phase.PREPARING)
            return effects
        if state.loose and open_spots and self._binding.enough(key, state, pods):
            effects += self._binding.binds(key, state, group, pods, queue, seats)
        self._writes.advance(key, state, self._binding.phase(key, state, pods))
        return effects

    def _make_room(
        self, key: GangKey, state: GangState, group: PodGroup, record: Assignment, now_seconds: float
    ) -> list[Effect] | None:
        """Let those leave that the record names; None once all of them are gone."""
        room = self._giving_way.room(
            key, record, self._losses.has_given, partial(self._losses.reason, key, record), now_seconds
        )
        state.leaving = room.leaving
        if not room.leaving:
            return None
        state.left_seconds = now_seconds
        if room.refusal is not None:
            return self._losses.withdraw(key, state, group, record, room.refusal, now_seconds)
        for gang in room.let_go:
            self._touch(gang)
        return list(room.effects)
