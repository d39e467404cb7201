"""Pods asked to leave: first the pod is told why, then it is evicted; what is refused or lost is tried again later.
Who was told and stays after all hears that too."""

from __future__ import annotations

from typing import TypeVar

from scheduler.core.explain import Reason
from scheduler.core.facts.store import Store
from scheduler.model.effects import Effect, Evict, MarkEvicted, Spare, Tell
from scheduler.model.events import Failed
from scheduler.model.plan import Refusal
from scheduler.model.policy import Patience
from scheduler.model.work import GangKey, Pod

BACKOFF_SECONDS_MAX = 30.0

E = TypeVar("E", MarkEvicted, Evict, Spare)


class Evictor:
    """At most one request per pod at a time. Whether a pod has left is for the watch to say."""

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store = store
        self._patience = patience
        self._flights: dict[str, MarkEvicted | Evict | Spare] = {}
        self._accepted: dict[str, None] = {}
        self._refused: dict[str, Refusal] = {}
        self._retries: dict[str, tuple[float, int]] = {}
        self._told: dict[str, None] = {}
        """Pods (by UID) that were last seen to stand somewhere and to know that they will be evicted."""
        self._outbox: list[Effect] = []
        """Requests that follow from answers."""

    def ask(self, pod: Pod, gang: GangKey | None, reason: Reason, now_seconds: float) -> list[Effect]:
        """The next request for a pod to leave for a gang (None: for nobody); nothing while one is on its way, or soon
        after one was refused."""
        if not self.may_ask(pod, now_seconds):
            return []
        key = gang or GangKey("")
        if pod.marked_evicted:
            return [self._send(Evict(pod.namespace, pod.name, pod.uid, key, reason.word, reason.sentence))]
        return [self._send(MarkEvicted(pod.namespace, pod.name, pod.uid, key, reason.word, reason.sentence))]

    def may_ask(self, pod: Pod, now_seconds: float) -> bool:
        """Whether a request would follow now: none is on its way, none was accepted, none was refused lately."""
        if pod.leaving or pod.finished or pod.uid in self._flights or pod.uid in self._accepted:
            return False
        return self._retries.get(pod.uid, (0.0, 0))[0] <= now_seconds

    def refusal(self, uid: str) -> Refusal | None:
        """Why a pod was not allowed to leave when it was last asked."""
        return self._refused.get(uid)

    def goes(self, pod: Pod) -> bool:
        """Whether a pod is on its way out: it is being deleted, or its eviction was accepted."""
        return pod.leaving or pod.uid in self._accepted

    def observe(self, pod: Pod) -> None:
        if pod.leaving or pod.finished:
            self.forget(pod.uid)
        elif pod.marked_evicted:
            self._told[pod.uid] = None
            return
        self._told.pop(pod.uid, None)

    def forget(self, uid: str) -> None:
        """It leaves, is gone, or need not leave any more: nothing follows from what it is being told just now."""
        for known in (self._accepted, self._refused, self._retries):
            known.pop(uid, None)
        if isinstance(self._flights.get(uid), MarkEvicted):
            del self._flights[uid]

    def spare(self, now_seconds: float) -> list[Effect]:
        """Take the word back that pods were told which no record needs any more."""
        effects: list[Effect] = []
        for uid in tuple(self._told):
            pod = self._store.pods.get(uid)
            if pod is None:
                del self._told[uid]
            elif not self._store.notices.given(uid) and self.may_ask(pod, now_seconds):
                effects.append(self._send(Spare(pod.namespace, pod.name, pod.uid)))
        return effects

    def forget_all(self) -> None:
        """What was on its way is unknown."""
        for known in (self._flights, self._accepted, self._refused, self._retries):
            known.clear()
        self._outbox.clear()

    def take(self) -> list[Effect]:
        """The requests that followed from answers, once."""
        effects, self._outbox = self._outbox, []
        return effects

    # -- answers ---------------------------------------------------------------------------------------------------

    def done(self, effect: MarkEvicted | Evict | Spare) -> None:
        if self._flights.get(effect.uid) is not effect:
            return
        del self._flights[effect.uid]
        if isinstance(effect, Evict):
            # The watch often says that the pod leaves before the answer comes.
            told = Tell("Pod", effect.namespace, effect.name, effect.uid, effect.reason, "Evicting", effect.message)
            self._outbox.append(told)
        pod = self._store.pods.get(effect.uid)
        if pod is None or pod.leaving or pod.finished or isinstance(effect, Spare):
            return
        if isinstance(effect, Evict):
            self._accepted[effect.uid] = None
            self._refused.pop(effect.uid, None)
            return
        evict = Evict(effect.namespace, effect.name, effect.uid, effect.gang, effect.reason, effect.message)
        self._outbox.append(self._send(evict))

    def failed(self, failure: Failed, now_seconds: float) -> None:
        effect = failure.effect
        assert isinstance(effect, MarkEvicted | Evict | Spare)
        if self._flights.get(effect.uid) is not effect:
            return
        del self._flights[effect.uid]
        if isinstance(effect, Evict) and _by_budget(failure):
            pod = self._store.pods.get(effect.uid)
            budget = next(iter(() if pod is None else self._store.guards.of(pod.label_set)), "(not seen yet)")
            where = f"{effect.namespace}/{effect.name} {budget}"
            self._refused[effect.uid] = Refusal("guards", "EvictionRefused", where=where)
        tried = self._retries.get(effect.uid, (0.0, 0))[1]
        wait_seconds = min(self._patience.bind_retry_seconds * 2**tried, BACKOFF_SECONDS_MAX)
        self._retries[effect.uid] = (now_seconds + wait_seconds, tried + 1)

    def _send(self, effect: E) -> E:
        self._flights[effect.uid] = effect
        return effect


def _by_budget(failure: Failed) -> bool:
    """Whether a PodDisruptionBudget refused: a server that is merely busy answers 429 too. A pod under two budgets is
    refused with 500."""
    return (failure.status == 429 and "disruption budget" in failure.message) or (
        failure.status == 500 and "more than one PodDisruptionBudget" in failure.message
    )
