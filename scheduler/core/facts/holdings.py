"""Which gangs hold places in each leaf of the queue tree, and with how many pods: running totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Holdings:
    """A gang, or a single pod, counts while it takes or reserves room. Keys are those of gangs, or UIDs of pods."""

    def __init__(self) -> None:
        self._pods: dict[str, dict[str, int]] = {}
        self._total: dict[str, int] = {}

    def add(self, queue: str, key: str, pods: int) -> None:
        """So many more pods of a gang in a leaf; fewer where it is negative."""
        if not pods or not queue:
            return
        own = self._pods.setdefault(queue, {})
        own[key] = own.get(key, 0) + pods
        self._total[queue] = self._total.get(queue, 0) + pods
        if not own[key]:
            del own[key]
            if not own:
                del self._pods[queue], self._total[queue]

    def of(self, queue: str) -> Mapping[str, int]:
        """Pods by gang."""
        return self._pods.get(queue, {})

    def queues(self) -> Iterable[str]:
        """The leaves in which anybody holds places."""
        return self._pods.keys()

    def pods(self, queue: str) -> int:
        return self._total.get(queue, 0)
