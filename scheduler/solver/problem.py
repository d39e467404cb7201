"""The compact problem: node classes instead of nodes, counts instead of pods.

It is what travels to a solver worker, so it holds plain arrays and tuples only and names nothing but domains.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DeviceAsk
from scheduler.model.plan import TierScore
from scheduler.model.resources import GPU, Matrix
from scheduler.solver.devices.devices import ClassDevices, Held, fits
from scheduler.solver.giving import Giving
from scheduler.solver.quota import CountRoom, Lending

Counts = NDArray[np.int32]


class SliceAsk(msgspec.Struct, frozen=True):
    """Pods come in slices of ``size``, each inside one domain of the level column ``level``.

    ``held`` are (domain code, pods that the gang holds there): they count, and a slice in part is to be completed.
    """

    size: int
    level: int
    held: tuple[tuple[int, int], ...] = ()


class BranchAsk(msgspec.Struct, frozen=True):
    """One node of a gang's tree; ``required`` and ``preferred`` are level columns (-1: not asked).

    ``pinned`` is the domain code at the required level where the gang already holds places (-1: free to choose).
    ``wider`` are the columns above the preferred one, coarse to fine, of which few domains are sought too. ``slices``
    go from coarse to fine. ``exclusive`` is the column whose domains no other gang shares. Of each column of
    ``balance`` the fullest domain is to hold as few pods as possible.
    """

    parent: int
    minimum: int
    min_branches: int
    required: int = -1
    preferred: int = -1
    pinned: int = -1
    wider: tuple[int, ...] = ()
    slices: tuple[SliceAsk, ...] = ()
    exclusive: int = -1
    balance: tuple[int, ...] = ()

    @property
    def near(self) -> tuple[int, ...]:
        """All columns of which few domains are sought, coarse to fine."""
        return (*self.wider, self.preferred) if self.preferred >= 0 else ()


class MemberAsk(msgspec.Struct, frozen=True):
    """``request`` is per resource column; ``eligible`` one flag per node class, packed by `numpy.packbits`.

    ``devices`` is what it asks of GPU devices besides whole ones; none of it is in ``request``.
    """

    request: tuple[int, ...]
    count: int
    minimum: int
    branch: int
    eligible: bytes
    devices: DeviceAsk | None = None
    dislike: tuple[int, ...] = ()
    """What a pod of it on each class costs of what it prefers of nodes; empty where it prefers nothing."""


class GangAsk(msgspec.Struct, frozen=True):
    """``values`` is what one placed pod of each member is worth; ``tier`` orders strictly (0 first: highest priority).

    A ``bundle`` is many equal pods without a group in one ask: each is a gang of its own, so that all of them are
    placed with the minima of gangs, not as somebody's surplus. ``leader`` is the member that stands beside the others
    and belongs to no slice (-1: none).
    """

    members: tuple[MemberAsk, ...]
    branches: tuple[BranchAsk, ...]
    values: tuple[int, ...]
    tier: int = 0
    queue: int = -1
    bundle: bool = False
    bonus: int = 0
    """What its presence is worth besides the values of its minima: how age decides between equals."""
    firm: bool = False
    """Not preemptible."""
    flavors: tuple[int, ...] = ()
    """What each flavor of the problem costs it (-1: not accepted); it then runs in one of them as a whole. Empty: any,
    and mixed."""
    leader: int = -1
    user: int = -1
    """Whose it is, where some queue counts by user."""
    grows: bool = False
    """It holds places already."""

    @property
    def pods(self) -> int:
        return sum(member.count for member in self.members)


def unshaped(gang: GangAsk, *, alone: bool = False) -> GangAsk:
    """The gang without what it asks of its own pods among themselves: slices, balance, leader; ``alone`` also without
    exclusive domains, which tie it to other gangs only."""
    if gang.leader < 0 and not any(ask.slices or ask.balance or ask.exclusive >= 0 for ask in gang.branches):
        return gang
    branches = tuple(
        msgspec.structs.replace(ask, slices=(), balance=(), exclusive=-1 if alone else ask.exclusive)
        for ask in gang.branches
    )
    return msgspec.structs.replace(gang, branches=branches, leader=-1)


def indifferent(gang: GangAsk) -> GangAsk:
    """The gang without what it only prefers of nodes."""
    if not any(member.dislike for member in gang.members):
        return gang
    members = tuple(msgspec.structs.replace(member, dislike=()) for member in gang.members)
    return msgspec.structs.replace(gang, members=members)


def plain(gang: GangAsk) -> bool:
    """Whether a gang asks for nothing but room, minima and topology levels: no other field of its asks is set."""
    return (
        not gang.firm
        and not gang.flavors
        and all(
            member == MemberAsk(member.request, member.count, member.minimum, member.branch, member.eligible)
            for member in gang.members
        )
        and all(
            ask
            == BranchAsk(ask.parent, ask.minimum, ask.min_branches, ask.required, ask.preferred, ask.pinned, ask.wider)
            for ask in gang.branches
        )
    )


class QuotaLine(msgspec.Struct, frozen=True):
    """A further bound on a queue, as `QueueRoom.room`: on what counts as one flavor (-1: all), or only on what is not
    preemptible."""

    room: tuple[int, ...]
    flavor: int = -1
    firm: bool = False


class QueueRoom(msgspec.Struct, frozen=True):
    """What a queue may still take: per resource column, -1 is unlimited. Parents bind their whole subtree."""

    parent: int
    room: tuple[int, ...]
    lines: tuple[QuotaLine, ...] = ()


APART = "pod-anti-affinity"
TOGETHER = "pod-affinity"
SPREAD = "topology-spread"
KINDS = (APART, TOGETHER, SPREAD)
"""The kinds of relations that bind, each named after the rule that holds it."""

PREFERENCE = "preferences"
"""The kind of relation that does not bind, and the goal that follows it."""


class Relation(msgspec.Struct, frozen=True):
    """What pods of one problem ask of one another, per domain of a ``level`` column.

    ``carriers`` ask, ``targets`` are looked at, both (gang, member); a pod does not look at itself. ``standing`` are
    the targets that stand already, per domain code. Three kinds:

    ``APART``: where a carrier stands no other target stands (what stands already is out of the masks).
    ``TOGETHER``: where a carrier stands a target stands. Only where ``first`` (none stands anywhere) one domain may
    begin with a carrier that is a target itself.
    ``SPREAD``: where a carrier stands are at most ``max_skew`` more targets than in the domain with the fewest, which
    counts as empty when ``bottomless``. Nodes that do not count have no domain.

    And one that binds nobody, ``PREFERENCE``: every target in its domain is worth ``weight`` to a carrier, or costs it
    where that is below zero. With ``needs_key`` nodes without a domain come behind all others.
    """

    kind: str
    level: int
    carriers: tuple[tuple[int, int], ...]
    targets: tuple[tuple[int, int], ...]
    standing: tuple[int, ...] = ()
    max_skew: int = 0
    bottomless: bool = False
    first: bool = False
    weight: int = 0
    needs_key: bool = False

    def of(self, carriers: tuple[tuple[int, int], ...], targets: tuple[tuple[int, int], ...]) -> Relation:
        """The same relation between other members."""
        return msgspec.structs.replace(self, carriers=carriers, targets=targets)


@dataclass(frozen=True, eq=False)
class Problem:
    """Classes: ``class_nodes`` [C] how many nodes each has, ``class_free`` [C x R] the free vector of *each* node
    of the class, ``class_domain`` [C x L] its domain code per level column (-1: none). Gangs stand in rank
    order."""

    resources: tuple[str, ...]
    class_nodes: Counts
    class_free: Matrix
    class_domain: Counts
    level_names: tuple[str, ...]
    domain_names: tuple[tuple[str, ...], ...]
    gangs: tuple[GangAsk, ...]
    queues: tuple[QueueRoom, ...]
    goals: tuple[str, ...]
    rules: tuple[str, ...]
    node_score: str
    devices: ClassDevices | None = None
    """There only when some member asks for parts of devices. The column ``nvidia.com/gpu`` of ``class_free`` then
    counts wholly free devices alone."""
    device_score: str = "pack"
    flavors: tuple[str, ...] = ()
    class_flavor: Counts | None = None
    """[C] which flavor the nodes of each class count as (-1: none). There only when ``flavors`` are."""
    mix: tuple[MemberAsk, ...] = ()
    """The distinct shapes of the work that is known to come: of each ``count`` pods to so many of the others. There
    only when a score asks for it."""
    relations: tuple[Relation, ...] = ()
    giving: Giving | None = None
    """There only when some of the gangs are running work that may give way."""
    order: tuple[tuple[int, int], ...] = ()
    """(gang, the gang that has to be placed before it): where queues serve strictly in order."""
    lending: tuple[Lending, ...] = ()
    """There only where a queue does not lend its whole guarantee."""
    counts: tuple[CountRoom, ...] = ()
    """There only where queues count what they hold."""

    @property
    def active(self) -> tuple[Relation, ...]:
        """The relations that bind: those whose rule is on."""
        return tuple(relation for relation in self.relations if relation.kind in self.rules)

    @property
    def preferred(self) -> tuple[Relation, ...]:
        """The relations that do not bind, where their goal is on."""
        on = PREFERENCE in self.goals
        return tuple(relation for relation in self.relations if on and relation.kind == PREFERENCE)

    @property
    def class_count(self) -> int:
        return len(self.class_nodes)

    def charge(self, member: MemberAsk, node_class: int) -> tuple[int, ...]:
        """What one pod of a member counts for its queue on a class: its request, and parts of devices as GPUs."""
        if member.devices is None or self.devices is None:
            return member.request
        gpu = self.resources.index(GPU)
        parts = member.devices.count * int(self.devices.need(member.devices).milli[node_class])
        return (*member.request[:gpu], member.request[gpu] + parts, *member.request[gpu + 1 :])

    def parts_fit(self, member: MemberAsk) -> NDArray[np.int64]:
        """[C] how many pods of a member the devices of one node hold; without end where it asks for no parts."""
        if member.devices is None or self.devices is None:
            return np.full(self.class_count, np.iinfo(np.int32).max, dtype=np.int64)
        return fits(self.devices.states.T, np.arange(self.class_count), self.devices.need(member.devices))

    def flavor_of(self, node_class: int) -> int:
        """The flavor that the nodes of a class count as; -1 for none."""
        return -1 if self.class_flavor is None else int(self.class_flavor[node_class])

    def eligible(self, member: MemberAsk) -> NDArray[np.bool_]:
        """The flags of a member as an array over classes."""
        bits = np.frombuffer(member.eligible, dtype=np.uint8)
        return np.unpackbits(bits, count=self.class_count).astype(np.bool_)


class Put(msgspec.Struct, frozen=True):
    """``count`` pods of member ``member`` of gang ``gang`` on nodes of class ``node_class`` (all indices).

    ``spots`` are (index of the node inside its class, pods there), where whoever made the put knows them: greedy does,
    so that its counts always expand; a solver's counts come without. ``held`` says the same of a member that asks for
    parts of devices: (index of the node, the devices of each pod, pods).
    """

    gang: int
    member: int
    node_class: int
    count: int
    spots: tuple[tuple[int, int], ...] = ()
    held: tuple[tuple[int, Held, int], ...] = ()


class Incumbent(msgspec.Struct, frozen=True):
    """One whole placement of a problem, with what it reaches in each tier (and the bound proven so far)."""

    puts: tuple[Put, ...]
    scores: tuple[TierScore, ...]


class SolveRequest(msgspec.Struct, frozen=True):
    """What `decide` yields: a problem to improve within a budget, starting from the incumbent that greedy found."""

    problem: Problem
    start: Incumbent
    wall_seconds: float
    work: float = 0.0
    workers: int = 1
    seed: int = 0
    variables_max: int = 60_000
    patient: bool = False
    """Whoever asks may be told to make do with the best so far: new work waits for the end of this decision."""


class SolveResult(msgspec.Struct, frozen=True):
    """What comes back: the best incumbent, or None when the solver had none; ``end`` as in `SolveEnd`."""

    incumbent: Incumbent | None
    end: str
    variables: int = 0
