"""The single pods that wait, equal ones together, kept from cycle to cycle: only what came or went is touched."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import KeysView

from scheduler.model.bundle import Bundle, Likeness, age, likeness
from scheduler.model.work import Gang, GangKey, single_key


class Singles:
    """By the UID of the pod. ``bundles`` are all of them; a bundle of which nothing came or went is the same object."""

    def __init__(self) -> None:
        self._by_key: dict[GangKey, Gang] = {}
        self._pods: dict[Likeness, list[Gang]] = {}
        """By age. As long as a pod is in a list its shape lives, whose identity the likeness names."""
        self._bundles: dict[Likeness, Bundle] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def keys(self) -> KeysView[GangKey]:
        return self._by_key.keys()

    def __contains__(self, uid: str) -> bool:
        return single_key(uid) in self._by_key

    def get(self, uid: str) -> Gang | None:
        return self._by_key.get(single_key(uid))

    def put(self, uid: str, single: Gang) -> None:
        """The pod waits, like this from now on."""
        self.drop(uid)
        self._by_key[single_key(uid)] = single
        alike = likeness(single)
        pods = self._pods.setdefault(alike, [])
        if not pods or age(pods[-1]) < age(single):  # most come in the order of their age
            pods.append(single)
        else:
            pods.insert(bisect_left(pods, age(single), key=age), single)
        self._bundles.pop(alike, None)

    def drop(self, uid: str) -> None:
        """The pod waits no longer, if it did."""
        single = self._by_key.pop(single_key(uid), None)
        if single is None:
            return
        alike = likeness(single)
        pods = self._pods[alike]
        del pods[bisect_left(pods, age(single), key=age)]
        if not pods:
            del self._pods[alike]
        self._bundles.pop(alike, None)

    def bundles(self) -> tuple[Bundle, ...]:
        for alike in self._pods.keys() - self._bundles.keys():
            self._bundles[alike] = Bundle(tuple(self._pods[alike]))
        return tuple(self._bundles.values())
