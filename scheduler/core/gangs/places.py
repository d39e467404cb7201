"""The places of a gang with a PodGroup: which are taken, which still good, and which pods have none."""

from __future__ import annotations

from collections import Counter

from scheduler.core.facts.books import Spot, by_member, places_of, spots
from scheduler.core.facts.store import Store
from scheduler.core.gangs.resolve import promises
from scheduler.core.gangs.state import GangState
from scheduler.core.leaving.giving_way import GivingWay
from scheduler.core.verify.admission import Admission
from scheduler.model.work import Assignment, GangKey, Place, Pod, PodGroup


class GangPlaces:
    """Questions to the store, on behalf of one gang at a time. Nothing is changed by them."""

    def __init__(self, store: Store, admission: Admission, giving_way: GivingWay) -> None:
        self._store = store
        self._admission = admission
        self._giving_way = giving_way

    def missing(
        self, group: PodGroup, state: GangState, pods: dict[str, Pod], record: Assignment | None
    ) -> dict[str, int]:
        """How many pods of each member have no place: neither in the record nor bound without one.

        A place whose pod succeeded and was deleted serves nobody any more, and nobody is missing for it.
        """
        assert state.resolved is not None
        book = self._store.book(group.key)
        wanted = Counter(member for uid, member in state.resolved.member_of.items() if not pods[uid].gated)
        for spec in () if state.unproven else group.members:
            if promises(spec):
                wanted[spec.name] = max(wanted[spec.name], (spec.count or 0) - book.done[spec.name])
        if record is not None:
            wanted.subtract(by_member(self.standing(group.key, state, record)))
            wanted.update(by_member(book.spent))
        else:
            wanted.subtract(by_member(book.taken))
        return {name: count for name, count in wanted.items() if count > 0}

    def taken(self, key: GangKey) -> Counter[Spot]:
        """Where its pods stand."""
        book = self._store.books.get(key)
        return Counter() if book is None else +book.taken

    def standing(self, key: GangKey, state: GangState, record: Assignment) -> Counter[Spot]:
        """The record's places that are still good: taken ones, and open ones on nodes that would take the pod."""
        assert state.resolved is not None
        shapes, taken = state.resolved.shapes, self._store.book(key).taken
        return Counter(
            {
                spot: count
                if spot[0] in shapes and self._admission.admits(spot[1], shapes[spot[0]])
                else min(count, taken[spot])
                for spot, count in spots(record.places).items()
            }
        )

    def held(self, key: GangKey, state: GangState, record: Assignment | None) -> tuple[Place, ...]:
        """The places that the gang keeps: the record's that are still good; without one, where its pods stand."""
        return places_of(self.taken(key) if record is None else self.standing(key, state, record))

    def priority(self, group: PodGroup, pods: dict[str, Pod]) -> int:
        """That of its class, else the highest of its pods."""
        if group.priority_class in self._store.priority_classes:
            return self._store.priority_classes[group.priority_class].value
        return max((pod.priority for pod in pods.values()), default=0)

    def still_good(self, key: GangKey, state: GangState, record: Assignment) -> bool:
        """Whether the recorded places can still be taken: now, or once those who are to leave have left."""
        assert state.resolved is not None
        shapes, labels = state.resolved.shapes, state.resolved.labels
        if self._giving_way.awaited(record):
            return all(
                member in shapes and self._admission.admits(node, shapes[member])
                for member, node, _ in spots(record.places)
            )
        gives = bool(record.victims or record.moves)
        return all(
            self._admission.welcomes(node, shapes.get(member), labels.get(member))
            and (not self._giving_way.stays_short(node) or (gives and self._giving_way.overtakes(key, record, node)))
            for member, node, _ in spots(record.places)
        )
