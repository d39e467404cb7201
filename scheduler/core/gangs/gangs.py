"""The life of a gang with a PodGroup: from its first pod to its last, one write on its way at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

import msgspec

from scheduler.core.binder import Binder
from scheduler.core.explain import Reason, loss_words, reason_to_leave, terms_of
from scheduler.core.facts.store import Spot, Store, newer, places_of, spots
from scheduler.core.gangs.binding import GangBinding
from scheduler.core.gangs.claims import GangClaims
from scheduler.core.gangs.harm import Harm
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.resolve import SINGLE_MEMBER, Resolved, gang_of, resolve, whole, with_shapes
from scheduler.core.gangs.state import GangState, needs_time
from scheduler.core.gangs.upkeep import GangUpkeep
from scheduler.core.gangs.words import GangWords
from scheduler.core.gangs.writes import GangWrites
from scheduler.core.leaving.evictor import Evictor
from scheduler.core.leaving.giving_way import NO_GANG, GivingWay, gang_of_pod, victim_of
from scheduler.core.leaving.running_work import RunningWork
from scheduler.core.verify.admission import Admission
from scheduler.core.voice import Voice
from scheduler.model.effects import Bump, Commit, DropGroup, Effect, Hold, MakeGroup, Release, Tell, WriteStatus
from scheduler.model.events import Done, Failed
from scheduler.model.plan import Cause, Decision, Refusal, Verdict
from scheduler.model.policy import Policy
from scheduler.model.running import Running
from scheduler.model.work import FINALIZER, Assignment, Gang, GangKey, Pod, PodGroup, group_key, single_key

REVIEW_ROUNDS_MAX = 3
"""One gang's review may touch others: whom it lets go, and who waits for it. What is left then comes with the next."""


