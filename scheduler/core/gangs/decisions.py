"""Decisions accepted: from this moment on their room is held, and their records are on their way."""

from __future__ import annotations

from collections.abc import Callable

from scheduler.core.explain import terms_of
from scheduler.core.facts.books import places_of, spots
from scheduler.core.facts.store import Store
from scheduler.core.gangs.records import GangRecords
from scheduler.core.gangs.resolve import SINGLE_MEMBER, whole
from scheduler.core.gangs.states import GangStates
from scheduler.core.gangs.writes import GangWrites
from scheduler.core.leaving.giving_way import GivingWay, gang_of_pod, victim_of
from scheduler.core.leaving.running_work import RunningWork
from scheduler.model.effects import Effect, MakeGroup
from scheduler.model.plan import Decision
from scheduler.model.work import Assignment, Gang, GangKey, Pod, group_key, single_key


class GangDecisions:
    """For all gangs. ``count`` lets a gang's pods and record take room as they now stand; ``stir`` asks for another
    decision, where one cannot be accepted now."""

    def __init__(
        self,
        store: Store,
        giving_way: GivingWay,
        running: RunningWork,
        writes: GangWrites,
        records: GangRecords,
        states: GangStates,
        count: Callable[[GangKey], None],
        stir: Callable[[], None],
    ) -> None:
        self._store = store
        self._giving_way = giving_way
        self._running = running
        self._writes = writes
        self._records = records
        self._states = states
        self._count = count
        self._stir = stir

    def accept(self, gang: Gang, decision: Decision, made_from: int, now_seconds: float, epoch: int) -> list[Effect]:
        """Commit a verified decision: the overlay holds its room from now on, the record is on its way."""
        state = self._states[gang.key]
        group = self._store.groups[gang.key]
        if state.flight is not None or self._awaits_unwritten(gang.key, decision):
            self._stir()
            return []
        standing = state.record
        leaving = () if standing is None else self._giving_way.still_leaving(standing)
        departing = tuple(victim_of(self._store.pods[uid]) for uid in sorted(state.departing))
        before = standing.terms.grants if standing is not None and leaving else ()
        record = Assignment(
            epoch=epoch,
            made_from=str(made_from),
            decided_at_seconds=float(int(now_seconds)),
            # What finished pods left is nobody's any more: a successor could not tell it from a place to be taken.
            places=places_of(spots((*gang.held, *whole(decision.places))) - self._store.book(gang.key).spent),
            victims=tuple(dict.fromkeys((*leaving, *departing, *decision.victims))),
            moves=decision.moves,
            terms=terms_of(decision.taken, before),
        )
        effects = self._records.commit(gang.key, state, group, record, gang.queue)
        self._count_givers()
        return effects

    def accept_single(
        self, pod: Pod, gang: Gang, decision: Decision, made_from: int, now_seconds: float, epoch: int
    ) -> list[Effect]:
        """Commit a decision about a single pod for which others give way, in a PodGroup made for it."""
        name = f"pod-{pod.uid}"
        key = group_key(pod.namespace, name)
        state = self._states.of(key)
        if state.flight is not None or key in self._store.groups:
            return []
        if self._awaits_unwritten(key, decision):
            self._stir()
            return []
        state.made = True
        state.committing = Assignment(
            epoch,
            str(made_from),
            float(int(now_seconds)),
            decision.places,
            decision.victims,
            decision.moves,
            terms_of(decision.taken),
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

    def _count_givers(self) -> None:
        """Those who give way reserve no more than what is left to them, from this very moment on."""
        pods = [pod for uid in self._store.notices.changed if (pod := self._store.pods.get(uid)) is not None]
        owners = dict.fromkeys(gang_of_pod(pod) or single_key(pod.uid) for pod in pods)
        for own in owners:  # counting may name more; and a snapshot may be asked for before the next review
            self._running.touch(own)
            if own in self._store.groups:
                self._count(own)
