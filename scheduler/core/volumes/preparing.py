"""Claims made ready for the nodes of their pods, before the first bind.

A claim that waits for its pod gets the smallest volume that fits and its node can use, reserved by us and bound by the
volume controller; without one it is told the node it is provisioned for. What is on its way is remembered here; what
has been written stands in the claims and volumes themselves, so that a successor goes on from there.
"""

from __future__ import annotations

import msgspec
import numpy as np

from scheduler.core.facts.store import Store, newer
from scheduler.model.cluster import NodeTable
from scheduler.model.effects import Effect, ReserveVolume, SelectNode
from scheduler.model.plan import Refusal
from scheduler.model.policy import Patience
from scheduler.model.volumes import Claim, Volume
from scheduler.model.work import GangKey, Pod
from scheduler.solver.asks.volume_match import fitting, provisionable, usable


class Step(msgspec.Struct, frozen=True):
    """How far the claims of a pod are: what to ask for now, whether all are bound, or why they never will be there."""

    effects: tuple[Effect, ...] = ()
    ready: bool = False
    refusal: Refusal | None = None


READY = Step(ready=True)
WAITING = Step()


class Preparer:
    """Asks for at most one write per claim or volume at a time."""

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store = store
        self._patience = patience
        self._flights: dict[str, Effect] = {}
        self._written: dict[str, str] = {}
        self._retry_at_seconds: dict[str, float] = {}

    def prepare(self, pod: Pod, node: str, gang: GangKey, now_seconds: float) -> Step:
        """The next step for the claims of a pod whose place on a node stands."""
        if pod.volumes is None or node not in self._store.nodes:
            return READY
        claims = []
        for named in pod.volumes.claims:
            claim = self._store.volumes.claims.get(f"{pod.namespace}/{named.name}")
            if claim is None or claim.lost or claim.leaving:
                return _refused("ClaimGone", named.name, node)
            claims.append(claim)
        # Smallest first, as the filter matched them to volumes.
        claims.sort(key=lambda each: each.request)
        steps = [self._claim(claim, node, gang, now_seconds) for claim in claims]
        refusal = next((step.refusal for step in steps if step.refusal is not None), None)
        if refusal is not None:
            return Step(refusal=refusal)
        return Step(tuple(effect for step in steps for effect in step.effects), all(step.ready for step in steps))

    def _claim(self, claim: Claim, node: str, gang: GangKey, now_seconds: float) -> Step:
        if claim.bound:
            self._written.pop(claim.key, None)
            volume = self._store.volumes.volumes.get(claim.volume)
            if volume is None:
                return WAITING  # seen later than the claim that names it
            return READY if self._within_reach(volume, node) else _refused("BoundElsewhere", claim.name, node)
        if claim.volume or claim.key in self._flights or self._retry_at_seconds.get(claim.key, 0.0) > now_seconds:
            return WAITING
        reserved = self._store.volumes.volumes.get(self._store.volumes.reserved_for(claim))
        if reserved is not None:
            return self._reserved(claim, reserved, node, gang)
        if claim.selected_node:
            return WAITING  # by us or for another pod of the same claim: where it is bound to will tell
        written = self._written.get(claim.key)
        if written is not None and newer(claim.version, written) != claim.version:
            return WAITING  # our write is newer than what has been seen
        if written is not None:
            del self._written[claim.key]
            return _refused("ProvisioningFailed", claim.name, node)
        return self._choose(claim, node, gang)

    def _reserved(self, claim: Claim, volume: Volume, node: str, gang: GangKey) -> Step:
        if not self._within_reach(volume, node):
            return _refused("BoundElsewhere", claim.name, node)
        if volume.claim == claim.key and not volume.claim_uid:
            effect = ReserveVolume(
                volume.name, volume.version, claim.namespace, claim.name, claim.uid, gang, chosen=False
            )
            return self._ask(claim, effect)
        return WAITING

    def _choose(self, claim: Claim, node: str, gang: GangKey) -> Step:
        book = self._store.volumes
        asked, facts, table = book.claim_ask(claim), book.facts_on(node), self._table(node)
        volume = next((each for each in fitting(asked, facts) if bool(usable(each, table).all())), None)
        if volume is not None:
            book.choose(volume.name, claim.key)
            effect = ReserveVolume(volume.name, volume.version, claim.namespace, claim.name, claim.uid, gang)
            return self._ask(claim, effect)
        if bool(provisionable(asked, facts, table).all()):
            book.select(claim.key, node)
            return self._ask(claim, SelectNode(claim.namespace, claim.name, claim.uid, claim.version, node, gang))
        return _refused("NoVolume", claim.name, node)

    def _ask(self, claim: Claim, effect: Effect) -> Step:
        self._flights[claim.key] = effect
        return Step((effect,))

    def _within_reach(self, volume: Volume, node: str) -> bool:
        return bool(np.all(usable(volume, self._table(node))))

    def _table(self, node: str) -> NodeTable:
        return NodeTable.of((self._store.nodes[node],))

    # -- answers ---------------------------------------------------------------------------------------------------

    def done(self, effect: SelectNode | ReserveVolume, version: str) -> None:
        key = _claim_key(effect)
        if self._flights.get(key) is effect:
            del self._flights[key]
            if isinstance(effect, SelectNode):
                self._written[key] = version

    def failed(self, effect: SelectNode | ReserveVolume, now_seconds: float) -> None:
        """Refused or lost: what stands is found out from the watch, after a pause."""
        key = _claim_key(effect)
        if self._flights.get(key) is effect:
            del self._flights[key]
            self._retry_at_seconds[key] = now_seconds + self._patience.bind_retry_seconds
            self._store.volumes.forget(effect.name if isinstance(effect, ReserveVolume) else key)

    def forget_all(self) -> None:
        """We were deposed or start over: what was on its way is unknown."""
        self._flights.clear()
        self._written.clear()
        self._retry_at_seconds.clear()
        self._store.volumes.forget_all()


def _claim_key(effect: SelectNode | ReserveVolume) -> str:
    name = effect.claim if isinstance(effect, ReserveVolume) else effect.name
    return f"{effect.namespace}/{name}"


def _refused(code: str, claim: str, node: str) -> Step:
    return Step(refusal=Refusal("volume-binding", code, where=f"{claim} {node}"))
