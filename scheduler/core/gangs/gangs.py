"""The life of a gang with a PodGroup: from its first pod to its last, one write on its way at a time."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from scheduler.core.binder import Binder
from scheduler.core.facts.store import Store, newer
from scheduler.core.gangs.binding import GangBinding
from scheduler.core.gangs.claims import GangClaims
from scheduler.core.gangs.decisions import GangDecisions
from scheduler.core.gangs.harm import Harm
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.losses import GangLosses
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.preparing import GangPreparing
from scheduler.core.gangs.records import GangRecords
from scheduler.core.gangs.resolve import Resolved, resolve, with_shapes
from scheduler.core.gangs.state import GangState, needs_time
from scheduler.core.gangs.states import GangStates
from scheduler.core.gangs.upkeep import GangUpkeep
from scheduler.core.gangs.waiting import GangWaiting
from scheduler.core.gangs.words import GangWords
from scheduler.core.gangs.writes import GangWrites
from scheduler.core.leaving.giving_way import GivingWay, gang_of_pod
from scheduler.core.leaving.running_work import RunningWork
from scheduler.core.verify.admission import Admission
from scheduler.core.voice import Voice
from scheduler.model.effects import Effect, Release, WriteStatus
from scheduler.model.events import Done, Failed
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.policy import Policy
from scheduler.model.running import Running
from scheduler.model.work import GangKey, Pod, PodGroup, single_key

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
        giving_way: GivingWay,
        policy: Policy,
    ) -> None:
        self._store = store
        self._binder = binder
        self._voice = voice
        self._claims = claims
        self._giving_way = giving_way
        patience = policy.patience
        self.states = states = GangStates(store)
        self._places = places = GangPlaces(store, admission, giving_way)
        binding = GangBinding(store, binder, admission, claims, places, patience)
        self._upkeep = GangUpkeep(store, places, binding, giving_way, patience)
        self._words = GangWords(store, voice, binding, patience)
        self.harm = Harm(store, places, patience)
        self.running = RunningWork(store, giving_way, self._running)
        self._writes = writes = GangWrites(store, voice, giving_way, patience, states, self.touch)
        self._records = records = GangRecords(store, binder, voice, claims, binding, writes, states)
        self.losses = GangLosses(store, places, giving_way, writes, records, states)
        self._preparing = GangPreparing(store, places, binding, giving_way, writes, records, self.losses, self.touch)
        self._waiting = GangWaiting(store, voice, places, writes, states, self._stir)
        self.decisions = GangDecisions(
            store, giving_way, self.running, writes, records, states, self._count, self._stir
        )
        self._dirty: dict[GangKey, None] = {}
        self._timed: dict[GangKey, None] = {}
        self.stirred = False
        self.settled = False
        """Whether a gang began to run: from then on it may be asked to give way."""

    # -- what was seen ---------------------------------------------------------------------------------------------

    def touch(self, key: GangKey) -> None:
        self._dirty[key] = None
        self.running.touch(key)

    def _stir(self) -> None:
        """A decision may bring something new."""
        self.stirred = True

    def touch_all(self) -> None:
        for key in (*self._store.groups, *self._store.members_of):
            self.touch(key)

    def see_pod(self, key: GangKey, pod: Pod, before: Pod | None) -> None:
        state = self.states.of(key)
        if before is None or _told_apart(before, pod):
            state.resolved = None
        if before is None and not pod.finished:
            state.unproven = False
        state.hurt |= bool(pod.node) and pod.finished and not pod.succeeded
        self._loosen(state, pod)
        self.touch(key)

    def lose_pod(self, key: GangKey, pod: Pod) -> None:
        state, uid = self.states.of(key), pod.uid
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
        state = self.states.of(key)
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
        state = self.states.get(key)
        if state is not None:
            self.states[key] = GangState(loose=state.loose)
        self.states.pending.pop(key, None)
        self._voice.drop(key)
        self.touch(key)

    def forget_flights(self) -> None:
        """We were deposed or start over: what was on its way is unknown."""
        for key, state in self.states.items():
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
        self.states.pending.clear()
        self.touch_all()

    def reconsider(self, key: GangKey) -> None:
        """What its pods ask for may have changed: their volumes are no longer what they were."""
        self.states.of(key).resolved = None
        self.touch(key)

    def recharge(self, key: GangKey) -> None:
        """Count the gang's pods again where they now belong."""
        state = self.states.of(key)
        if state.resolved is None:
            return
        queue = self.states.queue_of(key)
        for uid, member in state.resolved.member_of.items():
            pod = self._store.pods[uid]
            self._store.charge(uid, self._binder.charge_of(pod, queue, key, member))
        for uid in state.departing & self._store.pods.keys():
            self._store.charge(uid, self._binder.charge_of(self._store.pods[uid], queue, None, ""))

    def departs(self, pod: Pod) -> bool:
        """Whether a pod still stands somewhere and is no part of its gang any more."""
        key = gang_of_pod(pod)
        state = None if key is None else self.states.get(key)
        return state is not None and pod.uid in state.departing

    def _running(self, key: GangKey, now_seconds: float) -> Iterator[Running]:
        """What of a gang may be asked to give way: all of it once every pod of it stands; whoever leaves anyway."""
        group, state = self._store.groups.get(key), self.states.get(key)
        pods = self._store.members_of.get(key, {})
        if group is None or state is None or state.resolved is None or not pods:
            return
        queue = self.states.queue_of(key)
        own = {uid: pod for uid, pod in pods.items() if uid in state.resolved.member_of}
        # The place of a pod that nobody made leave is kept for the one that replaces it, where one may come.
        if state.record is not None and not group.leaving:
            own = {uid: pod for uid, pod in own.items() if not pod.leaving or self._store.notices.given(uid)}
        alone = [pod for uid, pod in pods.items() if uid in state.departing]
        settled = state.phase in (Phase.RUNNING, Phase.DEGRADED) and not any(map(self._binder.in_flight, own))
        if settled and state.committing is None and self._places.taken(key):
            priority = self._places.priority(group, pods)
            waits = key in self.states.pending
            yield self.running.gang(group, state.resolved, own.values(), queue, priority, now_seconds, waits=waits)
        else:
            alone += [pod for pod in own.values() if pod.leaving or self._store.notices.given(pod.uid)]
        for pod in alone:
            if self.running.standing(pod, now_seconds):
                yield self.running.single(pod, queue, now_seconds)

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
            # First all of them take room as they now stand, then each is counted once more, and acted on.
            for key in touched if len(touched) > 1 else ():
                self._count(key)
            for key in touched:
                ran = self.states.of(key).phase is Phase.RUNNING
                effects += self._review(key, now_seconds)
                state = self.states.get(key)
                self.settled |= state is not None and state.phase is Phase.RUNNING and not ran
                if state is not None and needs_time(state):
                    self._timed[key] = None
                else:
                    self._timed.pop(key, None)
        return effects

    def _review(self, key: GangKey, now_seconds: float) -> list[Effect]:
        state = self.states.of(key)
        group = self._store.groups.get(key)
        pods = self._store.members_of.get(key, {})
        if state.made:
            return self._records.commit_made(state, group)
        if group is None:
            return self._without_group(key, state, pods, now_seconds)
        self._count(key)
        record = state.committing or state.record
        queue = self.states.queue_of(key)
        assert state.resolved is not None
        if state.hurt:
            self.harm.see(key, state, now_seconds)
        if record is None and state.resolved.volumes:
            self._claims.unseat(state.resolved, state.loose)
        if state.flight is not None or state.retry_at_seconds > now_seconds:
            return []  # one write at a time; after a conflict or a loss not before the watch or time says so
        if state.giving is not None:
            self.states.settle(key, state)
            return self.losses.give_way(key, state, group, queue)
        overtaken = self._giving_way.overtaken(key, record) if record is not None and state.committing is None else None
        if overtaken:
            return self.losses.fall_back(key, state, group, queue, overtaken)
        if record is not None and state.committing is None:
            lost = self._upkeep.losing(key, state, group, now_seconds)
            if lost is not None:
                return self._records.release(key, state, group, lost)
            state.bumps = None
        if group.leaving:
            self.states.settle(key, state)
            return self._records.let_go(key, state, group)
        effects = (
            self._preparing.prepare_and_bind(key, state, group, pods, queue, now_seconds) if record is not None else []
        )
        if record is not None and not effects and state.flight is None:
            effects = self._keep_up(key, state, group, queue, now_seconds)
        if group.for_pod and state.flight is None:
            effects += self._records.drop_made(state, group)
        if not effects or state.flight is None:
            self._waiting.queue_up(key, state, group, pods, queue, now_seconds)
            effects += self._say(key, state, group, now_seconds)
        return effects

    def _keep_up(self, key: GangKey, state: GangState, group: PodGroup, queue: str, now_seconds: float) -> list[Effect]:
        changed = self._upkeep.changed(key, state, now_seconds)
        return [] if changed is None else self._records.commit(key, state, group, changed, queue)

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
        state, pods = self.states.of(key), self._store.members_of.get(key, {})
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
        queue = self.states.queue_of(key)
        self._store.reserve(
            key,
            self._upkeep.standing(key, state, pods),
            queue,
            state.resolved.shapes,
            state.resolved.labels,
            firm=not group.preemptible,
        )

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
        self.states.settle(key, state)
        if not pods:
            self.states.pop(key, None)
            self._voice.drop(key)
            return []
        for pod in pods.values():
            self._store.charge(pod.uid, self._binder.charge_of(pod, self.states.queue_of(key), None, ""))
        if any(uid in state.loose for uid in pods):
            missing = Refusal("gang-minimum", "Missing", where=key)
            self._voice.note(key, Verdict(Cause.INCOMPLETE, (missing,)), now_seconds)
        return []

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
            state = self.states[key]
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
        state = self.states.get(key)
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

    def _loosen(self, state: GangState, pod: Pod) -> None:
        if pod.node or pod.finished or pod.leaving or self._binder.in_flight(pod.uid):
            state.loose.pop(pod.uid, None)
        else:
            state.loose[pod.uid] = None

    def loosen(self, key: GangKey, uid: str) -> None:
        """A bind was refused: the pod waits for it again."""
        pod = self._store.pods.get(uid)
        if pod is not None:
            self._loosen(self.states.of(key), pod)
        self.touch(key)


def _told_apart(before: Pod, now: Pod) -> bool:
    """Whether a pod may be one of another member, or count differently, than what was last seen of it."""
    return before.shape is not now.shape or before.finished != now.finished or before.label_set != now.label_set
