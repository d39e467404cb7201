"""PodDisruptionBudgets: which pods each selects, and how many of them may still be evicted."""

from __future__ import annotations

from scheduler.model.relations import LabelSet
from scheduler.model.running import Guard, Guards
from scheduler.model.selector import selects


class GuardBook:
    """What the watch shows. ``version`` grows whenever a pod may have come under another guard."""

    def __init__(self) -> None:
        self.version = 0
        self._guards: dict[str, Guard] = {}
        self._of: dict[LabelSet, tuple[str, ...]] = {}

    def see(self, guard: Guard) -> bool:
        """Whether it says something else than before."""
        before = self._guards.get(guard.key)
        self._guards[guard.key] = guard
        if before is None or before.selector != guard.selector:
            self._forget()
        return before != guard

    def lose(self, key: str) -> bool:
        if self._guards.pop(key, None) is None:
            return False
        self._forget()
        return True

    def of(self, label_set: LabelSet) -> tuple[str, ...]:
        """The guards of a pod that looks like this."""
        if not self._guards:
            return ()
        found = self._of.get(label_set)
        if found is None:
            labels = dict(label_set.labels)
            found = self._of[label_set] = tuple(
                key
                for key, guard in sorted(self._guards.items())
                if guard.namespace == label_set.namespace and selects(guard.selector, labels)
            )
        return found

    def allowed(self) -> Guards:
        """Guard -> how many more of its pods may be evicted now."""
        return {key: guard.allowed for key, guard in self._guards.items()}

    def _forget(self) -> None:
        self._of.clear()
        self.version += 1
