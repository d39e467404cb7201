"""Which group of a stock stands in which slot. A part to try on looks its keys up in the whole it was taken from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GroupKey = tuple[int, bytes]
"""(node class, what is free on a node of the group)."""


class GroupKeys:
    """Keys by slot and back. A part copies nothing: most of what is tried touches a handful of groups.

    ``whole`` must not change while a part of it is asked; ``slots`` are the part's slots in it, ascending.
    """

    def __init__(self, keys: list[GroupKey], whole: GroupKeys | None = None, slots: NDArray[np.int64] | None = None):
        self._key_of = dict(enumerate(keys))
        self._slot_of = {key: slot for slot, key in enumerate(keys)}
        self._gone: set[GroupKey] = set()
        self._whole = whole
        self._slots = slots

    def part(self, slots: NDArray[np.int64]) -> GroupKeys:
        return GroupKeys([], self, slots)

    def key(self, slot: int) -> GroupKey:
        own = self._key_of.get(slot)
        if own is not None:
            return own
        assert self._whole is not None
        assert self._slots is not None
        return self._whole.key(int(self._slots[slot]))

    def slot(self, key: GroupKey) -> int | None:
        """None for a group that is not there."""
        own = self._slot_of.get(key)
        if own is not None or self._whole is None or self._slots is None or key in self._gone:
            return own
        there = self._whole.slot(key)
        if there is None:
            return None
        here = int(np.searchsorted(self._slots, there))
        return here if here < len(self._slots) and self._slots[here] == there else None

    def put(self, slot: int, key: GroupKey) -> None:
        self._key_of[slot] = key
        self._slot_of[key] = slot

    def drop(self, slot: int) -> None:
        """The group of a slot has no nodes left."""
        key = self.key(slot)
        self._slot_of.pop(key, None)
        self._gone.add(key)