class Gangs:
    """All gangs with a PodGroup. Told what was seen; says what to do about those it concerns when asked to review."""

    def __init__(
        self,
        store: Store,
        binder: Binder,
        voice: Voice,
        admission: Admission,
        claims: GangClaims,
        evictor: Evictor,
        giving_way: GivingWay,
        policy: Policy,
    ) -> None:
        self._store = store
        self._binder = binder
        self._voice = voice
        self._policy = policy
        self._admission = admission
        self._claims = claims
        self._evictor = evictor
        self._giving_way = giving_way
        self._places = GangPlaces(store, admission, giving_way)
        self._binding = GangBinding(store, binder, admission, claims, self._places, policy.patience)
        self._upkeep = GangUpkeep(store, self._places, self._binding, giving_way, policy.patience)
        self._words = GangWords(store, voice, policy.patience)
        self.harm = Harm(store, self._places, policy.patience)
        self.running = RunningWork(store, self._giving_way, self._running)
        self._states: dict[GangKey, GangState] = {}
        self._writes = GangWrites(store, voice, giving_way, policy.patience, self._states, self.touch)
        self._dirty: dict[GangKey, None] = {}
        self._timed: dict[GangKey, None] = {}
        self.pending: dict[GangKey, Gang] = {}
        self.stirred = False
        self.settled = False
        """Whether a gang began to run: from then on it may be asked to give way."""

    # -- what was seen ---------------------------------------------------------------------------------------------

    def touch(self, key: GangKey) -> None:
        self._dirty[key] = None
        self.running.touch(key)

    def touch_all(self) -> None:
        for key in (*self._store.groups, *self._store.members_of):
            self.touch(key)

    def see_pod(self, key: GangKey, pod: Pod, before: Pod | None) -> None:
        state = self._state(key)
        if before is None or _told_apart(before, pod):
            state.resolved = None
        if before is None and not pod.finished:
            state.unproven = False
        state.hurt |= bool(pod.node) and pod.finished and not pod.succeeded
        self._loosen(state, pod)
        self.touch(key)

    def lose_pod(self, key: GangKey, pod: Pod) -> None:
        state, uid = self._state(key), pod.uid
        state.hurt |= bool(pod.node) and not pod.succeeded
        state.resolved = None
        state.loose.pop(uid, None)
        if state.bumps is not None:
            state.bumps.pop(uid, None)
        self.touch(key)

    def see_group(self, group: PodGroup) -> None:
        key = group.key
        before = self._store.groups.get(key)
        if before is not None and before.uid != group.uid:
            self.lose_group(key)
            before = None
        state = self._state(key)
        if before is not None and newer(state.version, group.version) != group.version:
            return  # older than what our own last write made of it; what it made comes too
        self._store.groups[key] = group
        state.version = newer(state.version, group.version)
        if before is None and group.phase == Phase.DEGRADED:
            state.hurt = True
            state.hurt_since_seconds = next(
                (each.since_seconds for each in group.conditions if each.type == "Degraded"), None
            )
        if state.blocked_version not in ("", state.version) and state.flight is None:
            state.retry_at_seconds = 0.0
        if before is None or before.generation != group.generation:
            state.resolved = None
            self.stirred = True
        if before is None and group.phase == Phase.DONE:
            state.unproven = True
        if before is None and group.verdict is not None and group.assignment is None:
            self._voice.remember(key, group.verdict.cause, group.verdict.message, group.verdict.since_seconds)
        self._writes.see_record(state, group)
        self.touch(key)

    def lose_group(self, key: GangKey) -> None:
        """It is gone. A namesake may follow, or be here already: nothing said or done counts for it but its pods."""
        self._store.groups.pop(key, None)
        state = self._states.get(key)
        if state is not None:
            self._states[key] = GangState(loose=state.loose)
        self.pending.pop(key, None)
        self._voice.drop(key)
        self.touch(key)

    def forget_flights(self) -> None:
        """We were deposed or start over: what was on its way is unknown."""
        for key, state in self._states.items():
            group = self._store.groups.get(key)
            # A successor finds it like this: every arrow from Incomplete says so.
            state.phase = Phase.INCOMPLETE
            state.flight = state.committing = state.withdrawn = state.bumps = state.written = None
            state.blocked_version = state.refused_version = ""
            state.retry_at_seconds, state.resend, state.made = 0.0, False, False
            state.unprepared, state.rests_until_seconds = None, 0.0
            state.record = None if group is None else group.assignment
            state.version = "" if group is None else group.version
            for pod in self._store.members_of.get(key, {}).values():
                self._loosen(state, pod)
        self.pending.clear()
        self.touch_all()

    def reconsider(self, key: GangKey) -> None:
        """What its pods ask for may have changed: their volumes are no longer what they were."""
        self._state(key).resolved = None
        self.touch(key)

    def recharge(self, key: GangKey) -> None:
        """Count the gang's pods again where they now belong."""
        state = self._state(key)
        if state.resolved is None:
            return
        queue = self.queue_of(key)
        for uid, member in state.resolved.member_of.items():
            pod = self._store.pods[uid]
            self._store.charge(uid, self._binder.charge_of(pod, queue, key, member))
        for uid in state.departing & self._store.pods.keys():
            self._store.charge(uid, self._binder.charge_of(self._store.pods[uid], queue, None, ""))

    def departs(self, pod: Pod) -> bool:
        """Whether a pod still stands somewhere and is no part of its gang any more."""
        key = gang_of_pod(pod)
        state = None if key is None else self._states.get(key)
        return state is not None and pod.uid in state.departing

    def _running(self, key: GangKey, now_seconds: float) -> Iterator[Running]:
        """What of a gang may be asked to give way: all of it once every pod of it stands; whoever leaves anyway."""
        group, state = self._store.groups.get(key), self._states.get(key)
        pods = self._store.members_of.get(key, {})
        if group is None or state is None or state.resolved is None or not pods:
            return
        queue = self.queue_of(key)
        own = {uid: pod for uid, pod in pods.items() if uid in state.resolved.member_of}
        if state.record is not None:  # the place of a pod that nobody made leave is kept for the one that replaces it
            own = {uid: pod for uid, pod in own.items() if not pod.leaving or self._store.notices.given(uid)}
        alone = [pod for uid, pod in pods.items() if uid in state.departing]
        settled = state.phase in (Phase.RUNNING, Phase.DEGRADED) and not any(map(self._binder.in_flight, own))
        if settled and state.committing is None and self._places.taken(key):
            priority = self._places.priority(group, pods)
            waits = key in self.pending
            yield self.running.gang(group, state.resolved, own.values(), queue, priority, now_seconds, waits=waits)
        else:
            alone += [pod for pod in own.values() if pod.leaving or self._store.notices.given(pod.uid)]
        for pod in alone:
            if self.running.standing(pod, now_seconds):
                yield self.running.single(pod, queue, now_seconds)

    def queue_of(self, key: GangKey) -> str:
        """The queue a gang belongs to: its PodGroup's, else its pods', else the namespace's default, else `default`."""
        group = self._store.groups.get(key)
        if group is not None and group.queue:
            return group.queue
        for pod in self._store.members_of.get(key, {}).values():
            if pod.queue:
                return pod.queue
        return self._store.fallback_queue(key.partition("/")[0])

    # -- what to do ------------------------------------------------------------------------------------------------

    def review(self, now_seconds: float) -> list[Effect]:
        """The effects of everything that was touched since the last review."""
        effects: list[Effect] = []
        for _ in range(REVIEW_ROUNDS_MAX):
            self._hear_notices()
            touched = tuple(self._dirty)
            if not touched:
                break
            self._dirty.clear()
            # First all of them take room as they now stand, then each is acted on.
            for key in touched:
                self._count(key)
            for key in touched:
                ran = self._state(key).phase is Phase.RUNNING
                effects += self._review(key, now_seconds)
                state = self._states.get(key)
                self.settled |= state is not None and state.phase is Phase.RUNNING and not ran
                if state is not None and needs_time(state):
                    self._timed[key] = None
                else:
                    self._timed.pop(key, None)
        return effects

    def _review(self, key: GangKey, now_seconds: float) -> list[Effect]:
        state = self._state(key)
        group = self._store.groups.get(key)
        pods = self._store.members_of.get(key, {})
        if state.made:
            return self._commit_made(state, group)
        if group is None:
            return self._without_group(key, state, pods, now_seconds)
        self._count(key)
        record = state.committing or state.record
        queue = self.queue_of(key)
        assert state.resolved is not None
        if state.hurt:
            self.harm.see(key, state, now_seconds)
        if record is None and state.resolved.volumes:
            self._claims.unseat(state.resolved, state.loose)
        if state.flight is not None or state.retry_at_seconds > now_seconds:
            return []  # one write at a time; after a conflict or a loss not before the watch or time says so
        if state.giving is not None:
            self._settle(key, state)
            return self._give_way(key, state, group, queue)
        overtaken = self._giving_way.overtaken(key, record) if record is not None and state.committing is None else None
        if overtaken:
            return self._fall_back(key, state, group, queue, overtaken)
        if record is not None and state.committing is None:
            lost = self._upkeep.losing(key, state, group, now_seconds)
            if lost is not None:
                return self._release(key, state, group, lost)
            state.bumps = None
        if group.leaving:
            self._settle(key, state)
            return self._let_go(key, state, group)
        effects = self._prepare_and_bind(key, state, group, pods, queue, now_seconds) if record is not None else []
        if record is not None and not effects and state.flight is None:
            effects = self._keep_up(key, state, group, queue, now_seconds)
        if group.for_pod and state.flight is None:
            effects += self._drop_made(state, group)
        if not effects or state.flight is None:
            self._queue_up(key, state, group, pods, queue, now_seconds)
            effects += self._say(key, state, group, now_seconds)
        return effects

    def _keep_up(self, key: GangKey, state: GangState, group: PodGroup, queue: str, now_seconds: float) -> list[Effect]:
        changed = self._upkeep.changed(key, state, now_seconds)
        return [] if changed is None else self._commit(key, state, group, changed, queue)

    def _hear_notices(self) -> None:
        """Pods were named by records, or are no more: their gangs are to be looked at."""
        changed = self._store.notices.changed
        for uid in tuple(changed):
            pod = self._store.pods.get(uid)
            if pod is None:
                continue
            key = gang_of_pod(pod)
            if key is not None:
                self.touch(key)
            else:
                self.running.touch(single_key(uid))
        changed.clear()

    def _count(self, key: GangKey) -> None:
        """Let a gang's pods and its record take room as they now stand."""
        group = self._store.groups.get(key)
        if group is None:
            return
        state, pods = self._state(key), self._store.members_of.get(key, {})
        record = state.committing or state.record
        departing = frozenset(self._giving_way.departing(key, record, pods))
        if state.resolved is None or departing != state.departing:
            state.departing = departing
            state.resolved = self._resolve(key, group, {uid: pods[uid] for uid in pods if uid not in departing})
            if record is not None:
                state.shapes |= state.resolved.shapes
                state.resolved = with_shapes(state.resolved, record, state.shapes)
            else:
                state.shapes = dict(state.resolved.shapes)
            self.recharge(key)
        queue = self.queue_of(key)
        self._store.reserve(
            key,
            self._upkeep.standing(key, state, pods),
            queue,
            state.resolved.shapes,
            state.resolved.labels,
            firm=not group.preemptible,
        )

    def _give_way(self, key: GangKey, state: GangState, group: PodGroup, queue: str) -> list[Effect]:
        """Write what others' records leave to this gang, while its leaving pods are still there to be counted by."""
        assert state.giving is not None
        if not self._giving_way.may_go(state.giving.gives, key):
            return []
        rest, gives = state.giving.rest, tuple(state.giving.gives)
        if rest is not None:
            effects = self._commit(key, state, group, rest, queue)
        else:
            # A successor is to see that the rest of a stale gang has to go.
            after = Phase.DEGRADED if state.stale else Phase.QUEUED
            effects = self._release(key, state, group, after, evicted=True)
        return effects + (self._tell_loss(group, queue, gives) if state.flight is not None else [])

    def _fall_back(
        self, key: GangKey, state: GangState, group: PodGroup, queue: str, overtaken: Counter[Spot]
    ) -> list[Effect]:
        """Give places up that a newer record has taken."""
        assert state.record is not None
        self._settle(key, state)
        if not self._places.taken(key):
            return self._release(key, state, group, Phase.QUEUED, evicted=True)
        less = places_of(spots(state.record.places) - overtaken)
        return self._commit(key, state, group, msgspec.structs.replace(state.record, places=less), queue)

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
                return self._reason(by, state, state.record, pod)
        return None

    def has_given(self, pod: Pod) -> bool:
        """Whether a pod's gang goes on without it by its own record, so that it may be evicted."""
        key = gang_of_pod(pod)
        state = None if key is None else self._states.get(key)
        if state is None or state.committing is not None:
            return state is None
        return state.record is None or any(victim.uid == pod.uid for victim in state.record.victims)

    def _resolve(self, key: GangKey, group: PodGroup, pods: dict[str, Pod]) -> Resolved:
        resolved = resolve(group, pods.values(), self._known_members(key, pods))
        asks = {uid: self._store.volumes.ask_of(pods[uid]) for uid in resolved.member_of if pods[uid].volumes}
        found = {uid: asked for uid, asked in asks.items() if asked is not None}
        return msgspec.structs.replace(resolved, volumes=found) if found else resolved

    def _known_members(self, key: GangKey, pods: dict[str, Pod]) -> dict[str, str]:
        """What pods that stand somewhere are already: a resize in place does not make another member of them."""
        charges = ((uid, self._store.charges.get(uid)) for uid in pods)
        return {uid: charge.member for uid, charge in charges if charge is not None and charge.gang == key}

    def _without_group(self, key: GangKey, state: GangState, pods: dict[str, Pod], now_seconds: float) -> list[Effect]:
        self._store.reserve(key, None, "", {})
        self._settle(key, state)
        if not pods:
            self._states.pop(key, None)
            self._voice.drop(key)
            return []
        for pod in pods.values():
            self._store.charge(pod.uid, self._binder.charge_of(pod, self.queue_of(key), None, ""))
        if any(uid in state.loose for uid in pods):
            missing = Refusal("gang-minimum", "Missing", where=key)
            self._voice.note(key, Verdict(Cause.INCOMPLETE, (missing,)), now_seconds)
        return []

    def _release(
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

    def _let_go(self, key: GangKey, state: GangState, group: PodGroup) -> list[Effect]:
        bound = any(not pod.finished and pod.node for pod in self._store.members_of.get(key, {}).values())
        if not group.held or bound or state.record is not None:
            return []
        others = tuple(each for each in group.finalizers if each != FINALIZER)
        return self._writes.send(state, Hold(group.namespace, group.name, state.version, others))

    def _prepare_and_bind(
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
            return [*effects, *self._release(key, state, group, Phase.QUEUED)]
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
            key, record, self.has_given, partial(self._reason, key, state, record), now_seconds
        )
        state.leaving = room.leaving
        if not room.leaving:
            return None
        state.left_seconds = now_seconds
        if room.refusal is not None:
            return self._withdraw(key, state, group, record, room.refusal, now_seconds)
        for gang in room.let_go:
            self.touch(gang)
        return list(room.effects)

    def _withdraw(
        self, key: GangKey, state: GangState, group: PodGroup, record: Assignment, refusal: Refusal, now_seconds: float
    ) -> list[Effect]:
        """Somebody may not leave, or does not: give up the places that are not taken, and be decided on anew later."""
        self._giving_way.withdraw(key, record)
        taken = self._places.taken(key)
        if not taken:
            state.unprepared = refusal
            return self._release(key, state, group, Phase.QUEUED)
        self._writes.rest(key, state, refusal, now_seconds)
        less = msgspec.structs.replace(record, places=places_of(taken), victims=(), moves=())
        return self._commit(key, state, group, less, self.queue_of(key))

    def _reason(self, key: GangKey, state: GangState, record: Assignment, pod: Pod) -> Reason:
        """Why a pod leaves for this gang."""
        charge = self._store.charges.get(pod.uid)
        queue = "" if charge is None else charge.queue
        moved = any(pod.uid == each.uid for move in record.moves for each in move.pods)
        return reason_to_leave(
            key, self.queue_of(key), queue, gang_of_pod(pod) or single_key(pod.uid), state.terms, moved=moved
        )

    def _queue_up(
        self, key: GangKey, state: GangState, group: PodGroup, pods: dict[str, Pod], queue: str, now_seconds: float
    ) -> None:
        """Put the gang among those that wait for a decision, or note why it does not wait for one."""
        assert state.resolved is not None
        record = state.committing or state.record
        missing = self._places.missing(group, state, pods, record)
        if state.committing is not None or state.blocked_version == state.version or not missing:
            self._settle(key, state)
            if record is not None:
                self._voice.drop(key)
            elif not missing:
                self._idle(key, state, pods, now_seconds)
            return
        if state.rests_until_seconds > now_seconds:
            self._settle(key, state)
            if record is None:
                self._writes.advance(key, state, Phase.QUEUED)
            return
        held = self._places.held(key, state, record)
        priority = self._places.priority(group, pods)
        found = gang_of(group, state.resolved, pods, queue, priority, missing, held, promised=not state.unproven)
        if isinstance(found, Verdict):
            self._settle(key, state)
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
        if self.pending.get(key) != found:
            self.pending[key] = state.gang = found
            self.stirred = True

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

    # -- decisions -------------------------------------------------------------------------------------------------

    def accept(self, gang: Gang, decision: Decision, made_from: int, now_seconds: float, epoch: int) -> list[Effect]:
        """Commit a verified decision: the overlay holds its room from now on, the record is on its way."""
        state = self._states[gang.key]
        group = self._store.groups[gang.key]
        if state.flight is not None or self._awaits_unwritten(gang.key, decision):
            self.stirred = True
            return []
        standing = state.record
        leaving = () if standing is None else self._giving_way.still_leaving(standing)
        departing = tuple(victim_of(self._store.pods[uid]) for uid in sorted(state.departing))
        state.terms = terms_of(decision.taken)
        record = Assignment(
            epoch=epoch,
            made_from=str(made_from),
            decided_at_seconds=float(int(now_seconds)),
            # What finished pods left is nobody's any more: a successor could not tell it from a place to be taken.
            places=places_of(spots((*gang.held, *whole(decision.places))) - self._store.book(gang.key).spent),
            victims=tuple(dict.fromkeys((*leaving, *departing, *decision.victims))),
            moves=decision.moves,
        )
        effects = self._commit(gang.key, state, group, record, gang.queue)
        self._count_givers()
        return effects

    def accept_single(
        self, pod: Pod, gang: Gang, decision: Decision, made_from: int, now_seconds: float, epoch: int
    ) -> list[Effect]:
        """Commit a decision about a single pod for which others give way, in a PodGroup made for it."""
        name = f"pod-{pod.uid}"
        key = group_key(pod.namespace, name)
        state = self._state(key)
        if state.flight is not None or key in self._store.groups:
            return []
        if self._awaits_unwritten(key, decision):
            self.stirred = True
            return []
        state.terms, state.made = terms_of(decision.taken), True
        state.committing = Assignment(
            epoch, str(made_from), float(int(now_seconds)), decision.places, decision.victims, decision.moves
        )
        shapes, firm = {SINGLE_MEMBER: pod.shape}, not pod.preemptible
        self._store.reserve(key, state.committing, gang.queue, shapes, {SINGLE_MEMBER: pod.label_set}, firm=firm)
        self._count_givers()
        made = MakeGroup(pod.namespace, name, pod.name, pod.uid, gang.queue, pod.preemptible, pod.topology)
        return self._writes.send(state, made)

    def _awaits_unwritten(self, key: GangKey, decision: Decision) -> bool:
        """Whether a decision counts on somebody who leaves by a record that is still on its way. Were it written first
        and the other one never, he would leave for who has no right to take him."""
        for victim in decision.victims:
            pod = self._store.pods.get(victim.uid)
            # What is left to his own gang names him too, and follows from the other.
            own = None if pod is None else gang_of_pod(pod)
            naming = [self._states.get(by) for by in self._store.notices.by(victim.uid, besides=key) if by != own]
            if naming and all(state is not None and state.committing is not None for state in naming):
                return True
        return False

    def _commit_made(self, state: GangState, group: PodGroup | None) -> list[Effect]:
        """The PodGroup that we make for a single pod is there: the decision that it was made for is written into it."""
        if group is None or state.flight is not None or state.committing is None:
            return []
        state.made = False
        return self._writes.send(state, Commit(group.namespace, group.name, state.version, state.committing))

    def _drop_made(self, state: GangState, group: PodGroup) -> list[Effect]:
        """A PodGroup that we made for a single pod goes when the pod runs, or is gone."""
        served = state.record is not None and state.phase is Phase.RUNNING and not state.departing
        if not (served or group.for_pod not in self._store.pods) or group.leaving:
            return []
        return self._writes.send(state, DropGroup(group.namespace, group.name, group.uid))

    def _count_givers(self) -> None:
        """Those who give way reserve no more than what is left to them, from this very moment on."""
        pods = [pod for uid in self._store.notices.changed if (pod := self._store.pods.get(uid)) is not None]
        owners = dict.fromkeys(gang_of_pod(pod) or single_key(pod.uid) for pod in pods)
        for own in owners:  # counting may name more; and a snapshot may be asked for before the next review
            self.running.touch(own)
            if own in self._store.groups:
                self._count(own)

    def _commit(self, key: GangKey, state: GangState, group: PodGroup, record: Assignment, queue: str) -> list[Effect]:
        state.committing = record
        self._settle(key, state)
        self._voice.drop(key)
        assert state.resolved is not None
        self._store.reserve(
            key, record, queue, state.resolved.shapes, state.resolved.labels, firm=not group.preemptible
        )
        if state.resolved.volumes:  # from now on their volumes are in use on the recorded nodes
            pods = self._store.members_of.get(key, {})
            self._claims.seat(state.resolved, pods, self._binding.unbound(state, pods), self._store.open_spots(key))
        return self._writes.send(state, Commit(group.namespace, group.name, state.version, record))

    def _settle(self, key: GangKey, state: GangState) -> None:
        """It no longer waits for a decision."""
        self.pending.pop(key, None)
        state.gang = None

    # -- answers ---------------------------------------------------------------------------------------------------

    def done(self, key: GangKey, answer: Done, now_seconds: float) -> None:
        self._writes.done(key, answer, now_seconds)
        self.stirred |= isinstance(answer.effect, Release)

    def failed(self, key: GangKey, failure: Failed, now_seconds: float) -> None:
        self._writes.failed(key, failure, now_seconds)

    def went(self, pod: Pod) -> None:
        """A pod has left, or may be counted on to leave."""
        self._writes.went(pod)

    def tick(self, now_seconds: float) -> list[Effect]:
        """What only time brings: lost writes again, verdicts whose moment has come, records whose pods never came."""
        effects: list[Effect] = []
        for key in self._timed:
            state = self._states[key]
            if state.retry_at_seconds and state.retry_at_seconds <= now_seconds:
                state.retry_at_seconds, state.blocked_version = 0.0, ""
                if state.resend and state.flight is not None:
                    state.resend = False
                    effects.append(state.flight)
                self.touch(key)
            elif state.rests_until_seconds and state.rests_until_seconds <= now_seconds:
                state.rests_until_seconds = 0.0
                self.touch(key)
            elif state.record is not None and (
                state.giving is not None or state.phase in (Phase.BINDING, Phase.PREPARING)
            ):
                self.touch(key)
            elif state.phase is Phase.INCOMPLETE:
                effects += self._words.incomplete(key, state, now_seconds)
        return effects

    # -- words -----------------------------------------------------------------------------------------------------

    def speak(self, key: GangKey) -> list[Effect]:
        """The words about a gang that waits, now that its verdict may be written."""
        state = self._states.get(key)
        if state is None:
            return []
        self.touch(key)
        return self._words.waiting(key, state)

    def _say(self, key: GangKey, state: GangState, group: PodGroup, now_seconds: float) -> list[Effect]:
        """Write the status when it differs from what stands there and is worth a write."""
        if state.flight is not None:
            return []
        scheduled = self._places.taken(key).total()
        status = self._words.status(group, state, scheduled, now_seconds)
        if status is None:
            return []
        first = state.phase is Phase.RUNNING and state.written is not None and state.written.phase != Phase.RUNNING
        state.written, state.said_seconds = status, now_seconds
        effects = self._writes.send(state, WriteStatus(group.namespace, group.name, state.version, status))
        return [*effects, self._words.runs(group, scheduled, state.record)] if first else effects

    # -- small things ----------------------------------------------------------------------------------------------

    def _state(self, key: GangKey) -> GangState:
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = GangState()
        return state

    def _loosen(self, state: GangState, pod: Pod) -> None:
        if pod.node or pod.finished or pod.leaving or self._binder.in_flight(pod.uid):
            state.loose.pop(pod.uid, None)
        else:
            state.loose[pod.uid] = None

    def loosen(self, key: GangKey, uid: str) -> None:
        """A bind was refused: the pod waits for it again."""
        pod = self._store.pods.get(uid)
        if pod is not None:
            self._loosen(self._state(key), pod)
        self.touch(key)


def _told_apart(before: Pod, now: Pod) -> bool:
    """Whether a pod may be one of another member, or count differently, than what was last seen of it."""
    return before.shape is not now.shape or before.finished != now.finished or before.label_set != now.label_set
