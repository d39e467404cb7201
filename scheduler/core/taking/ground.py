"""What stands, as the arrays that room is made on, and waiting gangs as takers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scheduler.core.queues.divide import BOUNDLESS
from scheduler.core.queues.ledger import Ledger
from scheduler.core.taking.permission import branches
from scheduler.core.taking.rights import Rights
from scheduler.core.taking.roster import Indices, Roster
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.resources import Matrix, vector
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, Member
from scheduler.solver.clearing.ground import Ground, Taker, Want
from scheduler.solver.giving import Tier
from scheduler.solver.scarcity import by_scarcity

MaskOf = Callable[[Shape], Mask]


@dataclass(frozen=True, eq=False)
class Prepared:
    """``pods`` [p] are the roster's rows of the ground's; ``columns`` the order of its resources, the scarcest last."""

    ground: Ground
    pods: Indices
    columns: tuple[int, ...]
    sound: Mask


def is_plain(snapshot: Snapshot, gang: Gang) -> bool:
    """Whether a gang asks for nothing but room, minima and one required level, in a world where nothing else binds."""
    topology = gang.branches[0].topology
    return (
        len(gang.branches) == 1
        and snapshot.devices is None
        and not gang.leader
        and not gang.flavors
        and not any(each.exclusive for each in snapshot.standing)
        and (
            topology is None
            or (
                not gang.held
                and not topology.preferred
                and not topology.slices
                and not topology.exclusive
                and not topology.balance
            )
        )
        and all(
            member.shape.relations is None
            and not member.shape.matched
            and member.shape.volumes is None
            and member.shape.devices is None
            for member in gang.members
        )
    )


def prepared(
    snapshot: Snapshot,
    roster: Roster,
    book: Ledger,
    by: int,
    rights: Rights,
    may_move: Mask,
    tiers: tuple[Tier, ...],
    weights: Matrix,
    firm: bool,
    mask_of: MaskOf,
    sound: Mask,
    in_play: Mask,
    break_guards: bool,
) -> Prepared:
    columns = tuple(reversed(by_scarcity(snapshot.resources)))
    pods = np.flatnonzero(in_play)
    free = np.where(sound[:, None], roster.eventual, 0)
    guards = list(snapshot.guards)
    number = {name: index for index, name in enumerate(guards)}
    masks: dict[int, Mask] = {}

    def targets(gang: int) -> Mask:
        shape = roster.gangs[gang].members[0].shape
        if id(shape) not in masks:
            masks[id(shape)] = mask_of(shape) & sound
        return masks[id(shape)]

    rows, branch = _lines(roster, book, by)
    ground = Ground(
        free=free[:, columns],
        node=roster.node[pods],
        gang=roster.gang[pods],
        room=roster.room[pods][:, columns],
        charge=roster.charge[pods],
        weights=weights[pods],
        guard=_guard(roster, pods, number),
        tiers=tiers,
        lane=rights.lane,
        whole=rights.whole,
        movable=may_move & roster.traits.freely,
        slack=_slack(roster, in_play, rights.leaves),
        rows=rows,
        branch=branch,
        group=_groups(rights, roster),
        lanes=rights.lanes,
        use=book.use.copy(),
        limit=np.minimum(book.limit, BOUNDLESS),
        guards=tuple(2**31 if break_guards else snapshot.guards[name] for name in guards),
        targets=targets,
        firm=_firm(book) if firm else None,
    )
    return Prepared(ground, pods, columns, sound)


def taker_of(
    gang: Gang,
    snapshot: Snapshot,
    book: Ledger,
    columns: tuple[int, ...],
    sound: Mask,
    mask_of: MaskOf,
    charge_of: Callable[[Member], Matrix],
    *,
    bundle: bool,
) -> Taker:
    topology = gang.branches[0].topology
    domains: Indices | None = None
    if topology is not None and topology.required:
        name = topology.topology or next(iter(snapshot.topologies))
        known = snapshot.topologies[name]
        depth = next(at for at, level in enumerate(known.levels) if level.name == topology.required)
        domains = snapshot.nodes.domain_column(known, depth)[0].astype(np.int64)
    return Taker(
        wants=tuple(
            Want(
                vector(member.shape.requests, snapshot.resources)[list(columns)],
                charge_of(member),
                member.count,
                member.minimum,
                mask_of(member.shape) & sound,
            )
            for member in gang.members
        ),
        minimum=gang.branches[0].minimum,
        rows=tuple(book.line(book.row(gang.queue))) if gang.queue in book.names else (),
        domains=domains,
        bundle=bundle,
    )


def _guard(roster: Roster, pods: Indices, number: dict[str, int]) -> Indices:
    """The first budget of each pod, -1 for none."""
    found = np.full(len(pods), -1, dtype=np.int64)
    for at in np.flatnonzero(roster.traits.guarded[roster.gang[pods]]).tolist():
        guards = roster.pods[int(pods[at])].guards
        found[at] = number.get(guards[0], -1) if guards else -1
    return found


def _slack(roster: Roster, in_play: Mask, leaves: int) -> Indices:
    """How many pods of each gang may go before all of it has to, so many surplus pods left to it; of gangs with a tree
    none, which is safe."""
    there = np.bincount(roster.gang[in_play], minlength=len(roster.gangs))
    least = roster.traits.least
    return np.where(least >= 0, np.maximum(0, there - least - leaves), 0)


def _lines(roster: Roster, book: Ledger, by: int) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    lines: dict[int, tuple[int, ...]] = {-1: ()}
    branch = {-1: 0}
    queues = roster.queue.tolist()
    for queue in set(queues) - {-1}:
        lines[queue] = line = tuple(book.line(queue))
        top = None if queue == by or by < 0 else branches(book, by, queue)[1]
        branch[queue] = 0 if top is None else line.index(top) + 1
    return tuple([lines[queue] for queue in queues]), tuple([branch[queue] for queue in queues])


def _groups(rights: Rights, roster: Roster) -> Indices:
    """A number per lane and queue, from 0."""
    keys = (rights.lane + 1) * (int(roster.queue.max(initial=0)) + 2) + roster.queue + 1
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def _firm(book: Ledger) -> Matrix:
    """[queues x columns] what work that cannot be taken back may still use of what is guaranteed, where that is
    stated."""
    left = np.full_like(book.use, BOUNDLESS)
    for row, queue in enumerate(book.queues):
        for quota in queue.quotas:
            if quota.guaranteed is not None:
                column = book.columns.index((quota.resource, quota.flavor))
                left[row, column] = book.guaranteed[row, column] - book.firm[row, column]
    return left
