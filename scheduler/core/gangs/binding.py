"""The binds of a gang with a PodGroup: which pod takes which recorded place, once enough of them are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from scheduler.core.binder import Binder
from scheduler.core.facts.books import Spot
from scheduler.core.facts.devices import Uses
from scheduler.core.facts.store import Store
from scheduler.core.gangs.claims import NOBODY, GangClaims, Seats
from scheduler.core.gangs.lifecycle import Phase
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.ranks import turns
from scheduler.core.gangs.state import GangState
from scheduler.core.verify.admission import Admission
from scheduler.model.effects import Effect
from scheduler.model.plan import Refusal
from scheduler.model.policy import Patience
from scheduler.model.work import GangKey, Pod, PodGroup


class GangBinding:
    """For all gangs. What a bind has taken counts in the store at once; the gang's state says who still waits."""

    def __init__(
        self,
        store: Store,
        binder: Binder,
        admission: Admission,
        claims: GangClaims,
        places: GangPlaces,
        patience: Patience,
    ) -> None:
        self._store = store
        self._binder = binder
        self._admission = admission
        self._claims = claims
        self._places = places
        self._patience = patience

    def enough(self, key: GangKey, state: GangState, pods: dict[str, Pod]) -> bool:
        """Whether a gang may begin to be bound: with fewer pods than its minimum it would stand there in part."""
        return not self.missing(key, state, pods)

    def missing(self, key: GangKey, state: GangState, pods: dict[str, Pod]) -> int:
        """How many pods of its minimum are not there, or gated, while none of it is bound."""
        if self._places.taken(key):
            return 0
        assert state.resolved is not None
        ready = sum(1 for uid in state.loose if not pods[uid].gated and uid in state.resolved.member_of)
        return max(0, state.resolved.minimum - ready)

    def phase(self, key: GangKey, state: GangState, pods: dict[str, Pod]) -> Phase:
        """The phase of a gang that nothing is left to prepare for."""
        in_flight = any(self._binder.in_flight(uid) for uid in pods)
        if not self._store.open_spots(key) and not in_flight:
            return Phase.RUNNING
        if state.phase in (Phase.RUNNING, Phase.DEGRADED) and not in_flight and not state.loose:
            return Phase.DEGRADED
        return Phase.BINDING

    def seats(
        self, key: GangKey, state: GangState, pods: dict[str, Pod], open_spots: Counter[Spot], now_seconds: float
    ) -> Seats:
        """Places for the pods with volumes, and the next step for their claims."""
        assert state.resolved is not None
        if not state.resolved.volumes or not open_spots or not self.enough(key, state, pods):
            return NOBODY
        seats = self._claims.seat(state.resolved, pods, self.unbound(state, pods), open_spots)
        seats = self._claims.prepared(key, seats, pods, now_seconds)
        record, patience = state.record, self._patience.claims_bound_seconds
        late = record is not None and now_seconds - max(record.decided_at_seconds, state.left_seconds) > patience
        if late and not seats.all_ready:
            late_pod = next(pods[uid].name for uid in sorted(seats.nodes) if uid not in seats.ready)
            seats = msgspec.structs.replace(seats, refusal=Refusal("volume-binding", "NotBoundInTime", where=late_pod))
        if seats.refusal is not None and not self._places.taken(key):
            state.unprepared = seats.refusal
        return seats

    def unbound(self, state: GangState, pods: dict[str, Pod]) -> dict[str, None]:
        """Pods that wait for a bind and that none is on its way for."""
        return {uid: None for uid in state.loose if not pods[uid].gated and not self._binder.pending(pods[uid])}

    def binds(
        self, key: GangKey, state: GangState, group: PodGroup, pods: Mapping[str, Pod], queue: str, seats: Seats
    ) -> list[Effect]:
        """Hand out the open places in turn, each to a pod that may stand there now."""
        assert state.resolved is not None
        effects: list[Effect] = []
        places_for: dict[str, list[tuple[str, Uses]]] = {}
        for (member, node, devices), count in self._store.open_spots(key).items():
            places_for.setdefault(member, []).extend([(node, devices)] * count)
        reserved = seats.reserved(state.resolved, places_for)
        for pod, wanted in turns(self._store, group, state.resolved.member_of, [pods[uid] for uid in state.loose]):
            member = state.resolved.member_of.get(pod.uid, "")
            places = places_for.get(member, [])
            if pod.uid in state.resolved.volumes:
                places = [reserved[pod.uid]] if pod.uid in seats.ready else []
            near = [place for place in places if place[0] == wanted] if wanted is not None else []
            usable = (place for place in (*near, *places) if self._admission.holds(place[0], pod.shape, pod.label_set))
            if pod.gated or self._binder.pending(pod) or (place := next(usable, None)) is None:
                continue
            places.remove(place)
            del state.loose[pod.uid]
            effects.append(self._binder.bind(pod, *place, key, queue, member, grouped=True))
        return effects
