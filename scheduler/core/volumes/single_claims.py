"""The volume claims of pods without a group: their node is chosen, and they are bound when their claims are.

Nothing but the claims themselves says which node was chosen: a successor finds it there, and decides accordingly.
"""

from __future__ import annotations

import msgspec

from scheduler.core.binder import Binder
from scheduler.core.facts.store import Store
from scheduler.core.volumes.preparing import Preparer
from scheduler.model.effects import Effect
from scheduler.model.plan import Refusal
from scheduler.model.policy import Patience
from scheduler.model.work import GangKey, NodeCount, Pod


class Begun(msgspec.Struct, frozen=True):
    place: NodeCount
    gang: GangKey
    queue: str
    since_seconds: float


class SingleClaims:
    """``stirred`` says that a review may bring something."""

    def __init__(self, store: Store, binder: Binder, preparer: Preparer, patience: Patience) -> None:
        self._store = store
        self._binder = binder
        self._preparer = preparer
        self._patience = patience
        self._begun: dict[str, Begun] = {}
        self._rests: dict[str, float] = {}
        self.stirred = False

    def begin(self, pod: Pod, place: NodeCount, gang: GangKey, queue: str, now_seconds: float) -> None:
        """A decision gave the pod a node: it counts there while its claims are made ready."""
        self._binder.assume(pod, place.node, place.devices, None, queue, "")
        self._begun[pod.uid] = Begun(place, gang, queue, now_seconds)
        self.stirred = True

    def review(self, now_seconds: float) -> tuple[list[Effect], list[tuple[Pod, Refusal]]]:
        """(what to do now, pods that gave their node back with the reason)."""
        self.stirred = False
        effects: list[Effect] = []
        given_back: list[tuple[Pod, Refusal]] = []
        for uid, begun in tuple(self._begun.items()):
            pod = self._store.pods[uid]
            step = self._preparer.prepare(pod, begun.place.node, begun.gang, now_seconds)
            effects += step.effects
            if step.ready:
                del self._begun[uid]
                place = begun.place
                bind = self._binder.bind(pod, place.node, place.devices, begun.gang, begun.queue, "", grouped=False)
                effects.append(bind)
                continue
            refusal = step.refusal
            if refusal is None and now_seconds - begun.since_seconds > self._patience.claims_bound_seconds:
                refusal = Refusal("volume-binding", "NotBoundInTime", where=pod.name)
            if refusal is not None:
                self.forget(uid)
                self._store.charge(uid, None)
                self._rests[uid] = now_seconds + self._patience.claims_retry_seconds
                given_back.append((pod, refusal))
        return effects, given_back

    def rest(self, uid: str, until_seconds: float) -> None:
        """Let a pod wait until then before it is decided on again."""
        self._rests[uid] = until_seconds

    def rests(self, uid: str) -> bool:
        """Whether a pod waits a while before it is decided on again."""
        return uid in self._rests

    def rested(self, now_seconds: float) -> list[str]:
        """Pods (by UID) that have waited long enough."""
        found = [uid for uid, until in self._rests.items() if until <= now_seconds]
        for uid in found:
            del self._rests[uid]
        self.stirred |= bool(self._begun)
        return found

    def forget(self, uid: str) -> None:
        if self._begun.pop(uid, None) is not None:
            self._binder.forget(uid)
        self._rests.pop(uid, None)

    def forget_all(self) -> None:
        self._begun.clear()
        self._rests.clear()
