"""A plan with several steps, looked at as a whole: who was to go for one of them may turn out not to be needed by what
goes for others. He stays, where he is or elsewhere, and the step waits for the others instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from scheduler.core.taking.outcome import decisions
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.plan import Giveaway, with_one_more
from scheduler.core.taking.roster import Indices
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


def spare_needless(steps: Steps, picture: Picture, targets: Targets) -> None:
    """Who could stay in the picture that the plan leaves is spared, the highest priority first."""
    spare = picture.roster.free + picture.roster.room_on(picture.roster.leaving)
    if len(steps.all) < 2 or not (spare > 0).any():
        return
    units = [(number, unit) for number, step in enumerate(steps.all) for unit in _units(picture, step)]
    traits, gang = picture.roster.traits, picture.roster.gang
    for number, unit in sorted(units, key=lambda each: -int(traits.priority[gang[each[1][0]]])):
        _spare(steps, number, unit, picture, spare, targets)


def _spare(steps: Steps, number: int, unit: Indices, picture: Picture, spare: Matrix, targets: Targets) -> None:
    roster, step = picture.roster, steps.all[number]
    if not _is_whole_with(unit, picture) or not _may_stay(unit, picture, steps):
        return
    nodes = roster.node[unit]
    if not _fit(unit, nodes, picture, spare):
        found = _elsewhere(unit, picture, spare, targets)
        if found is None:
            return
        nodes = found
    others = {
        owner
        for row in np.flatnonzero(roster.leaving & np.isin(roster.node, nodes)).tolist()
        if (owner := steps.owner(int(roster.real[row]))) is not None and owner != number
    }
    if number in steps.behind(others):
        return  # they wait for this step
    stays = nodes is roster.node[unit] or bool((nodes == roster.node[unit]).all())
    step.after |= others
    step.evicted[unit] = False
    np.subtract.at(spare, nodes, roster.room[unit])
    if stays:
        roster.leaving[unit] = False
    else:
        step.moved[unit] = True
        names = [node.name for node in picture.snapshot.nodes.nodes]
        for pod, node in zip(unit.tolist(), nodes.tolist(), strict=True):
            index = int(roster.gang[pod])
            step.to[index] = with_one_more(step.to.get(index, ()), roster.member_name(pod), names[node])
    picture.stays(unit)
    steps.changed = True


def _units(picture: Picture, step: Step) -> Iterator[Indices]:
    """Whom a step takes itself: whole gangs, and surplus pods one by one."""
    if step.taken is None:
        return
    gang = picture.roster.gang[: len(step.evicted)]
    whole = {loss.gang for loss in step.taken.losses if loss.whole}
    for number in np.unique(gang[step.evicted]).tolist():
        own = np.flatnonzero(step.evicted & (gang == number))
        if picture.roster.gangs[number].key in whole:
            yield own
        else:
            yield from own.reshape(-1, 1)


def _is_whole_with(unit: Indices, picture: Picture) -> bool:
    """Whether the gang of a unit is there in whole with it: others of its pods may go for others."""
    roster, number = picture.roster, picture.roster.gang[unit[0]]
    there = int(((roster.gang == number) & ~roster.leaving).sum())
    least = int(roster.traits.least[number])
    return there + len(unit) >= (least if least >= 0 else len(roster.gangs[number].pods))


def _may_stay(unit: Indices, picture: Picture, steps: Steps) -> bool:
    """Whether limits hold with a unit still there, and the rights by which others go."""
    roster, book = picture.roster, picture.book
    row, more = int(roster.queue[roster.gang[unit[0]]]), roster.charge[unit].sum(axis=0)
    line = book.line(row) if row >= 0 else []
    if any(bool(((book.use[each] + more > book.limit[each]) & (more > 0)).any()) for each in line):
        return False
    return all(
        room.row not in line or book.use[room.row, column] + int(more[column]) <= most
        for step in steps.all
        if step.taken is not None
        for lane in step.way.kit.rights.lanes
        for right in lane.rights
        if any(loss.right == right.name for loss in step.taken.losses)
        for room in right.rooms
        for column, most in enumerate(room.most)
        if right.asked[column] and more[column]
    )


def _fit(unit: Indices, nodes: Indices, picture: Picture, spare: Matrix) -> bool:
    need: Matrix = np.zeros_like(spare)
    np.add.at(need, nodes, picture.roster.room[unit])
    return bool(((need <= spare) | (need == 0)).all())


def _elsewhere(unit: Indices, picture: Picture, spare: Matrix, targets: Targets) -> Indices | None:
    """Other nodes for all pods of a unit, the fullest first."""
    roster, left = picture.roster, spare.copy()
    allowed, found = targets(int(roster.gang[unit[0]])), np.zeros_like(unit)
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
    """What it costs as it is now; no more than it did."""
    kit, known = step.way.kit, {score.tier: score for score in step.taken.costs} if step.taken is not None else {}
    gone = np.bincount(gang[step.evicted], minlength=len(step.there))
    whole = step.evicted & (gone == step.there)[gang]
    found = []
    for index, tier in enumerate(kit.tiers):
        score = known.get(tier.name)
        if score is None:
            continue
        weights = kit.weights[: len(gang), index]
        among = {"moved": step.moved, "whole": whole}.get(tier.kind, step.evicted)
        cost = int(weights[among].max(initial=0) if tier.kind == "highest" else weights[among].sum())
        bound = None if score.bound is None else max(score.bound, -cost)
        found.append(TierScore(tier.name, -cost, bound))
    return tuple(found)


def _wide(gives: Giveaway, pods: int) -> Giveaway:
    """For a roster with more rows: of pods that were moved by then."""
    more = pods - len(gives.evicted)
    return Giveaway(np.pad(gives.evicted, (0, more)), np.pad(gives.moved, (0, more)), gives.to)
