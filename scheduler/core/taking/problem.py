"""The problem of one gang that takes: its places, and running work that asks to stay where it is.

Everybody who may give way is a gang of the problem. The room of all of them counts as free, the use of all of them as
not used: staying is a placement like any other, and so is a move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from scheduler.core.facts.devices import without_uses
from scheduler.core.queues.ledger import Ledger
from scheduler.core.queues.rules import line_of
from scheduler.core.queues.shares import QueueTree, shares
from scheduler.core.taking.permission import branches
from scheduler.core.taking.rights import Rights
from scheduler.core.taking.roster import Indices, Roster, summed_by
from scheduler.core.taking.rules import Holds, rules_of
from scheduler.model.cluster import Mask, Snapshot, UseKey
from scheduler.model.devices import DEVICE_MILLI, slots_of
from scheduler.model.policy import Policy
from scheduler.model.resources import GPU, Matrix
from scheduler.model.running import Running
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, GangKey, Member
from scheduler.solver.build import Built, build
from scheduler.solver.giving import Giving, Stand, Tier, Yielder
from scheduler.solver.problem import GangAsk, Put, QueueRoom, QuotaLine

BEFORE = "giving-way"
_SKIPPED_GOALS = ("packing",)
"""Goals that would weigh every running pod again after everything that matters is settled."""

MaskOf = Callable[[Shape], Mask]


@dataclass(frozen=True, eq=False)
class Seat:
    """One gang of the problem that runs: the roster's pods that it stands for, by member; the gang they are of, or the
    gangs, where equal single pods of one node are one ask."""

    pods: tuple[Indices, ...]
    single: bool


@dataclass(frozen=True, eq=False)
class TakingProblem:
    built: Built
    seats: tuple[Seat, ...]
    """As the gangs of the problem after the first, which is whoever takes."""
    stay: tuple[Put, ...]
    """Everybody where he is, and the taker nowhere."""


def in_play_of(roster: Roster, rights: Rights, may_move: Mask) -> tuple[Mask, Mask]:
    """([P] pods that may be asked to give way, [N] nodes that are not over-committed by others). Whoever stands on a
    node that is, is left alone: his room is not there to be had."""
    free = roster.eventual
    sound: Mask = np.asarray((free >= 0).all(axis=1))
    gives = (rights.lane >= 0) | may_move
    in_play: Mask = np.asarray(gives[roster.gang] & ~roster.leaving) if len(roster) else roster.leaving.copy()
    spoilt = np.zeros(len(roster.gangs), dtype=np.bool_)
    spoilt[roster.gang[in_play & ~sound[roster.node]]] = True
    return in_play & ~spoilt[roster.gang], sound


def taking_problem(
    snapshot: Snapshot,
    roster: Roster,
    use_by: Mapping[UseKey, Matrix],
    book: Ledger,
    gang: Gang,
    rights: Rights,
    may_move: Mask,
    policy: Policy,
    mask_of: MaskOf,
    charge_of: Callable[[Member], Matrix],
    tiers: tuple[Tier, ...],
    weights: Matrix,
    holds: Holds,
) -> TakingProblem | None:
    """None where the problem cannot be put: what runs breaks rules of its own as it stands.

    ``may_move`` [G] are the running gangs that may be moved. ``charge_of`` is what one pod of the taker is charged.
    """
    free = roster.eventual
    in_play, sound = in_play_of(roster, rights, may_move)
    seats = _seats(roster, in_play, weights, rights, may_move)
    asks = [_standing_gang(roster, seat, may_move, rights) for seat in seats]
    free = np.where(sound[:, None], free, 0) + roster.room_on(in_play)
    masks = _masks(gang, asks, roster, seats, sound, mask_of)
    staying = {roster.gangs[number].key for number in set(roster.gang[in_play].tolist())}
    everything = [gang, *asks]
    rooms, order = _rooms(snapshot, roster, use_by, in_play)
    built = build(
        snapshot.nodes,
        snapshot.resources,
        np.maximum(free, 0),
        everything,
        snapshot.topologies,
        masks,
        policy,
        tiers=dict.fromkeys((each.key for each in everything), 0),
        values={each.key: tuple(int(at == 0) for _ in each.members) for at, each in enumerate(everything)},
        queue_rooms=rooms,
        queue_of_gang={each.key: order[each.queue] for each in everything if each.queue in order},
        neighbours=snapshot.neighbours,
        devices=devices_without(snapshot, roster, in_play | roster.leaving),
        queue_rules=rules_of(snapshot, holds, book, roster, in_play, gang, asks, tuple(order)),
        standing=tuple(each for each in snapshot.standing if each.gang not in staying),
        alike=~np.isin(np.arange(len(snapshot.nodes)), roster.node[in_play]),
    )
    if built.refused:
        return None
    return _with_giving(
        built, seats, roster, book, gang, rights, may_move, sound, policy, mask_of, charge_of, tiers, weights, snapshot
    )


def _seats(roster: Roster, in_play: Mask, weights: Matrix, rights: Rights, may_move: Mask) -> tuple[Seat, ...]:
    """Gangs as they are; single pods of one node that nothing tells apart as one."""
    by_gang: dict[int, list[int]] = {}
    for number in np.flatnonzero(in_play).tolist():
        by_gang.setdefault(int(roster.gang[number]), []).append(number)
    alike: dict[tuple[object, ...], list[int]] = {}
    seats: list[Seat] = []
    for gang, pods in by_gang.items():
        running = roster.gangs[gang]
        if len(pods) == 1 and len(running.members) == 1:
            pod = pods[0]
            key = (
                int(roster.node[pod]),
                id(running.members[0].shape),
                roster.pods[pod].devices,
                running.queue,
                running.user,
                running.priority,
                int(rights.lane[gang]),
                bool(rights.whole[gang]),
                bool(may_move[gang]),
                roster.pods[pod].guards,
                weights[pod].tobytes(),
            )
            alike.setdefault(key, []).append(pod)
            continue
        members = roster.member[pods]
        seats.append(Seat(tuple(np.array(pods)[members == at] for at in range(len(running.members))), single=False))
    return (*seats, *(Seat((np.array(pods),), single=True) for pods in alike.values()))


def _standing_gang(roster: Roster, seat: Seat, may_move: Mask, rights: Rights) -> Gang:
    """The gang that asks to stay: with its minima and the surplus that is left to it, as far as they hold now, and what
    it asks of topology if it may be put elsewhere."""
    first = int(next(pods for pods in seat.pods if len(pods))[0])
    number = int(roster.gang[first])
    running = roster.gangs[number]
    if seat.single:
        members: tuple[Member, ...] = (Member(running.members[0].name, running.members[0].shape, len(seat.pods[0]), 0),)
        root = Branch("", -1, topology=running.branches[0].topology if may_move[number] else None)
        return _gang(running, members, (root,), single=True)
    counts = [len(pods) for pods in seat.pods]
    below = _below(running, counts)
    leaves = rights.leaves if rights.lane[number] >= 0 else 0
    members = tuple(
        Member(member.name, member.shape, count, min(member.minimum, count), member.branch)
        for member, count in zip(running.members, counts, strict=True)
        if count
    )
    tree = tuple(
        Branch(
            branch.name,
            branch.parent,
            min(branch.minimum, below[at]) if at or not leaves else min(_needs(running) + leaves, below[at]),
            _branches_to_keep(running, at, below),
            branch.topology if may_move[number] else None,
        )
        for at, branch in enumerate(running.branches)
    )
    return _gang(running, members, tree, single=False)


def _needs(running: Running) -> int:
    return max(running.branches[0].minimum, sum(member.minimum for member in running.members))


def _branches_to_keep(running: Running, branch: int, below: Sequence[int]) -> int:
    """How many children of a branch must stay present. Those of which nothing runs need nothing, so they count as
    present whatever goes."""
    children = [below[child] for child, each in enumerate(running.branches) if each.parent == branch]
    there = sum(1 for pods in children if pods)
    return min(running.branches[branch].min_branches, there) + len(children) - there


def _gang(running: Running, members: tuple[Member, ...], tree: tuple[Branch, ...], *, single: bool) -> Gang:
    return Gang(
        key=GangKey(f"running/{running.key}"),
        name=running.name,
        queue=running.queue,
        priority=running.priority,
        arrived_seconds=running.arrived_seconds,
        members=members,
        branches=tree,
        preemptible=running.preemptible,
        single=single,
        flavors=(),
        user=running.user,
    )


def _below(running: Running, counts: Sequence[int]) -> list[int]:
    below = [0] * len(running.branches)
    for member, count in zip(running.members, counts, strict=True):
        branch = member.branch
        while branch >= 0:
            below[branch] += count
            branch = running.branches[branch].parent
    return below


def _masks(
    gang: Gang, asks: Sequence[Gang], roster: Roster, seats: Sequence[Seat], sound: Mask, mask_of: MaskOf
) -> dict[Shape, Mask]:
    """Where each shape may be in any role; who may be where is said per member afterwards."""
    masks = {member.shape: mask_of(member.shape) & sound for member in gang.members}
    for ask, seat in zip(asks, seats, strict=True):
        for member, pods in zip(ask.members, [each for each in seat.pods if len(each)], strict=True):
            if member.shape not in masks:
                masks[member.shape] = mask_of(member.shape) & sound
            own = np.zeros(len(sound), dtype=np.bool_)
            own[roster.node[pods]] = True
            masks[member.shape] = masks[member.shape] | own
    return masks


def _rooms(
    snapshot: Snapshot, roster: Roster, use_by: Mapping[UseKey, Matrix], in_play: Mask
) -> tuple[tuple[QueueRoom, ...], dict[str, int]]:
    """What queues may use once nobody stands who may go. A queue above its limit may keep what it has."""
    left = {key: total.copy() for key, total in use_by.items()}
    for number in np.flatnonzero(in_play).tolist():
        running = roster.gangs[roster.gang[number]]
        key = (running.queue, snapshot.nodes.flavor(int(roster.node[number])), not running.preemptible)
        if key in left:
            left[key] -= roster.room[number]
    tree = QueueTree(snapshot.queues, snapshot.resources)
    now, then = shares(tree, use_by), shares(tree, left)
    order = {name: index for index, name in enumerate(sorted(then))}
    flavors = snapshot.nodes.flavors
    standing = _standing_by_queue(snapshot, roster, in_play)
    rooms = []
    for name in order:
        share = then[name]
        lines = tuple(
            QuotaLine(
                line.room if line.firm else _at_least(line.room, standing.get((name, line.flavor))),
                flavors.index(line.flavor) if line.flavor else -1,
                line.firm,
            )
            for line in share.lines
            if line.flavor in ("", *flavors)
        )
        rooms.append(QueueRoom(order.get(share.parent, -1), _at_least(share.room, standing.get((name, ""))), lines))
    assert now.keys() == then.keys()
    return tuple(rooms), order


def _at_least(room: tuple[int, ...], there: Matrix | None) -> tuple[int, ...]:
    if there is None:
        return room
    return tuple(most if most < 0 else max(most, int(there[column])) for column, most in enumerate(room))


def _standing_by_queue(snapshot: Snapshot, roster: Roster, in_play: Mask) -> dict[tuple[str, str], Matrix]:
    """What those in play use, per queue and its ancestors: by flavor, and (empty) of all flavors."""
    found: dict[tuple[str, str], Matrix] = {}
    names = sorted({each.queue for each in roster.gangs})
    code = {name: at for at, name in enumerate(names)}
    codes = np.array([code[each.queue] for each in roster.gangs], dtype=np.int64)
    flavor_codes = snapshot.nodes.flavor_codes
    for flavor, of_flavor in (("", None), *((name, number) for number, name in enumerate(snapshot.nodes.flavors))):
        here = in_play
        if of_flavor is not None and flavor_codes is not None:
            here = in_play & (flavor_codes[roster.node] == of_flavor)
        sums = summed_by(codes[roster.gang[here]], roster.room[here], len(names))
        for leaf, amounts in zip(names, sums, strict=True):
            for name in line_of(snapshot.queues, leaf):
                found[name, flavor] = found.get((name, flavor), 0) + amounts
    return found


def devices_without(snapshot: Snapshot, roster: Roster, gone: Mask) -> Matrix | None:
    """The states of devices once these pods are gone. Where more was promised on a node than is there now, what goes
    free is less by that much: the places of those who wait for it are taken."""
    if snapshot.devices is None:
        return None
    devices = snapshot.devices.copy()
    gpu = snapshot.resources.index(GPU)
    kinds = snapshot.nodes.device_kinds()
    by_node: dict[int, list[int]] = {}
    for number in np.flatnonzero(gone).tolist():
        by_node.setdefault(int(roster.node[number]), []).append(number)
    for row, pods in by_node.items():
        uses = [use for pod in pods for use in roster.pods[pod].devices]
        in_all = int(roster.room[pods, gpu].sum())
        whole = in_all - sum(use.milli for use in uses)
        states = without_uses(devices[row], uses, whole, slots_of(kinds[row]))
        if (states <= DEVICE_MILLI).all():
            over = int(states.sum()) - max(0, int(roster.free[row, gpu]) + in_all)
            freed = states - np.minimum(devices[row], DEVICE_MILLI)
            for index in np.argsort(-freed, kind="stable").tolist():
                less = min(max(0, over), int(states[index]))
                states[index] -= less
                over -= less
        devices[row] = states
    return devices


def _with_giving(
    built: Built,
    seats: Sequence[Seat],
    roster: Roster,
    book: Ledger,
    gang: Gang,
    rights: Rights,
    may_move: Mask,
    sound: Mask,
    policy: Policy,
    mask_of: MaskOf,
    charge_of: Callable[[Member], Matrix],
    tiers: tuple[Tier, ...],
    weights: Matrix,
    snapshot: Snapshot,
) -> TakingProblem:
    problem = built.problem
    class_of = np.full(len(built.nodes), -1, dtype=np.int64)
    spot_of = np.zeros(len(built.nodes), dtype=np.int64)
    for node_class, rows in enumerate(built.class_rows):
        class_of[rows] = node_class
        spot_of[rows] = np.arange(len(rows))
    first = np.array([rows[0] for rows in built.class_rows], dtype=np.int64)
    guards = tuple(snapshot.guards)
    by = book.row(gang.queue) if gang.queue in book.names else -1
    yielders: list[Yielder] = []
    asks: list[GangAsk] = [
        _eligible(problem.gangs[0], [mask_of(member.shape) & sound for member in gang.members], first)
    ]
    stay: list[Put] = []
    for index, seat in enumerate(seats, start=1):
        pods = [each for each in seat.pods if len(each)]
        number = int(roster.gang[pods[0][0]])
        masks = []
        stands: list[Stand] = []
        for at, own in enumerate(pods):
            where = np.zeros(len(sound), dtype=np.bool_)
            where[roster.node[own]] = True
            shape = roster.gangs[number].members[int(roster.member[own[0]])].shape
            masks.append(where | (mask_of(shape) & sound) if may_move[number] else where)
            for row, count in zip(*np.unique(roster.node[own], return_counts=True), strict=True):
                node_class = int(class_of[row])
                stands.append(Stand(at, node_class, int(count)))
                stay.append(Put(index, at, node_class, int(count), ((int(spot_of[row]), int(count)),)))
        asks.append(_eligible(problem.gangs[index], masks, first))
        queue = int(roster.queue[number])
        up = tuple(book.line(queue)) if queue >= 0 else ()
        branch = None if by < 0 or queue < 0 or queue == by else branches(book, by, queue)[1]
        guarded = sorted({guards.index(each) for each in roster.pods[int(pods[0][0])].guards if each in guards})
        yielders.append(
            Yielder(
                gang=index,
                stands=tuple(stands),
                lane=int(rights.lane[number]),
                whole=bool(rights.whole[number]),
                line=up[: up.index(branch) + 1] if branch is not None else (),
                rows=up,
                charge=tuple(tuple(roster.charge[own[0]].tolist()) for own in pods),
                weights=tuple(tuple(int(weights[own[0], tier]) for own in pods) for tier in range(len(tiers))),
                guards=tuple(guarded),
                movable=bool(may_move[number]),
            )
        )
    giving = Giving(
        takers=(0,),
        taken=(tuple(tuple(charge_of(member).tolist()) for member in gang.members),),
        taker_rows=tuple(book.line(by)) if by >= 0 else (),
        yielders=tuple(yielders),
        lanes=rights.lanes,
        tiers=tiers,
        use=tuple(map(tuple, book.use.tolist())),
        guards=tuple(snapshot.guards.values()),
        guards_hold=not policy.taking.break_guards,
    )
    goals = [goal for goal in problem.goals if goal not in _SKIPPED_GOALS]
    after = goals.index("served-value") + 1 if "served-value" in goals else 0
    problem = replace(
        problem,
        gangs=tuple(asks),
        giving=giving,
        rules=(*problem.rules, "permission", "disruption-budget"),
        goals=(*goals[:after], BEFORE, *goals[after:]),
    )
    return TakingProblem(replace(built, problem=problem), tuple(seats), tuple(stay))


def _eligible(ask: GangAsk, masks: Sequence[Mask], first: Indices) -> GangAsk:
    members = tuple(
        msgspec.structs.replace(member, eligible=np.packbits(mask[first]).tobytes())
        for member, mask in zip(ask.members, masks, strict=True)
    )
    return msgspec.structs.replace(ask, members=members)
