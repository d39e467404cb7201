"""The single pods that wait, equal ones together, kept from cycle to cycle: only what came or went is touched."""

from __future__ import annotations

from bisect import bisect_left

from scheduler.model.bundle import Bundle, Likeness, age, likeness
from scheduler.model.work import Gang


class Singles:
    """By the UID of the pod. ``bundles`` are all of them; a bundle of which nothing came or went is the same object."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Gang] = {}
        self._pods: dict[Likeness, list[Gang]] = {}
        """By age. As long as a pod is in a list its shape lives, whose identity the key names."""
        self._bundles: dict[Likeness, Bundle] = {}

    def __len__(self) -> int:
        return len(self._by_uid)

    def __contains__(self, uid: str) -> bool:
        return uid in self._by_uid

    def get(self, uid: str) -> Gang | None:
        return self._by_uid.get(uid)

    def put(self, uid: str, single: Gang) -> None:
        """The pod waits, like this from now on."""
        self.drop(uid)
        self._by_uid[uid] = single
        key = likeness(single)
        pods = self._pods.setdefault(key, [])
        if not pods or age(pods[-1]) < age(single):  # most come in the order of their age
            pods.append(single)
        else:
            pods.insert(bisect_left(pods, age(single), key=age), single)
        self._bundles.pop(key, None)

    def drop(self, uid: str) -> None:
        """The pod waits no longer, if it did."""
        single = self._by_uid.pop(uid, None)
        if single is None:
            return
        key = likeness(single)
        pods = self._pods[key]
        del pods[bisect_left(pods, age(single), key=age)]
        if not pods:
            del self._pods[key]
        self._bundles.pop(key, None)

    def bundles(self) -> tuple[Bundle, ...]:
        for key in self._pods.keys() - self._bundles.keys():
            self._bundles[key] = Bundle(tuple(self._pods[key]))
        return tuple(self._bundles.values())
