"""Gangs hurt from outside: below their minimum because pods were lost. Repaired within their grace, or cleaned up."""

from __future__ import annotations

from scheduler.core.facts.store import Store
from scheduler.core.gangs.places import GangPlaces
from scheduler.core.gangs.state import GangState
from scheduler.model.plan import Refusal
from scheduler.model.policy import Patience
from scheduler.model.work import GangKey


class Harm:
    """Told of every gang that lost a pod whenever it is looked at; asked which pods are to be cleaned up."""

    def __init__(self, store: Store, places: GangPlaces, patience: Patience) -> None:
        self._store = store
        self._places = places
        self._patience = patience
        self._hurt: dict[GangKey, GangState] = {}

    def see(self, key: GangKey, state: GangState, now_seconds: float) -> None:
        """Notice when a gang that runs fell below its minimum, and when it is repaired."""
        assert state.resolved is not None
        taken = self._places.taken(key).total()
        pods = self._store.members_of.get(key, {})
        runs = any(uid in state.resolved.member_of and pod.node and not pod.finished for uid, pod in pods.items())
        least = state.resolved.minimum - self._store.book(key).done.total()
        if state.stale or state.giving is not None:
            return
        if not (state.hurt and runs and taken < least):
            state.hurt_since_seconds = None
            state.hurt = state.hurt and runs
            self._hurt.pop(key, None)
            return
        if state.hurt_since_seconds is None:
            state.hurt_since_seconds = now_seconds
        self._hurt[key] = state

    def stale(self, now_seconds: float) -> dict[str, Refusal]:
        """The pods (by UID) of gangs that were below their minimum for longer than their grace, with the numbers."""
        found: dict[str, Refusal] = {}
        for key, state in tuple(self._hurt.items()):
            group = self._store.groups.get(key)
            if group is None or state.resolved is None:
                del self._hurt[key]
                continue
            pods = self._store.members_of.get(key, {})
            standing = {uid for uid, pod in pods.items() if pod.node and not pod.finished}
            if state.stale:
                state.stale = {uid: refusal for uid, refusal in state.stale.items() if uid in standing}
                if not state.stale:
                    state.hurt, state.hurt_since_seconds = False, None
                    del self._hurt[key]
            elif state.hurt_since_seconds is not None:
                stated = group.stale_grace_seconds
                grace = self._patience.stale_gang_seconds if stated is None else stated
                if now_seconds - state.hurt_since_seconds > grace:
                    least, taken = state.resolved.minimum, self._places.taken(key).total()
                    refusal = Refusal("gang-minimum", "Stale", needed=least, offered=taken)
                    state.stale = dict.fromkeys(sorted(standing), refusal)
            found |= state.stale
        return found
