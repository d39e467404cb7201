"""From a solved problem back to a decision: who is evicted, who moves where, whose room is waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from scheduler.core.facts.books import taken_by
from scheduler.core.taking.problem import TakingProblem
from scheduler.core.taking.roster import Indices, Roster
from scheduler.model.cluster import Mask, Snapshot
from scheduler.model.resources import Matrix, vector
from scheduler.model.work import Gang, Member, Move, NodeCount, Place, Victim

Places = tuple[Place, ...]


@dataclass(frozen=True, eq=False)
class Giveaway:
    """What one solved problem asks of those who run: ``evicted`` and ``moved`` are pods of the roster [P], ``to`` the
    new places of each moved gang by index."""

    evicted: Mask
    moved: Mask
    to: Mapping[int, Places]


def giveaway(problem: TakingProblem, roster: Roster, places: Sequence[Places]) -> Giveaway:
    """``places`` are per gang of the problem, the taker first. Pods that stay are the oldest of their kind and node."""
    evicted = np.zeros(len(roster), dtype=np.bool_)
    moved = np.zeros(len(roster), dtype=np.bool_)
    to: dict[int, Places] = {}
    names = [node.name for node in problem.built.nodes.nodes]
    for seat, gang, own in zip(problem.seats, problem.built.gangs[1:], places[1:], strict=True):
        by_member = {place.member: place for place in own}
        for member, pods in zip(gang.members, [each for each in seat.pods if len(each)], strict=True):
            place = by_member.get(member.name)
            room: dict[str, int] = {}
            for each in () if place is None else place.nodes:
                room[each.node] = room.get(each.node, 0) + each.count
            gone: list[int] = []
            for pod in sorted(pods.tolist(), key=lambda at: (roster.pods[at].started_seconds, roster.pods[at].uid)):
                node = names[int(roster.node[pod])]
                if room.get(node, 0) > 0:
                    room[node] -= 1
                else:
                    gone.append(pod)
            spots = [(node, count) for node, count in room.items() if count > 0]
            _share_out(roster, gone, member.name, spots, evicted, moved, to)
    return Giveaway(evicted, moved, to)


def _share_out(
    roster: Roster,
    gone: Sequence[int],
    member: str,
    spots: Sequence[tuple[str, int]],
    evicted: Mask,
    moved: Mask,
    to: dict[int, Places],
) -> None:
    """The pods that leave their node: the older ones move to the new spots, the others go."""
    left = list(gone)
    for node, count in spots:
        for _ in range(count):
            pod = left.pop(0)
            moved[pod] = True
            gang = int(roster.gang[pod])
            to[gang] = with_one_more(to.get(gang, ()), member, node)
    evicted[left] = True


def with_one_more(places: Places, member: str, node: str) -> Places:
    found = {place.member: {each.node: each.count for each in place.nodes} for place in places}
    here = found.setdefault(member, {})
    here[node] = here.get(node, 0) + 1
    return tuple(
        Place(name, tuple(NodeCount(node, count) for node, count in sorted(nodes.items())))
        for name, nodes in found.items()
    )


def with_one_less(places: Places, member: str, node: str) -> Places:
    found = []
    for place in places:
        nodes = place.nodes
        if place.member == member:
            less = (msgspec.structs.replace(each, count=each.count - (each.node == node)) for each in nodes)
            nodes = tuple(each for each in less if each.count)
        found += [Place(place.member, nodes)] if nodes else []
    return tuple(found)


def awaited(
    snapshot: Snapshot, roster: Roster, gone: Mask, gangs: Iterable[tuple[Gang, Places]], to: Mapping[int, Places]
) -> Indices:
    """Pods that leave already and whose room is needed for these places: those nobody waits for yet before others, the
    largest first, no more than needed."""
    need: Matrix = np.zeros_like(roster.free)
    for gang, places in gangs:
        add_need(need, snapshot, {member.name: member for member in gang.members}, places)
    for number, places in to.items():
        add_need(need, snapshot, {member.name: member for member in roster.gangs[number].members}, places)
    short = need - roster.open - roster.room_on(gone)  # what is promised already of those who leave is theirs
    found: list[int] = []
    for row in np.flatnonzero((short > 0).any(axis=1) & (need > 0).any(axis=1)).tolist():
        here = roster.leaving & (roster.node == row)
        asked, missing = need[row] > 0, short[row].copy()
        fresh = np.flatnonzero(here & ~roster.claimed)
        for pod in sorted(fresh.tolist(), key=lambda at: (-int(roster.room[at][asked].sum()), roster.pods[at].uid)):
            if (missing[asked] <= 0).all():
                break
            missing -= roster.room[pod]
            found.append(pod)
        if (missing[asked] > 0).any():  # what others leave over of theirs is there once all of it is
            found += np.flatnonzero(here & roster.claimed).tolist()
    return np.array(found, dtype=np.int64)


def add_need(need: Matrix, snapshot: Snapshot, members: Mapping[str, Member], places: Places) -> None:
    for place in places:
        shape = members[place.member].shape
        for each in place.nodes:
            row = snapshot.nodes.rows[each.node]
            need[row] += vector(taken_by(shape, each.devices), snapshot.resources) * each.count


def victim(roster: Roster, pod: int) -> Victim:
    own = roster.pods[pod]
    return Victim(own.uid, own.namespace, own.name)


def moves(roster: Roster, moved: Mask, to: Mapping[int, Places]) -> tuple[Move, ...]:
    found = []
    for number, places in sorted(to.items()):
        pods = np.flatnonzero(moved & (roster.gang == number)).tolist()
        found.append(Move(roster.gangs[number].key, places, tuple(victim(roster, pod) for pod in pods)))
    return tuple(found)


def spots_of(roster: Roster, moved: Iterable[int], to: Mapping[int, Places]) -> dict[int, str]:
    """Which pod goes to which of the new places that were found for pods of its gang and member: row -> node."""
    open_to = {
        (number, place.member): [each.node for each in place.nodes for _ in range(each.count)]
        for number, places in to.items()
        for place in places
    }
    return {pod: open_to[int(roster.gang[pod]), roster.member_name(pod)].pop() for pod in moved}


def all_places(problem: TakingProblem, roster: Roster, own: Places, gives: Giveaway) -> list[Places]:
    """The way back: places per gang of the problem, the taker first."""
    found = [own]
    names = [node.name for node in problem.built.nodes.nodes]
    to = {number: {place.member: place for place in places} for number, places in gives.to.items()}
    for seat, gang in zip(problem.seats, problem.built.gangs[1:], strict=True):
        here: Places = ()
        for member, pods in zip(gang.members, [each for each in seat.pods if len(each)], strict=True):
            for pod in pods.tolist():
                if not gives.evicted[pod] and not gives.moved[pod]:
                    here = with_one_more(here, member.name, names[int(roster.node[pod])])
            for number in dict.fromkeys(roster.gang[pods].tolist()):
                place = to.get(number, {}).get(member.name)
                for each in () if place is None else place.nodes:
                    for _ in range(each.count):
                        here = with_one_more(here, member.name, each.node)
        found.append(here)
    return found
