"""Victims and moves checked against the newest facts: are they still there to be taken, and by what right?

Fair shares are not counted anew here: every right protects what a queue is guaranteed, and that is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from scheduler.core.facts.books import Charge, taken_by
from scheduler.core.facts.devices import without_uses
from scheduler.core.facts.store import Store
from scheduler.model.devices import DEVICE_MILLI, device_kind, slots_of
from scheduler.model.plan import Decision, Refusal
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU, Matrix
from scheduler.model.work import Gang, GangKey, Victim, single_key


def may_not_take(store: Store, gang: Gang, decision: Decision) -> Refusal | None:
    """Why somebody whom a decision names may not be asked to leave after all; None when all of them may."""
    if not decision.victims and not decision.moves:
        return None
    fresh = {loss.gang for loss in decision.taken.losses} if decision.taken is not None else set()
    staying = _not_going(store, decision.victims, fresh)
    if staying is not None:
        return Refusal("taking", "NotLeaving", where=f"{staying.gang or staying.member} on {staying.node}")
    evicted = _staying(store, decision.victims, fresh)
    moved = _staying(store, (pod for move in decision.moves for pod in move.pods), fresh)
    firm = next((charge for charge in (*evicted, *moved) if charge.firm), None)
    if firm is not None:
        return Refusal("taking", "NotPreemptible", where=f"{firm.gang or firm.member} on {firm.node}")
    refusal = _guarded(store, decision, (*evicted, *moved)) or _protected(store, gang, evicted)
    return refusal or _needless(store, gang, decision, evicted, moved)


def states_after(store: Store, node: str, decision: Decision) -> list[int]:
    """The states of a node's devices once everybody whom a decision names has left it."""
    states = store.devices_on(node)
    pods = (*decision.victims, *(pod for move in decision.moves for pod in move.pods))
    here = [charge for pod in pods if (charge := store.charges.get(pod.uid)) is not None and charge.node == node]
    if not here:
        return states
    milli = sum(dict(taken_by(charge.shape, charge.devices)).get(GPU, 0) for charge in here)
    uses = [use for charge in here for use in charge.devices]
    whole = milli - sum(use.milli for use in uses)
    after = without_uses(_array(states), uses, whole, slots_of(device_kind(store.nodes[node].labels)))
    if (after <= DEVICE_MILLI).all():  # places that are promised take of what goes free
        gpu = store.columns.names.index(GPU)
        over = int(after.sum()) - max(0, int(store.free_on(node)[gpu]) + milli)
        for index in sorted(range(len(states)), key=lambda at: min(states[at], DEVICE_MILLI) - int(after[at])):
            less = min(max(0, over), int(after[index]))
            after[index] -= less
            over -= less
    return [int(each) for each in after]


def _array(states: list[int]) -> Matrix:
    return np.array(states, dtype=np.int64)


def _staying(store: Store, pods: Iterable[Victim], fresh: Collection[GangKey]) -> list[Charge]:
    """Those who would stay but for this decision: who leaves anyway, or for another one, is only waited for."""
    charges = ((pod.uid, store.charges.get(pod.uid)) for pod in pods)
    return [
        charge
        for uid, charge in charges
        if charge is not None and charge.takes_room and not charge.leaving and (charge.gang or single_key(uid)) in fresh
    ]


def _not_going(store: Store, pods: Iterable[Victim], fresh: Collection[GangKey]) -> Charge | None:
    """Somebody whom a decision waits for without taking him, and who does not leave: the decision that was to take him
    came to nothing."""
    for pod in pods:
        charge = store.charges.get(pod.uid)
        if charge is None or not charge.takes_room or charge.leaving or store.notices.given(pod.uid):
            continue
        if (charge.gang or single_key(pod.uid)) not in fresh:
            return charge
    return None


def _guarded(store: Store, decision: Decision, charges: Iterable[Charge]) -> Refusal | None:
    """No budget is asked for more than it lets go, unless the decision says that it breaks some."""
    costs = () if decision.taken is None else decision.taken.costs
    if any(score.tier == "guards-broken" and score.value < 0 for score in costs):
        return None
    asked = Counter(guard for charge in charges if charge.label_set for guard in store.guards.of(charge.label_set))
    allowed = store.guards.allowed()
    for guard, pods in sorted(asked.items()):
        if pods > allowed.get(guard, 0):
            return Refusal("taking", "BudgetSpent", pods, max(0, allowed.get(guard, 0)), where=guard)
    return None


