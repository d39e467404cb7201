"""The picture that a decision about taking is made on, as it changes from one taker to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scheduler.core.facts.books import taken_by
from scheduler.core.facts.devices import after_uses
from scheduler.core.queues.demand import requests_of
from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.plan import Giveaway, Places, add_need, spots_of
from scheduler.core.taking.roster import Charged, Indices, Rosters, charged, summed_by
from scheduler.core.taking.rules import Holds
from scheduler.core.taking.rules import too_much as breaks_rules
from scheduler.model.cluster import Mask, Snapshot, UseKey
from scheduler.model.devices import slots_of
from scheduler.model.resources import GPU, Matrix, Resources, resources, vector
from scheduler.model.work import Gang, Member


class Picture:
    """Who runs where, what queues use, and what is free: ``roster``, ``book`` and ``use_by`` are this decision's own
    and follow what it notes; ``holds`` are what queues count."""

    def __init__(self, snapshot: Snapshot, book: Ledger, rosters: Rosters) -> None:
        self.snapshot = snapshot
        self.book = replace(book, use=book.use.copy(), firm=book.firm.copy())
        self.roster = rosters.of(snapshot, self.book)
        self.holds = Holds.of(snapshot)
        self.use_by: dict[UseKey, Matrix] = {key: total.copy() for key, total in snapshot.use_by.items()}
        self._charged: Charged = charged(self.book, snapshot.resources)
        for pod in np.flatnonzero(self.roster.leaving).tolist():
            self._discharge(pod)

    def charge(self, member: Member) -> Matrix:
        """What one pod is charged in the columns of the ledger, in the only flavor that it may be in."""
        kinds = tuple(dict.fromkeys(self.snapshot.nodes.device_kinds()))
        row = vector(tuple(requests_of(member.shape, kinds).items()), self.snapshot.resources)
        flavor = member.shape.only_flavor
        if flavor is None:
            flavor = member.shape.flavors[0] if len(member.shape.flavors) == 1 else ""
        return self._charged.of(row, flavor)

    def asked(self, gang: Gang) -> Matrix:
        return np.asarray(np.sum([self.charge(member) for member in gang.members], axis=0))

    def got(self, gang: Gang, places: Places) -> tuple[int, Resources, Matrix]:
        """(pods, what they hold, what that is in the columns of the ledger)."""
        members = {member.name: member for member in gang.members}
        amounts: dict[str, int] = {}
        charge: Matrix = np.zeros(len(self.book.columns), dtype=np.int64)
        for place in places:
            for each in place.nodes:
                for resource, amount in taken_by(members[place.member].shape, each.devices):
                    amounts[resource] = amounts.get(resource, 0) + amount * each.count
                charge += self.charge(members[place.member]) * each.count
        return sum(each.count for place in places for each in place.nodes), resources(amounts), charge

    def too_much(self, book: Ledger, gang: Gang, places: Places, evicted: Mask) -> bool:
        """Whether it would break what queues ask besides limits: those who clear the ground do not look at that."""
        if not self.holds.binds:
            return False
        return breaks_rules(
            self.snapshot,
            self.holds,
            book,
            self.roster,
            gang,
            self.got(gang, places),
            evicted,
        )

    def use_after(self, gang: Gang, places: Places, evicted: Mask) -> Matrix:
        """[queues x columns] what queues use once it has its places and these pods are gone."""
        roster, book = self.roster, self.book
        gone = np.flatnonzero(evicted & (roster.queue[roster.gang] >= 0))
        more = -summed_by(roster.queue[roster.gang[gone]], roster.charge[gone], len(book.names))
        if gang.queue in book.names:
            more[book.row(gang.queue)] += self.got(gang, places)[2]
        return np.asarray(book.use + book.tree.summed(more))

    def note(self, gang: Gang, own: Places, gives: Giveaway) -> None:
        """The picture for whoever comes next: what leaves, what was placed, and who uses how much. Pods that may be
        put anywhere one by one stand where they are moved to; a gang of others that moves does not go any more."""
        roster = self.roster
        need: Matrix = np.zeros_like(roster.free)
        add_need(need, self.snapshot, {member.name: member for member in gang.members}, own)
        for number, places in gives.to.items():
            add_need(need, self.snapshot, {member.name: member for member in roster.gangs[number].members}, places)
        roster.promise(need)
        self._hold_devices(gang, own, gives)
        for pod in np.flatnonzero(gives.evicted).tolist():
            self._discharge(pod)
            self._use(int(roster.queue[roster.gang[pod]]), -roster.charge[pod])
        self._spend(gives.evicted | gives.moved)
        roster.leaving |= gives.evicted | gives.moved
        roster.claimed |= gives.evicted | gives.moved
        freely = roster.traits.freely[roster.gang]
        roster.moved[roster.gang[gives.moved & ~freely]] = True
        self._stand(gives, np.flatnonzero(gives.moved & freely).tolist())
        if self.holds.counts:
            pods, held, _ = self.got(gang, own)
            self.holds.add(gang, pods, held)
        shapes = {member.name: member for member in gang.members}
        for place in own:
            for each in place.nodes:
                row = self.snapshot.nodes.rows[each.node]
                amounts = vector(taken_by(shapes[place.member].shape, each.devices), self.snapshot.resources)
                flavor = self.snapshot.nodes.flavor(row)
                key = (gang.queue, flavor, not gang.preemptible)
                self.use_by[key] = self.use_by.get(key, np.zeros_like(amounts)) + amounts * each.count
                if gang.queue in self.book.names:
                    charge = self._charged.of(amounts * each.count, flavor)
                    self._use(self.book.row(gang.queue), charge, firm=not gang.preemptible)

    def stays(self, pods: Indices) -> None:
        """Queues use what these pods of one gang hold after all, where they are or elsewhere."""
        self._use(int(self.roster.queue[self.roster.gang[pods[0]]]), self.roster.charge[pods].sum(axis=0))
        for pod in pods.tolist():
            self._discharge(pod, back=True)

    def _stand(self, gives: Giveaway, moved: Sequence[int]) -> None:
        rows = self.snapshot.nodes.rows
        at = [(pod, rows[node], node) for pod, node in spots_of(self.roster, moved, gives.to).items()]
        if at:
            self.roster.stand(at)

    def _hold_devices(self, gang: Gang, own: Places, gives: Giveaway) -> None:
        """Devices as they are promised: nobody else is placed on them. They go free by what leaves only."""
        if self.snapshot.devices is None:
            return
        devices = self.snapshot.devices.copy()
        kinds = self.snapshot.nodes.device_kinds()
        asks = [(gang.members, own), *((self.roster.gangs[at].members, places) for at, places in gives.to.items())]
        for members, places in asks:
            shapes = {member.name: member.shape for member in members}
            for place in places:
                for each in place.nodes:
                    row = self.snapshot.nodes.rows[each.node]
                    whole = dict(shapes[place.member].requests).get(GPU, 0) * each.count
                    uses = each.devices * each.count
                    devices[row] = after_uses(devices[row], uses, whole, slots_of(kinds[row]))
        self.snapshot = replace(self.snapshot, devices=devices)

    def _spend(self, gone: Mask) -> None:
        """What budgets still allow: whoever goes or moves for one taker counts for the next."""
        asked = Counter(guard for pod in np.flatnonzero(gone).tolist() for guard in self.roster.pods[pod].guards)
        if asked:
            # What breaks a budget costs as much as it breaks it by, and nothing of whoever takes next.
            guards = {
                name: max(min(allowed, 0), allowed - asked[name]) for name, allowed in self.snapshot.guards.items()
            }
            self.snapshot = replace(self.snapshot, guards=guards)

    def _discharge(self, pod: int, *, back: bool = False) -> None:
        roster = self.roster
        running = roster.gangs[roster.gang[pod]]
        key = (running.queue, self.snapshot.nodes.flavor(int(roster.node[pod])), not running.preemptible)
        if key in self.use_by:
            self.use_by[key] = self.use_by[key] + (roster.room[pod] if back else -roster.room[pod])

    def _use(self, row: int, more: Matrix, *, firm: bool = False) -> None:
        for each in self.book.line(row) if row >= 0 else ():
            self.book.use[each] += more
            if firm:
                self.book.firm[each] += more
