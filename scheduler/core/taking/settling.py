"""A plan with several steps, looked at as a whole: who was to go for one of them may turn out not to be needed by what
goes for others. He stays, where he is or elsewhere, and the step waits for the others instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from scheduler.core.taking.ground import is_plain
from scheduler.core.taking.outcome import decisions
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.plan import Giveaway, with_one_more
from scheduler.core.taking.roster import Indices, Roster
from scheduler.core.taking.steps import Step, Steps
from scheduler.model.cluster import Mask
from scheduler.model.plan import MOVE, Decision, Loss, Taken, TierScore
from scheduler.model.resources import Matrix

Targets = Callable[[int], Mask]
"""[N] where the pods of a running gang, by index, may be put one by one; nowhere for one that is not moved."""


def replayed(steps: Steps, picture: Picture) -> list[Decision]:
    """The decisions of all steps as they are now, each after those that it waits for; ``picture`` is as before the
    plan."""
    found: list[Decision] = []
    for step in steps.in_order():
        gives, gang = _wide(step.gives, len(picture.roster)), step.waiting.gang
        found += decisions(picture, step.waiting, step.places, gives, _facts(picture, step))
        picture.note(gang, step.places, gives)
    return found


def spare_needless(steps: Steps, picture: Picture, most: Matrix, targets: Targets | None) -> bool:
    """Who could stay in the picture that these steps leave is spared, the highest priority first, as long as queues use
    no more than ``most`` [queues x columns]; whether anybody is. Without ``targets`` they stay where they are."""
    roster = picture.roster
    if len(steps.all) < 2:
        return False
    spare, bounds = _spare_room(steps, picture), _bounds(steps, most)
    fits = _that_fit(picture, spare, bounds)
    if not fits.any():
        return False
    units = [(number, unit) for number, step in enumerate(steps.all) for unit in _units(roster, step, fits)]
    found = False
    for number, unit in sorted(units, key=lambda each: -int(roster.traits.priority[roster.gang[each[1][0]]])):
        found |= _spare(steps, number, unit, picture, spare, bounds, targets)
    return found


def _spare(
    steps: Steps, number: int, unit: Indices, picture: Picture, spare: Matrix, bounds: Matrix, targets: Targets | None
) -> bool:
    roster, step = picture.roster, steps.all[number]
    nodes: Indices | None = roster.node[unit]
    stays = _fit(unit, roster, spare)
    if not stays:
        nodes = None if targets is None else _elsewhere(unit, roster, spare, targets)
    if nodes is None or not _is_whole_with(unit, roster) or not _may_stay(unit, picture, bounds):
        return False
    others = {
        owner
        for row in np.flatnonzero(roster.leaving & np.isin(roster.node, nodes)).tolist()
        if (owner := steps.owner(int(roster.real[row]))) is not None and owner != number
    }
    if number in steps.behind(others):
        return False  # they wait for this step
    step.after |= others
    step.evicted[unit] = False
    np.subtract.at(spare, nodes, roster.room[unit])
    if stays:
        roster.leaving[unit] = False
        roster.claimed[unit] = False
    else:
        step.moved[unit] = True
        names = [node.name for node in picture.snapshot.nodes.nodes]
        for pod, node in zip(unit.tolist(), nodes.tolist(), strict=True):
            index = int(roster.gang[pod])
            step.to[index] = with_one_more(step.to.get(index, ()), roster.member_name(pod), names[node])
    picture.stays(unit)
    steps.changed = True
    return True


def _spare_room(steps: Steps, picture: Picture) -> Matrix:
    """[N x R] what is left over once all is carried out, where room is all that anybody asks for: none beside a taker
    that asks for more, and none at all where anybody may want a domain for itself."""
    roster, snapshot = picture.roster, picture.snapshot
    takers = (branch.topology for step in steps.all for branch in step.waiting.gang.branches)
    if any(each.exclusive for each in snapshot.standing) or any(ask is not None and ask.exclusive for ask in takers):
        return np.zeros_like(roster.free)
    spare = roster.eventual
    for step in steps.all:
        if not is_plain(snapshot, step.waiting.gang):
            spare[[snapshot.nodes.rows[each.node] for place in step.places for each in place.nodes]] = 0
    return spare


def _that_fit(picture: Picture, spare: Matrix, bounds: Matrix) -> Mask:
    """[P] who leaves, asks for room alone, and is of a kind of which one pod finds some somewhere, and may stay."""
    roster = picture.roster
    leaving = np.flatnonzero(roster.leaving & roster.traits.freely[roster.gang])
    queue = roster.queue[roster.gang[leaving]].reshape(-1, 1)
    kinds = np.concatenate([roster.room[leaving], roster.charge[leaving], queue], axis=1)
    _, first, kind = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    fit = [
        bool(((spare >= roster.room[pod]) | (roster.room[pod] == 0)).all(axis=1).any())
        and _may_stay(np.array([pod]), picture, bounds)
        for pod in leaving[first].tolist()
    ]
    found = np.zeros(len(roster), dtype=np.bool_)
    found[leaving] = np.array(fit, dtype=np.bool_)[kind.reshape(-1)]
    return found


def _units(roster: Roster, step: Step, fits: Mask) -> Iterator[Indices]:
    """Whom a step takes itself: whole gangs, and surplus pods one by one; without those of whom one fits nowhere."""
    if step.taken is None:
        return
    gang = roster.gang[: len(step.evicted)]
    whole = {loss.gang for loss in step.taken.losses if loss.whole}
    for number in np.unique(gang[step.evicted & fits[: len(gang)]]).tolist():
        own = np.flatnonzero(step.evicted & (gang == number))
        units = [own] if roster.gangs[number].key in whole else own.reshape(-1, 1)
        yield from (unit for unit in units if fits[unit].all())


def _is_whole_with(unit: Indices, roster: Roster) -> bool:
    """Whether the gang of a unit is there in whole with it: others of its pods may go for others."""
    number = roster.gang[unit[0]]
    there = int(((roster.gang == number) & ~roster.leaving).sum())
    least = int(roster.traits.least[number])
    return there + len(unit) >= (least if least >= 0 else len(roster.gangs[number].pods))


def _bounds(steps: Steps, most: Matrix) -> Matrix:
    """[queues x columns] what queues may use: ``most``, and no more than the rights allow by which others go."""
    found = most.copy()
    for step in steps.all:
        names = {loss.right for loss in step.taken.losses} if step.taken is not None else set()
        for right in (right for lane in step.lanes for right in lane.rights if right.name in names):
            for room in right.rooms:
                most = np.where(right.asked, room.most, found[room.row])
                found[room.row] = np.minimum(found[room.row], most)
    return found


def _may_stay(unit: Indices, picture: Picture, bounds: Matrix) -> bool:
    """Whether limits hold with a unit still there, and the rights by which others go."""
    roster, book = picture.roster, picture.book
    row, more = int(roster.queue[roster.gang[unit[0]]]), roster.charge[unit].sum(axis=0)
    line = book.line(row) if row >= 0 else []
    return not any(bool(((book.use[each] + more > bounds[each]) & (more > 0)).any()) for each in line)


def _fit(unit: Indices, roster: Roster, spare: Matrix) -> bool:
    """Whether all of them fit where they are."""
    need: Matrix = np.zeros_like(spare)
    np.add.at(need, roster.node[unit], roster.room[unit])
    return bool(((need <= spare) | (need == 0)).all())


def _elsewhere(unit: Indices, roster: Roster, spare: Matrix, targets: Targets) -> Indices | None:
    """Other nodes for all pods of a unit, the fullest first."""
    left, found = spare.copy(), np.zeros_like(unit)
    allowed = targets(int(roster.gang[unit[0]]))
    for at, pod in sorted(enumerate(unit.tolist()), key=lambda each: (-roster.room[each[1]]).tolist()):
        room = roster.room[pod]
        nodes = np.flatnonzero(allowed & ((left >= room) | (room == 0)).all(axis=1))
        if not len(nodes):
            return None
        found[at] = nodes[np.lexsort((left[nodes] - room).T)[0]]
        left[found[at]] -= room
    return found


def _facts(picture: Picture, step: Step) -> Taken | None:
    """Why others give way for a step as it is now."""
    if step.taken is None:
        return None
    roster = picture.roster
    gang, gangs = roster.gang[: len(step.evicted)], len(roster.gangs)
    evicted, moved = (np.bincount(gang[pods], minlength=gangs) for pods in (step.evicted, step.moved))
    known = {(loss.gang, loss.right == MOVE): loss for loss in step.taken.losses}
    losses: list[Loss] = []
    for number in np.flatnonzero(evicted + moved).tolist():
        running = roster.gangs[number]
        for pods, is_move in ((int(evicted[number]), False), (int(moved[number]), True)):
            loss = known.get((running.key, is_move)) or Loss(
                running.key, running.queue, MOVE, pods, False, running.priority
            )
            whole = not is_move and pods == int(step.there[number])
            losses += [msgspec.structs.replace(loss, pods=pods, whole=whole)] if pods else []
    return Taken(tuple(losses), _costs(step, gang), step.taken.proven) if losses else None


def _costs(step: Step, gang: Indices) -> tuple[TierScore, ...]:
    """What it costs as it is now."""
    known = {score.tier: score for score in step.taken.costs} if step.taken is not None else {}
    gone = np.bincount(gang[step.evicted], minlength=len(step.there))
    whole = step.evicted & (gone == step.there)[gang]
    found = []
    for index, tier in enumerate(step.tiers):
        score = known.get(tier.name)
        if score is None:
            continue
        if tier.kind == "guards":  # it may break as many budgets as it said
            found.append(score)
            continue
        weights = step.weights[: len(gang), index]
        among = {"moved": step.moved, "whole": whole}.get(tier.kind, step.evicted)
        cost = int(weights[among].max(initial=0) if tier.kind == "highest" else weights[among].sum())
        bound = None if score.bound is None else max(score.bound, -cost)
        found.append(TierScore(tier.name, -cost, bound))
    return tuple(found)


def _wide(gives: Giveaway, pods: int) -> Giveaway:
    """For a roster with more rows: of pods that were moved by then."""
    more = pods - len(gives.evicted)
    return Giveaway(np.pad(gives.evicted, (0, more)), np.pad(gives.moved, (0, more)), gives.to)
