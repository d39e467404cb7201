"""What etcd is to the real API server: versioned objects, a history of changes, and who wants to hear of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from scheduler.sim.clock import Clock
from scheduler.sim.kinds import Kind

Object = dict[str, Any]
"""One Kubernetes object as JSON. A stored object is never changed in place: a change stores another one."""

FIRST_VERSION = 1_000
HISTORY_LIMIT = 10_000
"""How many changes can be watched from the past; older ones answer 410, as after a compaction."""


class Change(msgspec.Struct, frozen=True):
    """``type`` is ADDED, MODIFIED or DELETED; ``before`` is None for ADDED; ``user`` is who asked for it."""

    version: int
    type: str
    kind: Kind
    object: Object
    before: Object | None
    user: str


def moment(seconds: float) -> str:
    """A moment as metav1.Time writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Objects:
    """All objects of a world. `listeners` hear of each change as it happens, in the order they were added."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.version = FIRST_VERSION
        self.oldest_version = FIRST_VERSION
        self.listeners: list[Callable[[Change], None]] = []
        self.history: deque[Change] = deque()
        self._tables: dict[str, dict[tuple[str, str], Object]] = {}
        self._created = 0

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._tables.get(kind.plural, {}).get((namespace, name))

    def all(self, plural: str, namespace: str = "") -> list[Object]:
        """In the order of namespace and name; all namespaces when none is given."""
        table = self._tables.get(plural, {})
        return [table[key] for key in sorted(table) if not namespace or key[0] == namespace]

    def new_uid(self) -> str:
        self._created += 1
        return f"{self._created:08x}-0000-4000-8000-000000000000"

    def store(self, kind: Kind, new: Object, user: str) -> Object:
        """Write an object under the next version; the one that is stored comes back."""
        meta = new["metadata"]
        table = self._tables.setdefault(kind.plural, {})
        key = (meta.get("namespace", ""), meta["name"])
        before = table.get(key)
        stored = self._versioned(new)
        table[key] = stored
        self._tell(Change(self.version, "ADDED" if before is None else "MODIFIED", kind, stored, before, user))
        return stored

    def remove(self, kind: Kind, old: Object, user: str) -> Object:
        """Take an object away; its last state, under the version of its removal, comes back."""
        meta = old["metadata"]
        before = self._tables[kind.plural].pop((meta.get("namespace", ""), meta["name"]))
        last = self._versioned(old)
        self._tell(Change(self.version, "DELETED", kind, last, before, user))
        return last

    def forget_history(self) -> None:
        """What a compaction does: nothing before now can be watched any more."""
        self.oldest_version = self.version
        self.history.clear()

    def _versioned(self, body: Object) -> Object:
        self.version += 1
        return {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}

    def _tell(self, change: Change) -> None:
        self.history.append(change)
        if len(self.history) > HISTORY_LIMIT:
            self.oldest_version = self.history.popleft().version
        for listener in tuple(self.listeners):
            listener(change)
