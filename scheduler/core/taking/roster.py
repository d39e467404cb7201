"""Who runs where, as columns: every pod that may be asked to give way, and what room its node has without the others.

It changes while a decision is made: what was taken for one gang counts as leaving for the next, and what was placed
takes its room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.core.facts.books import taken_by
from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.traits import Traits
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.devices import DeviceUse
from scheduler.model.resources import Matrix, vector
from scheduler.model.running import Running, RunningPod
from scheduler.model.shape import Shape

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
    moved: Mask
    """[G] who has pods that get other places in this very decision: the rest of it does not go as a whole any more."""
    covered: Matrix
    """[N x R] how much of what was placed is to stand in the room of the claimed."""
    real: Indices
    """The row of the same pod where it runs: its own, but of pods that stand where this very decision moves them."""

    @classmethod
    def of(cls, snapshot: Snapshot, book: Ledger) -> Roster:
        rows = {name: row for row, name in enumerate(book.names)}
        every = [pod for running in snapshot.running for pod in running.pods]
        gang = np.repeat(np.arange(len(snapshot.running)), [len(running.pods) for running in snapshot.running])
        node = np.array([snapshot.nodes.rows.get(pod.node, -1) for pod in every], dtype=np.int64)
        part, member, takes = _parts(snapshot.running)
        known = (node >= 0) & (member >= 0)
        pods = tuple(every) if known.all() else tuple(compress(every, known.tolist()))
        gang, node, part, member = gang[known], node[known], part[known], member[known]
        room, charge = _room_and_charge(snapshot, book, part, node, takes)
        return cls(
            gangs=snapshot.running,
            traits=Traits.of(snapshot.running),
            pods=pods,
            gang=gang,
            member=member,
            node=node,
            room=room,
            charge=charge,
            leaving=np.array([pod.leaving for pod in pods], dtype=np.bool_),
            queue=np.array([rows.get(each.queue, -1) for each in snapshot.running], dtype=np.int64),
            free=snapshot.free.copy(),
            claimed=np.zeros(len(pods), dtype=np.bool_),
            moved=np.zeros(len(snapshot.running), dtype=np.bool_),
            covered=np.zeros_like(snapshot.free),
            real=np.arange(len(pods)),
        )

    def __len__(self) -> int:
        return len(self.pods)

    @property
    def open(self) -> Matrix:
        """[N x R] what is free by now for whoever comes next: those who wait for pods that were claimed take nothing
        of it."""
        return self.free + self.covered

    @property
    def eventual(self) -> Matrix:
        """[N x R] what is free once all who leave are gone, and all whom it is promised to are there."""
        return self.free + self.room_on(self.leaving)

    def promise(self, need: Matrix) -> None:
        """Room taken [N x R] by a decision; what is not open is in the room of those whom it waits for."""
        self.covered += np.maximum(0, need - np.maximum(0, self.open))
        self.free -= need

    @property
    def is_later(self) -> Mask:
        """[P] the rows of pods that stand where this very decision moves them."""
        return np.asarray(self.real != np.arange(len(self.real)))

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """UID -> the row of the pod where it runs, which comes before those of its later places."""
        found: dict[str, int] = {}
        for row, pod in enumerate(self.pods):
            found.setdefault(pod.uid, row)
        return found

    def node_name(self, pod: int) -> str:
        return self.pods[pod].node

    def member_name(self, pod: int) -> str:
        running = self.gangs[int(self.gang[pod])]
        return running.members[int(self.member[pod])].name

    def stand(self, moved: Sequence[tuple[int, int, str]]) -> None:
        """Pods (row, new node and its name) that were moved stand there for whoever comes next, and may have to leave.
        What their budgets had to let go they have let go already."""
        rows = np.array([pod for pod, _, _ in moved], dtype=np.int64)
        self.pods += tuple(msgspec.structs.replace(self.pods[pod], node=name, guards=()) for pod, _, name in moved)
        self.gang, self.member = np.append(self.gang, self.gang[rows]), np.append(self.member, self.member[rows])
        self.node = np.append(self.node, np.array([node for _, node, _ in moved], dtype=np.int64))
        self.room = np.concatenate([self.room, self.room[rows]])
        self.charge = np.concatenate([self.charge, self.charge[rows]])
        self.leaving = np.append(self.leaving, np.zeros(len(rows), dtype=np.bool_))
        self.claimed = np.append(self.claimed, np.zeros(len(rows), dtype=np.bool_))
        self.real = np.append(self.real, self.real[rows])

    def room_on(self, pods: Mask) -> Matrix:
        """[N x R] the room of some pods, added up per node."""
        return summed_by(self.node[pods], self.room[pods], len(self.free))


class Rosters:
    """Makes the roster of each decision, and remembers the columns of the last one as long as the same work runs."""

    def __init__(self) -> None:
        self._last: Roster | None = None
        self._of: tuple[object, ...] = ()

    def of(self, snapshot: Snapshot, book: Ledger) -> Roster:
        nodes, stated = snapshot.nodes, (snapshot.resources, book.names, book.columns)
        if (
            self._last is None
            or self._of[0] is not snapshot.running
            or self._of[1] is not nodes
            or self._of[2] != stated
        ):
            self._last, self._of = Roster.of(snapshot, book), (snapshot.running, nodes, stated)
        last = self._last
        return replace(
            last,
            free=snapshot.free.copy(),
            leaving=last.leaving.copy(),
            claimed=np.zeros_like(last.claimed),
            moved=np.zeros_like(last.moved),
            covered=np.zeros_like(snapshot.free),
        )


def surplus_of(roster: Roster) -> Indices:
    """[G] pods beyond what each gang needs, without those that leave; of gangs with a tree or unlike pods none."""
    there = np.bincount(roster.gang[~roster.leaving], minlength=len(roster.gangs))
    least = roster.traits.least
    return np.where(least >= 0, np.maximum(0, there - least), 0)


def _parts(gangs: Sequence[Running]) -> tuple[Indices, Indices, list[tuple[Shape, tuple[DeviceUse, ...]]]]:
    """([P] what each pod takes: a number per shape and devices, [P] its index among the members of its gang or -1, and
    the shape and devices of each number). What is alike shares its members and shapes, so they are told apart by
    identity."""
    numbers: dict[tuple[int, tuple[DeviceUse, ...]], int] = {}
    takes: list[tuple[Shape, tuple[DeviceUse, ...]]] = []
    known: dict[tuple[int, str, tuple[DeviceUse, ...]], int] = {}
    kinds: list[tuple[int, int]] = []
    found: list[int] = []
    for running in gangs:
        own = id(running.members)
        for pod in running.pods:
            key = (own, pod.member, pod.devices)
            if key not in known:
                at = next((index for index, each in enumerate(running.members) if each.name == pod.member), -1)
                shape = running.members[at].shape
                number = numbers.setdefault((id(shape), pod.devices), len(numbers))
                if number == len(takes):
                    takes.append((shape, pod.devices))
                known[key] = len(kinds)
                kinds.append((number, at))
            found.append(known[key])
    columns = np.array(kinds, dtype=np.int64).reshape(-1, 2)[found]
    return columns[:, 0], columns[:, 1], takes


def _room_and_charge(
    snapshot: Snapshot, book: Ledger, part: Indices, node: Indices, takes: Sequence[tuple[Shape, tuple[DeviceUse, ...]]]
) -> tuple[Matrix, Matrix]:
    """([P x R], [P x K]) of each pod, worked out once for those alike on nodes of one flavor."""
    into, codes = charged(book, snapshot.resources), snapshot.nodes.flavor_codes
    flavor = np.zeros(len(node), dtype=np.int64) if codes is None else codes[node] + 1
    flavors = int(flavor.max(initial=0)) + 1
    _, first, kind = np.unique(part * flavors + flavor, return_index=True, return_inverse=True)
    rooms = [vector(taken_by(*takes[part[pod]]), snapshot.resources) for pod in first.tolist()]
    charges = [into.of(room, snapshot.nodes.flavor(int(node[pod]))) for room, pod in zip(rooms, first, strict=True)]
    return (
        np.array(rooms, dtype=np.int64).reshape(-1, len(snapshot.resources))[kind.reshape(-1)],
        np.array(charges, dtype=np.int64).reshape(-1, len(book.columns))[kind.reshape(-1)],
    )


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
