"""What is written to PodGroups: one write per gang on its way at a time, and what its answer says about the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from scheduler.core.facts.store import Store, newer
from scheduler.core.gangs.lifecycle import Phase, allowed
from scheduler.core.gangs.state import GangState, GroupWrite
from scheduler.core.leaving.giving_way import NO_GANG, GivingWay
from scheduler.core.voice import Voice
from scheduler.model.effects import Bump, Commit, DropGroup, Effect, Hold, MakeGroup, Release, WriteStatus
from scheduler.model.events import Done, Failed
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.policy import Patience
from scheduler.model.work import GangKey, Pod, PodGroup


class GangWrites:
    """``states`` are those of all gangs, ``touch`` asks for a look at one of them."""

    def __init__(
        self,
        store: Store,
        voice: Voice,
        giving_way: GivingWay,
        patience: Patience,
        states: Mapping[GangKey, GangState],
        touch: Callable[[GangKey], None],
    ) -> None:
        self._store = store
        self._voice = voice
        self._giving_way = giving_way
        self._patience = patience
        self._states = states
        self._touch = touch

    def send(self, state: GangState, effect: GroupWrite) -> list[Effect]:
        state.flight = effect
        state.blocked_version = ""
        return [effect]

    def advance(self, key: GangKey, state: GangState, phase: Phase) -> None:
        assert allowed(state.phase, phase), f"gang {key} cannot go from {state.phase} to {phase}"
        state.phase = phase

    def see_record(self, state: GangState, group: PodGroup) -> None:
        """Adopt the record on the server, unless the event is older than what we have just written."""
        seen = group.assignment
        if state.committing is not None:
            if seen == state.committing:
                state.record, state.committing = seen, None
            elif state.refused_version not in ("", group.version):
                # Our commit was refused because of a newer version, and here it is.
                state.record, state.committing, state.refused_version = seen, None, ""
            return
        if state.withdrawn is not None:
            if seen != state.withdrawn:
                state.record, state.withdrawn = seen, None
            return
        if newer(state.version, group.version) == group.version:
            state.record = seen

    def rest(self, key: GangKey, state: GangState, refusal: Refusal, now_seconds: float) -> None:
        """Its record could not be prepared: it says so, and is not decided on for a while."""
        patience = self._patience
        wait_seconds = (
            patience.claims_retry_seconds if refusal.term == "volume-binding" else patience.taking_retry_seconds
        )
        state.unprepared = None
        state.rests_until_seconds = now_seconds + wait_seconds
        self._voice.note(key, Verdict(Cause.BACKOFF, (refusal,)), now_seconds)

    # -- answers ---------------------------------------------------------------------------------------------------

    def done(self, key: GangKey, answer: Done, now_seconds: float) -> None:
        state = self._states.get(key)
        if state is None:
            return
        effect = answer.effect
        if isinstance(effect, Bump):
            if state.bumps is not None:
                state.bumps.pop(effect.uid, None)
            self._touch(key)
            return
        if state.flight is not effect:
            return
        state.flight = None
        state.version = newer(state.version, answer.version)
        if isinstance(effect, Commit):
            state.record = effect.assignment
            state.committing = None
            state.withdrawn = None
            group = self._store.groups.get(key)
            if group is not None:
                written = msgspec.structs.replace(
                    group, assignment=effect.assignment, phase=Phase.ASSIGNED, verdict=None
                )
                self._store.groups[key], state.written = written, None
        elif isinstance(effect, Release):
            state.withdrawn, state.record, state.written = state.record, None, None
            if state.unprepared is not None:
                self.rest(key, state, state.unprepared, now_seconds)
            group = self._store.groups.get(key)
            if group is not None:
                evictions = group.evictions if effect.evictions is None else effect.evictions
                self._store.groups[key] = msgspec.structs.replace(
                    group, assignment=None, phase=effect.phase, evictions=evictions
                )
            if state.withdrawn is not None:
                self._giving_way.withdraw(key, state.withdrawn)
        if isinstance(effect, Commit | Release):
            self._tell_beneficiaries(key)
        group = self._store.groups.get(key)
        if isinstance(effect, Hold) and group is not None:
            self._store.groups[key] = msgspec.structs.replace(group, finalizers=effect.finalizers)
        elif isinstance(effect, DropGroup) and group is not None:
            self._store.groups[key] = msgspec.structs.replace(group, leaving=True)
        self._touch(key)

    def _tell_beneficiaries(self, key: GangKey) -> None:
        """A gang's record was rewritten: those for whom it gives way may go on."""
        notices = self._store.notices
        for uid in self._store.members_of.get(key, {}) if notices else ():
            for by in self._store.notices.by(uid):
                if by != NO_GANG:
                    self._touch(by)

    def went(self, pod: Pod) -> None:
        """A pod has left, or may be counted on to leave: whoever can go on because of that is to look again."""
        for key in self._store.notices.by(pod.uid):
            book = self._store.books.get(key)
            record = None if book is None else book.record
            if key != NO_GANG and (record is None or self._giving_way.frees(pod, record)):
                self._touch(key)

    def failed(self, key: GangKey, failure: Failed, now_seconds: float) -> None:
        state = self._states.get(key)
        if state is None:
            return
        effect = failure.effect
        if isinstance(effect, Bump):
            if state.bumps is not None:
                state.bumps = None if failure.status not in (404, 409) else state.bumps
                if state.bumps is not None:
                    state.bumps.pop(effect.uid, None)
            state.retry_at_seconds = now_seconds + self._patience.bind_retry_seconds
            self._touch(key)
            return
        if state.flight is not effect:
            return
        state.flight = None
        lost = failure.status == 0 or failure.status >= 500 or failure.status == 429
        if isinstance(effect, MakeGroup) and not lost:
            if failure.status != 409:  # else it exists: an earlier request was heard after all, and the watch shows it
                state.committing, state.made = None, False
            self._touch(key)
            return
        if isinstance(effect, WriteStatus):
            state.written = None
        if lost:
            state.retry_at_seconds = now_seconds + self._patience.bind_retry_seconds
            if isinstance(effect, Commit | MakeGroup):
                # It may have happened: send the same again, a conflict then means "look at the watch".
                state.flight, state.resend = effect, True
        elif failure.status == 409 and not isinstance(effect, MakeGroup | DropGroup):
            state.blocked_version = effect.version
            state.retry_at_seconds = now_seconds + self._patience.bind_retry_seconds
            if isinstance(effect, Commit):
                state.refused_version = effect.version
                group = self._store.groups.get(key)
                if group is not None and group.version != effect.version:
                    self.see_record(state, group)
        else:
            state.committing = None
            state.retry_at_seconds = now_seconds + 10 * self._patience.bind_retry_seconds
        self._touch(key)
