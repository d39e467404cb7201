"""Since when the work of single pods waits. A pod that we evict does not come back; its controller makes another one,
which takes over its age, as a gang keeps its own in its status.

Who takes over is told by the controller alone: the first pod that is seen of the same one after the eviction. Nothing
is written for it, so a scheduler that starts between the two does not know, and that pod waits since it was made.
"""

from __future__ import annotations

from scheduler.model.work import Pod

REMEMBERED_SECONDS = 3600.0
"""How long an age waits for somebody to take it over: its controller may be gone."""


class Ages:
    """Told of every single pod of ours as it is seen, and when it is gone."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        """Pods that are there."""
        self._left: dict[str, dict[str, tuple[float, float]]] = {}
        """Controller -> pod that was evicted -> (since when its work waited, when it was seen to leave)."""
        self._noted: dict[str, None] = {}
        """Evicted pods that are there still."""

    def since_seconds(self, pod: Pod) -> float:
        return self._since.get(pod.uid, pod.created_seconds)

    def observe(self, pod: Pod, now_seconds: float) -> None:
        if not pod.owner:
            return
        if pod.uid not in self._since:
            self._since[pod.uid] = pod.created_seconds if pod.node or pod.marked_evicted else self._taken_over(pod)
        if pod.marked_evicted and (pod.leaving or pod.finished) and pod.uid not in self._noted:
            self._noted[pod.uid] = None
            self._drop_old(now_seconds)
            self._left.setdefault(pod.owner, {})[pod.uid] = (self._since[pod.uid], now_seconds)

    def forget(self, uid: str) -> None:
        """A pod is gone; what it left stays for whoever replaces it."""
        self._since.pop(uid, None)
        self._noted.pop(uid, None)

    def _taken_over(self, pod: Pod) -> float:
        """The oldest age that its controller's evicted pods left, no longer theirs then; else its own."""
        left = self._left.get(pod.owner)
        if not left:
            return pod.created_seconds
        uid = min(left, key=lambda each: (left[each][0], each))
        since_seconds, _ = left.pop(uid)
        if not left:
            del self._left[pod.owner]
        return min(since_seconds, pod.created_seconds)

    def _drop_old(self, now_seconds: float) -> None:
        for owner, left in list(self._left.items()):
            for uid in [uid for uid, (_, at) in left.items() if now_seconds - at > REMEMBERED_SECONDS]:
                del left[uid]
            if not left:
                del self._left[owner]
