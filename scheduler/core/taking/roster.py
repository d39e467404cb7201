"""Who runs where, as columns: every pod that may be asked to give way, and what room its node has without the others.

It changes while a decision is made: what was taken for one gang counts as leaving for the next, and what was placed
takes its room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.core.facts.store import taken_by
from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.traits import Traits
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.devices import DeviceAsk, DeviceUse
from scheduler.model.resources import Matrix, Resources, vector
from scheduler.model.running import Running, RunningPod

Indices = NDArray[np.int64]


@dataclass(eq=False)
class Roster:
    """One row per pod: ``gang`` indexes ``gangs``, ``member`` its members, ``node`` the snapshot's rows.

    ``room`` [P x R] is what goes free when a pod goes, ``charge`` [P x K] what its queue is charged less, in the
    columns of the ledger; ``queue`` [G] is the ledger's row of each gang (-1: not in the tree). ``free`` [N x R] is
    what no pod and no promise takes.
    """

    gangs: tuple[Running, ...]
    traits: Traits
    pods: tuple[RunningPod, ...]
    gang: Indices
    member: Indices
    node: Indices
    room: Matrix
    charge: Matrix
    leaving: Mask
    queue: Indices
    free: Matrix
    claimed: Mask
    """Who was taken in this very decision, so that his room is waited for by somebody already."""
    covered: Matrix
    """[N x R] how much of what was placed is to stand in the room of the claimed."""

    @classmethod
    def of(cls, snapshot: Snapshot, book: Ledger) -> Roster:
        rows = {name: row for row, name in enumerate(book.names)}
        into = charged(book, snapshot.resources)
        nodes = snapshot.nodes.rows
        pods: list[RunningPod] = []
        gang: list[int] = []
        member: list[int] = []
        node: list[int] = []
        kind: list[int] = []
        kinds: dict[tuple[Resources, DeviceAsk | None, tuple[DeviceUse, ...], int], int] = {}
        room: list[Matrix] = []
        charge: list[Matrix] = []
        flavors = snapshot.nodes.flavor_codes
        for number, running in enumerate(snapshot.running):
            index = {each.name: at for at, each in enumerate(running.members)}
            for pod in running.pods:
                row = nodes.get(pod.node)
                at = index.get(pod.member)
                if row is None or at is None:
                    continue
                shape = running.members[at].shape
                flavor = -1 if flavors is None else int(flavors[row])
                key = (shape.requests, shape.devices, pod.devices, flavor)
                known = kinds.get(key)
                if known is None:
                    known = kinds[key] = len(room)
                    room.append(vector(taken_by(shape, pod.devices), snapshot.resources))
                    charge.append(into.of(room[-1], snapshot.nodes.flavor(row)))
                pods.append(pod)
                gang.append(number)
                member.append(at)
                node.append(row)
                kind.append(known)
        width = len(snapshot.resources)
        kind_of = np.array(kind, dtype=np.int64)
        return cls(
            gangs=snapshot.running,
            traits=Traits.of(snapshot.running),
            pods=tuple(pods),
            gang=np.array(gang, dtype=np.int64),
            member=np.array(member, dtype=np.int64),
            node=np.array(node, dtype=np.int64),
            room=np.array(room, dtype=np.int64).reshape(-1, width)[kind_of],
            charge=np.array(charge, dtype=np.int64).reshape(-1, len(book.columns))[kind_of],
            leaving=np.array([pod.leaving for pod in pods], dtype=np.bool_),
            queue=np.array([rows.get(each.queue, -1) for each in snapshot.running], dtype=np.int64),
            free=snapshot.free.copy(),
            claimed=np.zeros(len(pods), dtype=np.bool_),
            covered=np.zeros_like(snapshot.free),
        )

    def __len__(self) -> int:
        return len(self.pods)

    @property
    def open(self) -> Matrix:
        """[N x R] what is free by now for whoever comes next: those who wait for pods that were claimed take nothing
        of it."""
        return self.free + self.covered

    def promise(self, need: Matrix) -> None:
        """Room taken [N x R] by a decision; what is not open is in the room of those whom it waits for."""
        self.covered += np.maximum(0, need - np.maximum(0, self.open))
        self.free -= need

    def room_on(self, pods: Mask) -> Matrix:
        """[N x R] the room of some pods, added up per node."""
        return summed_by(self.node[pods], self.room[pods], len(self.free))


def surplus_of(roster: Roster) -> Indices:
    """[G] pods beyond what each gang needs, without those that leave; of gangs with a tree or unlike pods none."""
    there = np.bincount(roster.gang[~roster.leaving], minlength=len(roster.gangs))
    least = roster.traits.least
    return np.where(least >= 0, np.maximum(0, there - least), 0)


class Charged:
    """From resource columns, on nodes of a flavor, to the columns of the ledger."""

    def __init__(self, book: Ledger, resources: tuple[str, ...]) -> None:
        self._columns = [
            (column, resources.index(resource), flavor)
            for column, (resource, flavor) in enumerate(book.columns)
            if resource in resources
        ]
        self._width = len(book.columns)

    def of(self, amounts: Matrix, flavor: str) -> Matrix:
        row: Matrix = np.zeros(self._width, dtype=np.int64)
        for column, resource, own in self._columns:
            if own in ("", flavor):
                row[column] = amounts[resource]
        return row


def charged(book: Ledger, resources: tuple[str, ...]) -> Charged:
    return Charged(book, resources)


def summed_by(keys: Indices, rows: Matrix, count: int) -> Matrix:
    """[count x R] rows added up by key."""
    total: Matrix = np.zeros((count, rows.shape[1]), dtype=np.int64)
    np.add.at(total, keys, rows)
    return total
