"""Between a committed decision and its binds: who was named leaves, and their gangs go on with what is left to them.

The order is what makes every step resumable from the records alone. Pods under PodDisruptionBudgets are asked first:
when one may not leave, nothing else has happened yet and the decision is withdrawn. Then each gang that gives way gets
its own record shortened, released or replaced by its new places, while its leaving pods are still there to say which
places were theirs. Only then are they evicted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import chain

import msgspec

from scheduler.core.explain import Reason
from scheduler.core.facts.books import Spot, places_of, spots, taken_by
from scheduler.core.facts.store import Store
from scheduler.core.leaving.evictor import Evictor
from scheduler.model.effects import Effect
from scheduler.model.plan import Refusal
from scheduler.model.policy import Policy
from scheduler.model.work import Assignment, GangKey, Move, Pod, Victim, group_key


class Room(msgspec.Struct, frozen=True):
    """How far a beneficiary's room is: what to ask for now, how many pods have to leave yet, or why they will not.

    ``let_go`` are gangs that may now give their places up by their own records.
    """

    effects: tuple[Effect, ...] = ()
    leaving: int = 0
    refusal: Refusal | None = None
    let_go: tuple[GangKey, ...] = ()


CLEAR = Room()

NO_GANG = GangKey("-")
"""Stands for the beneficiary where pods are evicted for nobody; no gang has this key."""

Wanted = Mapping[str, Spot]
"""Places that a gang gives up: pod (by UID) -> its spot."""


class GivingWay:
    """Both sides of it. ``cleared`` are the beneficiaries whose guarded victims leave: everybody else may give way."""

    def __init__(self, store: Store, evictor: Evictor, policy: Policy) -> None:
        self._store = store
        self._evictor = evictor
        self._policy = policy
        self._cleared: dict[GangKey, None] = {NO_GANG: None}
        self.for_nobody: dict[str, Reason] = {}
        """Why pods (by UID) leave that leave for nobody."""

    # -- the beneficiary -------------------------------------------------------------------------------------------

    def room(
        self,
        key: GangKey,
        record: Assignment,
        given: Callable[[Pod], bool],
        reason: Callable[[Pod], Reason],
        now_seconds: float,
    ) -> Room:
        """The next step towards the room of a record that is written. ``given`` says of a pod whether its gang has
        given its place up, ``reason`` why it is evicted."""
        present = self._present(record)
        if not present:
            self._cleared.pop(key, None)
            return CLEAR
        stuck = next((pod for pod in present if self.stuck(pod, now_seconds)), None)
        if stuck is not None:
            return Room(leaving=len(present), refusal=Refusal("taking", "VictimStuck", where=_name(stuck)))
        asked = [pod for pod in present if not self._evictor.goes(pod)]
        guarded = [pod for pod in asked if self._store.guards.of(pod.label_set)]
        refusal = next((found for pod in asked if (found := self._evictor.refusal(pod.uid)) is not None), None)
        if refusal is not None and len(asked) == len(record.leaving):
            return Room(leaving=len(present), refusal=refusal)
        let_go: dict[GangKey, None] = {}
        if not guarded and key not in self._cleared:
            self._cleared[key] = None
            let_go = dict.fromkeys(gang for pod in present if (gang := gang_of_pod(pod)) not in (None, key))
        # Most have been asked already: of them nothing more is looked up.
        unasked = [pod for pod in guarded or asked if self._evictor.may_ask(pod, now_seconds)]
        ready = unasked if guarded else [pod for pod in unasked if given(pod)]
        effects = [each for pod in ready for each in self._evictor.ask(pod, key, reason(pod), now_seconds)]
        return Room(tuple(effects), leaving=len(present), let_go=tuple(let_go))

    def awaited(self, record: Assignment) -> bool:
        """Whether pods that a record names are still there."""
        # They are asked in order, so that the last ones are there the longest: one look is enough most times.
        found = (self._store.pods.get(pod.uid) for pod in reversed(record.leaving))
        return any(pod is not None and not pod.finished for pod in found)

    def frees(self, pod: Pod, record: Assignment) -> bool:
        """Whether a beneficiary can go on because this pod goes or went: its budget let it go, so that the others are
        asked, or it was the last. Of the many between these nothing follows."""
        return bool(self._store.guards.of(pod.label_set)) or not self.awaited(record)

    def stuck(self, pod: Pod, now_seconds: float) -> bool:
        """Whether a pod terminates for so long that nobody should count on its room."""
        return pod.leaving and 0 < pod.leaves_seconds < now_seconds - self._policy.taking.stuck_seconds

    def _present(self, record: Assignment) -> list[Pod]:
        found = (self._store.pods.get(pod.uid) for pod in record.leaving)
        return [pod for pod in found if pod is not None and not pod.finished]

    def still_leaving(self, record: Assignment) -> tuple[Victim, ...]:
        """The pods that a record names and that are still there."""
        return tuple(victim_of(pod) for pod in self._present(record))

    def withdraw(self, key: GangKey, record: Assignment) -> None:
        """A beneficiary gives its record up: whoever was asked to leave for it need not, unless he goes already."""
        self._cleared.pop(key, None)
        for victim in record.leaving:
            self._evictor.forget(victim.uid)

    # -- the gang that gives way -----------------------------------------------------------------------------------

    def noticed(self, key: GangKey, record: Assignment, pods: Mapping[str, Pod]) -> dict[str, Spot]:
        """The pods of a gang that others' records name and that its own does not yet let go, with their spots."""
        notices = self._store.notices
        own = {victim.uid for victim in record.victims}
        found = {}
        for uid in pods if notices else ():
            if notices.given(uid) and uid not in own and notices.by(uid, besides=key):
                charge = self._store.charges.get(uid)
                if charge is not None and charge.gang == key and charge.takes_room:  # who has ended gives nothing
                    found[uid] = charge.spot
        return found

    def ready_to_go(self, gives: Wanted, key: GangKey) -> Wanted:
        """Those of these pods of which a beneficiary is past its guarded victims, so that they are let go; or has all
        of its room, since they went by themselves. Its record is written: those named by one that is not may stay."""
        beneficiaries = {uid: self._store.notices.by(uid, besides=key) for uid in gives}
        past = {by for by in set(chain(*beneficiaries.values())) if by in self._cleared or self._has_room(by)}
        return {uid: spot for uid, spot in gives.items() if not past.isdisjoint(beneficiaries[uid])}

    def _has_room(self, key: GangKey) -> bool:
        group, book = self._store.groups.get(key), self._store.books.get(key)
        record = None if book is None else book.record
        is_written = group is not None and group.assignment == record
        return record is not None and is_written and not self._present(record)

    def rest(
        self, key: GangKey, record: Assignment, gives: Wanted, taken: Counter[Spot], minimum: int
    ) -> Assignment | None:
        """What a gang's record becomes when these pods leave: its new places where it is moved, what is left where that
        is enough, None otherwise."""
        beneficiaries = dict.fromkeys(by for uid in gives for by in self._store.notices.by(uid, besides=key))
        records = [book.record for by in beneficiaries if (book := self._store.books.get(by)) is not None]
        moves = (move for each in records if each is not None for move in each.moves if move.gang == key)
        moved = [new for move in moves if (new := _places_for(move, gives))]
        left = Counter(gives.values())
        if not moved and (taken - left).total() < max(1, minimum):
            return None
        wanted = spots(record.places) - left - self._store.spent_of(key, record)
        for new in moved:
            wanted.update(new)
        named = {victim.uid: victim for each in records if each is not None for victim in each.leaving}
        named |= {uid: victim_of(pod) for uid in gives if (pod := self._store.pods.get(uid)) is not None}
        victims = dict.fromkeys((*self.still_leaving(record), *(named[uid] for uid in gives if uid in named)))
        return msgspec.structs.replace(record, places=places_of(wanted), victims=tuple(victims), moves=())

    def overtaken(self, key: GangKey, record: Assignment) -> Counter[Spot]:
        """Open places of a record that a newer one has taken, whose victims are gone, while a node cannot hold both.

        Only after a crash: the pods that would have told which places were theirs had left before this gang's record
        was shortened. The newer decision counts.
        """
        found: Counter[Spot] = Counter()
        takers = [by for by in self._store.notices.beneficiaries if by != key] if self._store.notices else []
        if not takers:
            return found
        taken = {
            node
            for by in takers
            if (book := self._store.books.get(by)) is not None
            and book.record is not None
            and _age(book.record) > _age(record)
            and not self.awaited(book.record)
            for _, node, _ in self._store.open_spots(by)
        }
        for spot, count in self._store.open_spots(key).items():
            if spot[1] in taken and self.stays_short(spot[1]):
                found[spot] = count
        return found

    def stays_short(self, node: str) -> bool:
        """Whether room is short on a node even when everybody has left it whom some record names."""
        free = self._store.free_on(node)
        if (free >= 0).all():
            return False
        for uid in self._store.notices.pods:
            charge = self._store.charges.get(uid)
            if charge is not None and charge.node == node and charge.takes_room:
                free = free + self._store.columns.row(taken_by(charge.shape, charge.devices))
        return bool((free < 0).any())

    def overtakes(self, key: GangKey, record: Assignment, node: str) -> bool:
        """Whether room is short on a node because of an older record that will give its open places there up."""
        return any(
            book.record is not None
            and by != key
            and _age(book.record) < _age(record)
            and any(where == node for _, where, _ in self._store.open_spots(by))
            for by, book in self._store.books.items()
        )

    def departing(self, key: GangKey, record: Assignment | None, pods: Mapping[str, Pod]) -> set[str]:
        """The pods that are no part of their gang any more: it has given them up, or has given up all its places. It
        goes on without them, also where one that was asked to leave says in its last moments that it succeeded."""
        notices = self._store.notices
        asked = {uid for uid, pod in pods.items() if pod.leaving and pod.marked_evicted}
        standing = {uid: pod for uid, pod in pods.items() if pod.node and (uid in asked or not pod.finished)}
        if record is None:
            return {uid for uid, pod in standing.items() if pod.leaving or notices.by(uid, besides=key)}
        own = {victim.uid for victim in record.victims} & standing.keys()
        return {uid for uid in own if self._evictor.goes(standing[uid]) or notices.by(uid, besides=key)}


def _places_for(move: Move, gives: Wanted) -> Counter[Spot]:
    """The new places of those pods of a move that are under way now: not of those that went before, or have ended."""
    coming = Counter(gives[pod.uid][0] for pod in move.pods if pod.uid in gives)
    found: Counter[Spot] = Counter()
    for spot, count in spots(move.places).items():
        found[spot] = min(count, coming[spot[0]])
        coming[spot[0]] -= found[spot]
    return +found


def gang_of_pod(pod: Pod) -> GangKey | None:
    return group_key(pod.namespace, pod.group) if pod.group and pod.ours else None


def _age(record: Assignment) -> tuple[int, int]:
    """The order of decisions: by leader, then by the snapshot they were made from."""
    return record.epoch, int(record.made_from) if record.made_from.isdigit() else 0


def _name(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"


def victim_of(pod: Pod) -> Victim:
    return Victim(pod.uid, pod.namespace, pod.name)
