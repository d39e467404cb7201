"""Running work that may give way, as part of a problem: it asks to stay.

A running gang stands in the problem as a gang whose pods may be where they are, or elsewhere (a move), or nowhere (an
eviction). So one model holds the victims, the moves and the places of whoever they are for. Classes are single nodes
here, wherever such a gang stands.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray


class Room(msgspec.Struct, frozen=True):
    """What a queue of the ledger (``row``) may use at most afterwards, per column."""

    row: int
    most: tuple[int, ...]


class Right(msgspec.Struct, frozen=True):
    """One way to be entitled. ``floors`` [row][column] protect queues on the other side: a unit is taken while its
    queues are above their floor in some ``asked`` column; ``keep`` says that they stay at or above it afterwards."""

    name: str
    rooms: tuple[Room, ...] = ()
    floors: tuple[tuple[int, ...], ...] = ()
    asked: tuple[bool, ...] = ()
    keep: bool = False


class Lane(msgspec.Struct, frozen=True):
    """The rights under which the victims of one relation may be taken: one of them holds for all."""

    rights: tuple[Right, ...]


class Stand(msgspec.Struct, frozen=True):
    """Pods of a member that run on the node of a class."""

    member: int
    node_class: int
    pods: int


class Yielder(msgspec.Struct, frozen=True):
    """A running gang of the problem. ``lane`` is -1 where it may not be evicted, ``whole`` whether all of it may go.

    ``line`` are its queue and those above it up to its branch, as rows of the ledger, ``rows`` the same up to the top;
    ``movable``: its pods may be on other nodes, or more of them on one. ``charge`` [member][column] is what a pod takes
    there. ``weights`` [tier][member] is what a pod costs in each tier.
    """

    gang: int
    stands: tuple[Stand, ...]
    lane: int
    whole: bool
    line: tuple[int, ...]
    rows: tuple[int, ...]
    charge: tuple[tuple[int, ...], ...]
    weights: tuple[tuple[int, ...], ...]
    guards: tuple[int, ...] = ()
    movable: bool = True

    def pods(self, member: int) -> int:
        return sum(stand.pods for stand in self.stands if stand.member == member)


class Tier(msgspec.Struct, frozen=True):
    """One cost. ``kind``: ``evicted`` and ``moved`` add up weights of pods, ``whole`` those of gangs that go as a
    whole, ``highest`` is the highest weight among gangs that lose a pod, ``guards`` counts pods beyond budgets."""

    name: str
    kind: str


class Giving(msgspec.Struct, frozen=True):
    """``takers`` are the gangs (by index) for which the others give way, ``taken`` [taker][member][column] what their
    pods are charged, ``taker_rows`` their queue's line up to the top. ``use`` [row][column] is the ledger's use with
    everybody where they are. ``guards`` are how many more pods each budget lets go."""

    takers: tuple[int, ...]
    taken: tuple[tuple[tuple[int, ...], ...], ...]
    taker_rows: tuple[int, ...]
    yielders: tuple[Yielder, ...]
    lanes: tuple[Lane, ...]
    tiers: tuple[Tier, ...]
    use: tuple[tuple[int, ...], ...]
    guards: tuple[int, ...] = ()
    guards_hold: bool = True

    def on(self, class_at: NDArray[np.int64]) -> Giving:
        """The same on other class numbers: those who stand are on classes of one node, which become one class each."""
        yielders = tuple(
            msgspec.structs.replace(
                each,
                stands=tuple(
                    msgspec.structs.replace(stand, node_class=int(class_at[stand.node_class])) for stand in each.stands
                ),
            )
            for each in self.yielders
        )
        return msgspec.structs.replace(self, yielders=yielders)
