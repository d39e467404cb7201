"""A decision checked against the newest facts by plain arithmetic, sharing no code with the model that made it.

An accepted decision is applied to the store before the next one is checked, so the store is all there is to look at.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Mapping

from scheduler.core.facts.books import Charge, spots, taken_by
from scheduler.core.facts.devices import Uses, slot_bits
from scheduler.core.facts.store import Store
from scheduler.core.verify.admission import Admission
from scheduler.core.verify.company import Guest, concerned, refusal_of_guests
from scheduler.core.verify.places import misplaced
from scheduler.core.verify.taking import may_not_take, states_after
from scheduler.model.devices import (
    CUT,
    DEVICE_MILLI,
    DeviceAsk,
    DeviceUse,
    device_kind,
    slots_of,
    uses_text,
)
from scheduler.model.plan import Decision, Refusal
from scheduler.model.queue import Quota
from scheduler.model.resources import GPU, Matrix
from scheduler.model.work import Gang


def refusal_of(store: Store, admission: Admission | None, gang: Gang, decision: Decision) -> Refusal | None:
    """Why a decision no longer holds on the store as it is now; None when it does. ``admission`` is None where no node
    has changed since the decision was made."""
    shapes = {member.name: member.shape for member in gang.members}
    freed = _freed(store, decision)
    need: dict[str, Matrix] = {}
    parts: dict[str, list[DeviceUse]] = {}
    for (member, node, devices), count in spots(decision.places).items():
        if node not in store.nodes:
            return Refusal("capacity", "NodeGone", where=node)
        if member not in shapes:
            return Refusal("gang-minimum", "UnknownMember", where=member)
        if admission is not None and not admission.admits(node, shapes[member]):
            return Refusal("filters", "NodeChanged", where=node)
        row = store.columns.row(taken_by(shapes[member], devices)) * count
        need[node] = need[node] + row if node in need else row
        if shapes[member].devices is not None:
            if not _as_asked(store.nodes[node].labels, shapes[member].devices, devices):
                return Refusal("devices", "NotAsAsked", where=f"{node} {uses_text(devices)}")
            parts.setdefault(node, []).extend(devices * count)
    return (
        _no_room(store, _with_moves(store, decision, need), freed, _only_its_own(store, decision))
        or _no_device(store, need, parts, decision)
        or _wrong_count(gang, decision)
        or misplaced(store, gang, decision.places)
        or _in_bad_company(store, gang, decision)
        or _over_limit(store, gang, need, decision)
        or may_not_take(store, gang, decision)
    )


def _in_bad_company(store: Store, gang: Gang, decision: Decision) -> Refusal | None:
    members = {member.name: member for member in gang.members}
    if not concerned(store, (member.shape for member in gang.members)):
        return None
    return refusal_of_guests(
        store,
        tuple(
            Guest(node, count, members[name].shape, next(iter(members[name].label_sets), None))
            for (name, node, _), count in spots(decision.places).items()
        ),
    )


def _freed(store: Store, decision: Decision) -> dict[str, Matrix]:
    """What those who leave give back, by node."""
    freed: dict[str, Matrix] = {}
    leaving = (*decision.victims, *(pod for move in decision.moves for pod in move.pods))
    for victim in leaving:
        charge = store.charges.get(victim.uid)
        if charge is not None and charge.takes_room:
            row = store.columns.row(taken_by(charge.shape, charge.devices))
            freed[charge.node] = store.columns.widened(freed[charge.node]) + row if charge.node in freed else row
    return freed


def _with_moves(store: Store, decision: Decision, need: Mapping[str, Matrix]) -> Mapping[str, Matrix]:
    """The need of a decision with that of the gangs that it moves, on their new places."""
    if not decision.moves:
        return need
    total = dict(need)
    for move in decision.moves:
        book = store.books.get(move.gang)
        for (member, node, devices), count in spots(move.places).items():
            if book is not None and member in book.shapes:
                row = store.columns.row(taken_by(book.shapes[member], devices)) * count
                total[node] = store.columns.widened(total[node]) + row if node in total else row
    return total


def _only_its_own(store: Store, decision: Decision) -> frozenset[str]:
    """Nodes where nobody whom a decision names leaves for others as well."""
    fresh, shared = set[str](), set[str]()
    for victim in (*decision.victims, *(pod for move in decision.moves for pod in move.pods)):
        charge = store.charges.get(victim.uid)
        if charge is not None:
            (shared if store.notices.given(victim.uid) else fresh).add(charge.node)
    return frozenset(fresh - shared)


def _no_room(
    store: Store, need: Mapping[str, Matrix], freed: Mapping[str, Matrix], only_its_own: frozenset[str]
) -> Refusal | None:
    """Where others wait for pods of a node to leave, less than nothing is free there: what is promised to them. Whoever
    brings the room that it needs takes nothing of that."""
    for node, row in need.items():
        if node not in store.nodes:
            return Refusal("capacity", "NodeGone", where=node)
        free = store.free_on(node)
        if node in only_its_own and store.notices:
            free = free.clip(0)
        if node in freed:
            free = free + store.columns.widened(freed[node])
        short = (row > free[: len(row)]) & (row > 0)
        if short.any():
            column = int(short.argmax())
            return Refusal(
                "capacity", "NodeFull", int(row[column]), int(free[column]), store.columns.names[column], node
            )
    return None


def _as_asked(labels: Mapping[str, str], ask: DeviceAsk | None, uses: Uses) -> bool:
    """Whether these are the parts that a pod asks for, each on another device."""
    assert ask is not None
    kind = device_kind(labels)
    part = kind.slice(ask) if ask.profile else None
    return len({use.index for use in uses}) == len(uses) == ask.count and all(
        use.milli == kind.milli(ask) > 0 and use.profile == ask.profile and (part is None or use.start in part.starts)
        for use in uses
    )


def _no_device(
    store: Store, need: Mapping[str, Matrix], parts: Mapping[str, list[DeviceUse]], decision: Decision
) -> Refusal | None:
    """Device by device: what is shared has room for each share, slices do not overlap, and as many devices as are asked
    for whole stay idle."""
    gpu = store.columns.names.index(GPU)
    for node, row in need.items():
        if node not in parts and not store.shares_devices(node):
            continue
        uses = parts.get(node, [])
        states = states_after(store, node, decision)
        slots = slots_of(device_kind(store.nodes[node].labels))
        milli, cut = Counter[int](), Counter[int]()
        for use in uses:
            if use.index >= len(states):
                return Refusal("devices", "NoSuchDevice", needed=use.index, offered=len(states), where=node)
            (cut if use.profile else milli)[use.index] += 1 if use.profile else use.milli
        for index, taken in milli.items():
            free = states[index] if states[index] <= DEVICE_MILLI else 0
            if taken > free or cut[index]:
                return Refusal("devices", "DeviceFull", taken, free, GPU, f"{node} GPU {index}")
        for index in cut:
            masks = [slot_bits(use, slots) for use in uses if use.index == index]
            masks.append(states[index] - CUT if states[index] > DEVICE_MILLI else 0)
            usable = states[index] >= DEVICE_MILLI
            if not usable or sum(masks) != functools.reduce(operator.or_, masks):
                return Refusal("devices", "SliceTaken", needed=cut[index], where=f"{node} GPU {index}")
        idle = sum(state == DEVICE_MILLI and not milli[at] and not cut[at] for at, state in enumerate(states))
        whole = (int(row[gpu]) if gpu < len(row) else 0) - sum(use.milli for use in uses)
        if whole > idle * DEVICE_MILLI:
            return Refusal("devices", "NoIdleDevice", whole, idle * DEVICE_MILLI, GPU, node)
    return None


def _wrong_count(gang: Gang, decision: Decision) -> Refusal | None:
    """More than was asked for, or a branch of the tree that is there in part."""
    placed = {place.member: sum(each.count for each in place.nodes) for place in decision.places}
    for member in gang.members:
        count = placed.get(member.name, 0)
        if count > member.count:
            return Refusal("gang-minimum", "TooMany", member.count, count, where=member.name)
        if count < member.minimum and member.branch == 0:
            return Refusal("gang-minimum", "TooFew", member.minimum, count, where=member.name)
    if gang.held:
        total, least = sum(placed.values()), gang.branches[0].minimum
        return Refusal("gang-minimum", "TooFew", least, total) if total < least else None
    pods, whole = _branches(gang, placed)
    for number, branch in enumerate(gang.branches):
        if not whole[number] and (pods[number] or number == 0):
            return Refusal("gang-minimum", "TooFew", branch.minimum, pods[number], where=branch.name)
    return None


def _branches(gang: Gang, placed: Mapping[str, int]) -> tuple[list[int], list[bool]]:
    """(pods at or below each branch, whether it is there in whole); parents stand before their children."""
    pods = [0] * len(gang.branches)
    for member in gang.members:
        pods[member.branch] += placed.get(member.name, 0)
    children = [0] * len(gang.branches)
    whole = [False] * len(gang.branches)
    for number in reversed(range(len(gang.branches))):
        branch = gang.branches[number]
        whole[number] = pods[number] >= max(1, branch.minimum) and children[number] >= branch.min_branches
        if branch.parent >= 0:
            pods[branch.parent] += pods[number]
            children[branch.parent] += whole[number]
    return pods, whole


def _over_limit(store: Store, gang: Gang, need: Mapping[str, Matrix], decision: Decision) -> Refusal | None:
    """Every queue on the way up: its limits, and where the gang is not preemptible its guarantees, each of all nodes or
    of those of one flavor. What victims leave counts no more."""
    gone = [charge for pod in decision.victims if (charge := store.charges.get(pod.uid)) is not None]
    line: list[str] = []
    queue = gang.queue
    while queue in store.queues and queue not in line:
        line.append(queue)
        for quota in store.queues[queue].quotas:
            if quota.resource not in store.columns.names:
                continue
            column = store.columns.names.index(quota.resource)
            asked = sum(
                int(row[column])
                for node, row in need.items()
                if column < len(row) and quota.flavor in ("", store.flavor_on(node))
            )
            for code, bound, firm in (("Limit", quota.limit, False), ("OverGuarantee", quota.guaranteed, True)):
                if bound is None or (firm and gang.preemptible):
                    continue
                given = sum(_given(store, charge, queue, quota, column, firm=firm) for charge in gone)
                room = max(0, bound - store.use_below(queue, column, quota.flavor, firm=firm) + given)
                if asked > room:
                    return Refusal("queue-limit", code, asked, room, quota.resource, queue)
        queue = store.queues[queue].parent
    return None


def _given(store: Store, charge: Charge, queue: str, quota: Quota, column: int, *, firm: bool) -> int:
    """What a victim gives back of one quota of a queue that it counts in."""
    if not charge.takes_room or (firm and not charge.firm) or quota.flavor not in ("", store.flavor_on(charge.node)):
        return 0
    below, seen = charge.queue, set[str]()
    while below != queue and below in store.queues and below not in seen:
        seen.add(below)
        below = store.queues[below].parent
    row = store.columns.row(taken_by(charge.shape, charge.devices))
    return int(row[column]) if below == queue and column < len(row) else 0