def _protected(store: Store, gang: Gang, evicted: Iterable[Charge]) -> Refusal | None:
    """Of other queues, what is taken leaves each below the common ancestor above its guarantee but for the last unit;
    the largest gang stands for it."""
    ours = _line(store.queues, gang.queue)
    lost: dict[str, list[Charge]] = {}
    for charge in evicted:
        for queue in _line(store.queues, charge.queue):
            if queue in ours:
                break
            lost.setdefault(queue, []).append(charge)
    asked = {name for member in gang.members for name, amount in member.shape.requests if amount}
    for queue, charges in lost.items():
        stated = [
            quota for quota in store.queues[queue].quotas if quota.guaranteed is not None and quota.resource in asked
        ]
        worst: Refusal | None = None
        for quota in stated:
            column = store.columns.names.index(quota.resource)
            given: Counter[str] = Counter()
            for charge in charges:
                if quota.flavor in ("", store.flavor_on(charge.node)):
                    row = store.columns.row(taken_by(charge.shape, charge.devices))
                    given[str(charge.gang)] += int(row[column]) if column < len(row) else 0
            above = store.use_below(queue, column, quota.flavor) - (quota.guaranteed or 0)
            before_last = sum(given.values()) - max(given.values(), default=0)
            if before_last < above:
                break
            worst = Refusal("taking", "WithinGuarantee", before_last, max(0, above), quota.resource, queue)
        else:
            if worst is not None:
                return worst
    return None


def _needless(
    store: Store, gang: Gang, decision: Decision, evicted: Sequence[Charge], moved: Sequence[Charge]
) -> Refusal | None:
    """Somebody for whom room came free since the decision was made: with all others gone there is place beside him.

    Where some go so that the gang is entitled to take others, room alone does not tell; such decisions pass.
    """
    ours = [charge for charge in evicted if charge.queue == gang.queue]
    if ours and len(ours) < len(evicted):
        return None
    needs: dict[str, Matrix] = {}
    shapes = {member.name: member.shape for member in gang.members}
    for place in decision.places:
        for each in place.nodes:
            row = store.columns.row(taken_by(shapes[place.member], each.devices)) * each.count
            needs[each.node] = _sum(needs.get(each.node), row)
    for move in decision.moves:
        shape_of = {charge.member: charge.shape for charge in moved if charge.gang == move.gang}
        for place in move.places:
            for each in place.nodes if place.member in shape_of else ():
                row = store.columns.row(taken_by(shape_of[place.member], each.devices)) * each.count
                needs[each.node] = _sum(needs.get(each.node), row)
    for pod in (*decision.victims, *(pod for move in decision.moves for pod in move.pods)):
        charge = store.charges.get(pod.uid)
        if charge is not None and charge.takes_room and charge.node in store.nodes:
            row = store.columns.row(taken_by(charge.shape, charge.devices))
            needs[charge.node] = _sum(needs.get(charge.node), -row)
    whole = {loss.gang for loss in decision.taken.losses if loss.whole} if decision.taken is not None else set()
    units: dict[GangKey | int, list[Charge]] = {}
    for number, charge in enumerate((*evicted, *moved)):
        units.setdefault(charge.gang if charge.gang in whole else number, []).append(charge)
    spare = {node: _sum(need, -store.free_on(node)) for node, need in needs.items() if node in store.nodes}
    for unit in units.values():
        back: dict[str, Matrix] = {}
        for charge in unit:
            back[charge.node] = _sum(back.get(charge.node), store.columns.row(taken_by(charge.shape, charge.devices)))
        fits = all(node in spare and (_sum(spare[node], row) <= 0).all() for node, row in back.items())
        if fits and not _limited(store, gang, decision, unit):
            return Refusal("taking", "NotNeeded", where=f"{unit[0].gang or unit[0].member} on {unit[0].node}")
    return None


def _limited(store: Store, gang: Gang, decision: Decision, unit: Sequence[Charge]) -> bool:
    """Whether a limit would be exceeded with a unit still there."""
    staying = {id(charge) for charge in unit}
    gone = [charge for pod in decision.victims if (charge := store.charges.get(pod.uid)) is not None]
    shapes = {member.name: member.shape for member in gang.members}
    for queue in _line(store.queues, gang.queue):
        for quota in store.queues[queue].quotas:
            if quota.limit is None or quota.resource not in store.columns.names:
                continue
            taken = sum(
                dict(taken_by(shapes[place.member], each.devices)).get(quota.resource, 0) * each.count
                for place in decision.places
                for each in place.nodes
            )
            freed = sum(
                dict(taken_by(charge.shape, charge.devices)).get(quota.resource, 0)
                for charge in gone
                if id(charge) not in staying and queue in _line(store.queues, charge.queue)
            )
            column = store.columns.names.index(quota.resource)
            if store.use_below(queue, column, quota.flavor) + taken - freed > quota.limit:
                return True
    return False


def _sum(total: Matrix | None, row: Matrix) -> Matrix:
    """Rows added up; columns that came to be known later are zero in the shorter one."""
    if total is None:
        return row
    if len(total) == len(row):
        return total + row
    width = max(len(total), len(row))
    padded: Matrix = np.pad(total, (0, width - len(total))) + np.pad(row, (0, width - len(row)))
    return padded


def _line(queues: Mapping[str, Queue], name: str) -> list[str]:
    line: list[str] = []
    while name in queues and name not in line:
        line.append(name)
        name = queues[name].parent
    return line
