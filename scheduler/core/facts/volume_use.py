"""Who uses which volume on which node: counted as pods come and go, so that nobody has to look at all pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar

import msgspec

from scheduler.model.shape import Disk

Handle = tuple[str, str]
"""(CSI driver, volume handle)."""

Key = TypeVar("Key")


class Stand(msgspec.Struct, frozen=True):
    """What one pod uses on its node. ``claims`` are those that it names itself, without ephemeral volumes."""

    node: str
    claims: tuple[str, ...]
    handles: tuple[Handle, ...]
    disks: tuple[Disk, ...]


class VolumeUse:
    """Counts by node and by claim; `put` is the only way to change them."""

    def __init__(self) -> None:
        self._stands: dict[str, Stand] = {}
        self._handles: dict[str, Counter[Handle]] = {}
        self._disks: dict[str, Counter[Disk]] = {}
        self._claims: Counter[str] = Counter()

    def of(self, uid: str) -> Stand | None:
        return self._stands.get(uid)

    def put(self, uid: str, stand: Stand | None) -> bool:
        """Count a pod as it stands now instead of as before (None: nowhere); whether that is a change."""
        before = self._stands.get(uid)
        if before == stand:
            return False
        if before is not None:
            self._count(before, -1)
            del self._stands[uid]
        if stand is not None:
            self._stands[uid] = stand
            self._count(stand, 1)
        return True

    def handles(self) -> Mapping[str, frozenset[Handle]]:
        """Per node, the volumes that its pods use."""
        return {node: frozenset(counts) for node, counts in self._handles.items() if counts}

    def disks(self) -> Mapping[str, tuple[Disk, ...]]:
        """Per node, the disks that its pods name."""
        return {node: tuple(counts) for node, counts in self._disks.items() if counts}

    def claims(self) -> frozenset[str]:
        """The claims that some pod on a node names."""
        return frozenset(self._claims)

    def handles_on(self, node: str) -> frozenset[Handle]:
        return frozenset(self._handles.get(node, ()))

    def disks_on(self, node: str) -> tuple[Disk, ...]:
        return tuple(self._disks.get(node, ()))

    def claims_now(self) -> AbstractSet[str]:
        """As `claims`, but it changes with what is counted."""
        return self._claims.keys()

    def _count(self, stand: Stand, sign: int) -> None:
        for key in stand.claims:
            _add(self._claims, key, sign)
        for handle in stand.handles:
            _add(self._handles.setdefault(stand.node, Counter()), handle, sign)
        for disk in stand.disks:
            _add(self._disks.setdefault(stand.node, Counter()), disk, sign)


def _add(counts: Counter[Key], key: Key, sign: int) -> None:
    counts[key] += sign
    if not counts[key]:
        del counts[key]
