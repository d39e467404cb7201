"""What is known of every gang with a PodGroup, and which of them wait for a decision."""

from __future__ import annotations

from scheduler.core.facts.store import Store
from scheduler.core.gangs.state import GangState
from scheduler.model.work import Gang, GangKey


class GangStates(dict[GangKey, GangState]):
    """The state of each gang; ``pending`` are those that wait, as they are to be decided on."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self.pending: dict[GangKey, Gang] = {}

    def of(self, key: GangKey) -> GangState:
        """The state of a gang, from now on if there was none."""
        state = self.get(key)
        if state is None:
            state = self[key] = GangState()
        return state

    def settle(self, key: GangKey, state: GangState) -> None:
        """It no longer waits for a decision."""
        self.pending.pop(key, None)
        state.gang = None

    def queue_of(self, key: GangKey) -> str:
        """The queue a gang belongs to: its PodGroup's, else its pods', else the namespace's default, else `default`."""
        group = self._store.groups.get(key)
        if group is not None and group.queue:
            return group.queue
        for pod in self._store.members_of.get(key, {}).values():
            if pod.queue:
                return pod.queue
        return self._store.fallback_queue(key.partition("/")[0])
