"""The volume claims of a gang, from its record to its binds: which pod takes which place, and whether all is ready."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from scheduler.core.facts.books import Spot
from scheduler.core.facts.devices import Uses
from scheduler.core.facts.store import Store
from scheduler.core.gangs.resolve import Resolved
from scheduler.core.gangs.seating import seated
from scheduler.core.verify.admission import Admission
from scheduler.core.volumes.preparing import Preparer
from scheduler.model.effects import Effect
from scheduler.model.plan import Refusal
from scheduler.model.work import GangKey, Pod


class Seats(msgspec.Struct, frozen=True):
    """Where the pods with volumes go (by UID), who of them finds no place though there is one, and which are ready."""

    nodes: dict[str, str] = {}
    standing: str = ""
    """The name of a pod that no open place suits."""
    ready: frozenset[str] = frozenset()
    effects: tuple[Effect, ...] = ()
    refusal: Refusal | None = None

    @property
    def all_ready(self) -> bool:
        return len(self.ready) == len(self.nodes)

    def reserved(
        self, resolved: Resolved, places_for: Mapping[str, list[tuple[str, Uses]]]
    ) -> dict[str, tuple[str, Uses]]:
        """The very place of each pod, taken out of the open places of its member."""
        found = {}
        for uid, node in self.nodes.items():
            places = places_for[resolved.member_of[uid]]
            found[uid] = next(place for place in places if place[0] == node)
            places.remove(found[uid])
        return found


NOBODY = Seats()


class GangClaims:
    """For all gangs; those without volumes cost nothing."""

    def __init__(self, store: Store, admission: Admission, preparer: Preparer) -> None:
        self._store = store
        self._admission = admission
        self._preparer = preparer

    def seat(
        self, resolved: Resolved, pods: Mapping[str, Pod], waiting: Mapping[str, None], spots: Counter[Spot]
    ) -> Seats:
        """Give the waiting pods with volumes places among the open ones; their volumes count there from now on."""
        names = {uid: resolved.member_of.get(uid, "") for uid in waiting if uid in resolved.volumes}
        nodes: dict[str, str] = {}
        standing = ""
        for member in sorted(set(names.values())):
            own = sorted((uid for uid, name in names.items() if name == member), key=lambda uid: pods[uid].name)
            places = [node for (name, node, _), count in sorted(spots.items()) if name == member for _ in range(count)]
            kept = {uid: self._store.volumes.stands_on(uid) for uid in own}
            found = seated(own, places, kept, lambda uid, node: self._may(pods[uid], node))
            nodes |= found
            left = [uid for uid in own if uid not in found]
            if left and len(found) < len(places):
                standing = standing or pods[left[0]].name
        for uid in names:
            self._store.volumes.stand(uid, nodes.get(uid, ""))
        return Seats(nodes, standing)

    def unseat(self, resolved: Resolved, waiting: Mapping[str, None]) -> None:
        """The record is gone: the volumes of pods that are not bound count nowhere."""
        for uid in resolved.volumes:
            if uid in waiting:
                self._store.volumes.stand(uid, "")

    def prepared(self, key: GangKey, seats: Seats, pods: Mapping[str, Pod], now_seconds: float) -> Seats:
        """The next step for all claims of the pods that have a place."""
        ready: list[str] = []
        effects: list[Effect] = []
        refusal = Refusal("volume-binding", "NoPlace", where=seats.standing) if seats.standing else None
        for uid, node in sorted(seats.nodes.items()):
            step = self._preparer.prepare(pods[uid], node, key, now_seconds)
            effects += step.effects
            refusal = refusal or step.refusal
            if step.ready:
                ready.append(uid)
        return msgspec.structs.replace(seats, ready=frozenset(ready), effects=tuple(effects), refusal=refusal)

    def _may(self, pod: Pod, node: str) -> bool:
        return self._admission.admits(node, self._store.with_volumes(pod).shape)
