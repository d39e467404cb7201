"""Who has been given notice to leave: which standing records name which pods as leaving first."""

from __future__ import annotations

from collections.abc import Collection

from scheduler.model.work import Assignment, GangKey


class Notices:
    """Kept in step with the records that reserve places. ``changed`` are pods (by UID) to be looked at again, and is
    emptied by whoever looks."""

    def __init__(self) -> None:
        self.changed: dict[str, None] = {}
        self._by_pod: dict[str, dict[GangKey, None]] = {}
        self._by_gang: dict[GangKey, tuple[str, ...]] = {}

    def serve(self, key: GangKey, record: Assignment | None) -> None:
        """A gang's record is this one from now on (None: it has none)."""
        named = () if record is None else tuple(pod.uid for pod in record.leaving)
        before = self._by_gang.get(key, ())
        if named == before:
            return
        for uid in before:
            naming = self._by_pod[uid]
            naming.pop(key, None)
            if not naming:
                del self._by_pod[uid]
        for uid in named:
            self._by_pod.setdefault(uid, {})[key] = None
        if named:
            self._by_gang[key] = named
        else:
            del self._by_gang[key]
        self.changed.update(dict.fromkeys((*before, *named)))

    def __bool__(self) -> bool:
        return bool(self._by_pod)

    @property
    def beneficiaries(self) -> tuple[GangKey, ...]:
        """The gangs whose records name anybody."""
        return tuple(self._by_gang)

    @property
    def pods(self) -> Collection[str]:
        """The pods (by UID) that records name."""
        return self._by_pod.keys()

    def given(self, uid: str) -> bool:
        """Whether any record names a pod."""
        return uid in self._by_pod

    def by(self, uid: str, besides: GangKey | None = None) -> tuple[GangKey, ...]:
        """The gangs whose records name a pod, besides one."""
        return tuple(key for key in self._by_pod.get(uid, ()) if key != besides)
