"""What making room comes to: places, who leaves for them and what that costs, and the decisions that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from scheduler.core.facts.books import taken_by
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.plan import Giveaway, Places, awaited, moves, victim
from scheduler.core.taking.rights import OWN_QUEUE, Rights
from scheduler.core.taking.split import Split
from scheduler.core.taking.waiting import Waiting, with_more
from scheduler.model.plan import MOVE, Decision, Loss, Taken, TierScore
from scheduler.model.resources import Matrix, vector
from scheduler.model.work import Gang, GangKey, NodeCount, Place
from scheduler.solver.giving import Lane


@dataclass(frozen=True, eq=False)
class Outcome:
    """Places of a taker and what they take from others; ``cleared`` says that the clearing has it in its picture."""

    places: Places
    gives: Giveaway
    costs: tuple[TierScore, ...]
    proven: bool
    cleared: bool


def decisions(picture: Picture, waiting: Waiting, own: Places, gives: Giveaway, taken: Taken | None) -> list[Decision]:
    """What room that was made means for each gang that waits: a decision that names those who leave for it."""
    roster = picture.roster
    gone = gives.evicted | gives.moved
    if len(waiting.singles) > 1:
        return _one_by_one(picture, waiting, own, gives, taken)
    late = awaited(picture.snapshot, roster, gone, [(waiting.gang, own)], gives.to)
    pods = [*np.flatnonzero(gives.evicted).tolist(), *late.tolist()]
    victims = tuple(victim(roster, pod) for pod in pods)
    return [Decision(waiting.gang.key, own, victims, moves(roster, gives.moved, gives.to), taken)]


def one_each(made: Sequence[Decision]) -> list[Decision]:
    """All decisions, with what a gang gets beyond its minima in the one that it got for those."""
    found: dict[GangKey, Decision] = {}
    for each in made:
        first = found.get(each.gang)
        found[each.gang] = each if first is None else _joined(first, each)
    return list(found.values())


def _joined(first: Decision, more: Decision) -> Decision:
    taken = first.taken or more.taken
    if first.taken is not None and more.taken is not None:
        taken = Taken(
            (*first.taken.losses, *more.taken.losses),
            (*first.taken.costs, *more.taken.costs),
            first.taken.proven and more.taken.proven,
        )
    victims = tuple(dict.fromkeys((*first.victims, *more.victims)))
    return Decision(first.gang, with_more(first.places, more.places), victims, (*first.moves, *more.moves), taken)


def _one_by_one(
    picture: Picture, waiting: Waiting, own: Places, gives: Giveaway, taken: Taken | None
) -> list[Decision]:
    """Each single pod with what it needs of those who leave its node: who leaves anyway, then who moves, then who
    is evicted. A gang that goes, goes with the first that needs any of it; nobody is named twice."""
    roster, snapshot = picture.roster, picture.snapshot
    spots = [NodeCount(each.node, 1, each.devices) for place in own for each in place.nodes for _ in range(each.count)]
    split = Split(roster, gives)
    found = []
    for single, spot in zip(waiting.singles, spots, strict=False):
        member = single.members[0]
        request = vector(taken_by(member.shape, spot.devices), snapshot.resources)
        victims, to = split.for_pod(snapshot.nodes.rows[spot.node], request)
        found.append(
            Decision(
                single.key,
                (Place(member.name, (spot,)),),
                tuple(victim(roster, pod) for pod in victims),
                moves(roster, gives.moved, to),
                taken if victims or to else None,
            )
        )
    victims, to = split.rest()
    if victims or to:
        found[0] = msgspec.structs.replace(
            found[0],
            victims=(*found[0].victims, *(victim(roster, pod) for pod in victims)),
            moves=(*found[0].moves, *moves(roster, gives.moved, to)),
            taken=taken,
        )
    return found


def facts(picture: Picture, gang: Gang, outcome: Outcome, rights: Rights) -> Taken | None:
    """Why others give way; None where nobody does."""
    roster, gives = picture.roster, outcome.gives
    after = picture.use_after(gang, outcome.places, gives.evicted)
    named = [_right(lane, after) for lane in rights.lanes]
    losses = []
    evicted_of, moved_of, there_of = (
        np.bincount(roster.gang[pods], minlength=len(roster.gangs))
        for pods in (gives.evicted, gives.moved, ~roster.leaving)
    )
    for number in np.flatnonzero(evicted_of + moved_of).tolist():
        running = roster.gangs[number]
        evicted, moved = int(evicted_of[number]), int(moved_of[number])
        lane = int(rights.lane[number])
        if evicted:
            rightful = named[lane] if lane >= 0 else OWN_QUEUE
            whole = evicted == int(there_of[number])
            losses.append(Loss(running.key, running.queue, rightful, evicted, whole, running.priority))
        if moved:
            losses.append(Loss(running.key, running.queue, MOVE, moved, False, running.priority))
    if not losses:
        return None
    return Taken(tuple(losses), outcome.costs, outcome.proven)


def _right(lane: Lane, after: Matrix) -> str:
    """The strongest right of a lane under which all of it holds: rooms bound what the taker's side uses in the end.
    What a weaker right protects is protected by no less."""
    return next(
        (
            right.name
            for right in lane.rights
            if all(
                int(after[room.row, column]) <= most
                for room in right.rooms
                for column, most in enumerate(room.most)
                if right.asked[column]
            )
        ),
        lane.rights[-1].name,
    )
