"""What holds of every plan, whatever a scenario expects: checked by plain counting, with no code of deciding.

Each promise is about what we do: where the world was wrong before (a limit lowered, a node shrunk), it must not get
worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from scheduler.core.facts.books import taken_by
from scheduler.model.devices import DEVICE_MILLI
from scheduler.model.flavor import flavor_of
from scheduler.model.plan import Decision, Plan
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU, quantity_text
from scheduler.scenario import fleet
from scheduler.scenario.aftermath import committed, name_of, pods_of
from scheduler.scenario.difference import Difference
from scheduler.scenario.gangs import GangPlan
from scheduler.scenario.state import GangState, PodAt, World, gang_of_pod

Line = tuple[str, str, str]
"""(queue, flavor or empty, resource): a line of quota."""


def broken(world: World, plan: Plan, breaks_guards: bool = False) -> Iterator[Difference]:
    """The promises that a plan breaks. ``breaks_guards``: the policy lets it break budgets."""
    after = committed(world, plan.decisions)
    yield from _rooms(world, after)
    yield from _while_they_leave(world, plan.decisions)
    yield from _devices(after)
    yield from _gangs(world, after)
    yield from _reasons(world, plan.decisions)
    yield from _limits(world, after)
    yield from _lending(world, after)
    if not breaks_guards:
        yield from _guards(world, plan.decisions)


# 1: nothing is over-committed, once all that leaves is gone and before ------------------------------------------------


def _rooms(before: World, after: World) -> Iterator[Difference]:
    had, has = _taken(before), _taken(after)
    for node in after.nodes:
        capacity = dict(node.allocatable)
        for resource, amount in sorted(has.get(node.name, Counter()).items()):
            if amount > max(capacity.get(resource, 0), had.get(node.name, Counter())[resource]):
                room = quantity_text(resource, capacity.get(resource, 0))
                yield _promise(1, f"{node.name} within its {room} {resource}", quantity_text(resource, amount))


def _while_they_leave(world: World, decisions: Collection[Decision]) -> Iterator[Difference]:
    """Whoever waits for no more than a decision does may be there as soon as its room is: that much there must be."""
    if any(pod.awaits for pod in pods_of(world)):
        return  # places that are promised already wait for others, too
    waits = [
        {pod.uid for pod in each.victims} | {pod.uid for move in each.moves for pod in move.pods} for each in decisions
    ]
    room: dict[str, Counter[str]] = {node.name: Counter(dict(node.allocatable)) for node in world.nodes}
    held: dict[str, tuple[str, Counter[str]]] = {}
    for state in world.gangs.values():
        for pod in () if state.ended else state.pods:
            held[pod.uid] = pod.node, Counter(dict(_requests(state.plan, pod)))
    for node, amounts in held.values():
        room.setdefault(node, Counter()).subtract(amounts)
    for decision, gone in zip(decisions, waits, strict=True):
        left = {node: Counter(amounts) for node, amounts in room.items()}
        for uid in gone & held.keys():
            left[held[uid][0]].update(held[uid][1])
        there = [each for each, own in zip(decisions, waits, strict=True) if own <= gone]
        for node, amounts in _places(world, there):
            left[node].subtract(amounts)
        for node, amounts in left.items():
            for resource, amount in amounts.items():
                if amount < min(0, room[node][resource]):
                    short = quantity_text(resource, -amount)
                    wanted = f"room on {node} for {decision.gang} once whom it waits for is gone"
                    yield _promise(1, wanted, f"{short} {resource} too little")


def _places(world: World, decisions: Iterable[Decision]) -> Iterator[tuple[str, Counter[str]]]:
    """(node, what is to stand there) for each pod that is placed or moved."""
    for decision in decisions:
        own = (decision.gang, decision.places)
        for key, places in (own, *((move.gang, move.places) for move in decision.moves)):
            plan = world.gangs[name_of(world, key)].plan
            for place in places:
                for each in place.nodes:
                    pod = PodAt("", plan.name, place.member, each.node, each.devices)
                    yield from ((each.node, Counter(dict(_requests(plan, pod)))) for _ in range(each.count))


def _taken(world: World) -> dict[str, Counter[str]]:
    """node -> resource -> what pods take that will be there when all that leaves is gone."""
    found: dict[str, Counter[str]] = {}
    for plan, pod in _staying(world):
        for resource, amount in _requests(plan, pod):
            found.setdefault(pod.node, Counter())[resource] += amount
    return found


def _devices(after: World) -> Iterator[Difference]:
    """No part of a device is given twice, and as many devices as are asked for whole stay whole."""
    devices = {node.name: dict(node.allocatable).get(GPU, 0) // DEVICE_MILLI for node in after.nodes}
    milli: dict[tuple[str, int], int] = {}
    slices: Counter[tuple[str, int, int]] = Counter()
    whole: Counter[str] = Counter()
    for plan, pod in _staying(after):
        for use in pod.devices:
            milli[pod.node, use.index] = milli.get((pod.node, use.index), 0) + use.milli
            if use.profile:
                slices[pod.node, use.index, use.start] += 1
        if not pod.devices:
            whole[pod.node] += dict(_requests(plan, pod)).get(GPU, 0) // DEVICE_MILLI
    for (node, index), amount in sorted(milli.items()):
        if amount > DEVICE_MILLI:
            yield _promise(1, f"GPU {index} of {node} given once", f"{amount} thousandths of it taken")
    for (node, index, start), count in sorted(slices.items()):
        if count > 1:
            yield _promise(1, f"slice {start} of GPU {index} of {node} given once", f"{count} times")
    for node, count in sorted(whole.items()):
        parts = sum(1 for name, _ in milli if name == node)
        if parts and count > devices[node] - parts:
            yield _promise(1, f"{devices[node] - parts} whole GPUs of {node}", str(count))


# 2: a gang is whole or absent ----------------------------------------------------------------------------------------


def _gangs(before: World, after: World) -> Iterator[Difference]:
    for name, state in after.gangs.items():
        counts = {member: sum(nodes.values()) for member, nodes in state.staying.items()}
        was = {member: sum(nodes.values()) for member, nodes in before.gangs[name].staying.items()}
        if counts != was and counts and not _whole(state, counts):
            pods = ", ".join(f"{count} of {member}" for member, count in sorted(counts.items()))
            yield _promise(2, f"{name} whole or absent", pods)
        for member in state.plan.members:
            if counts.get(member.name, 0) > member.pods:
                yield _promise(2, f"{member.pods} pods of {name}/{member.name}", str(counts[member.name]))


def _whole(state: GangState, counts: Mapping[str, int]) -> bool:
    """Every branch of its tree that has pods is at its minima, and the root is."""
    plan = state.plan
    pods = [0] * len(plan.branches)
    present = [0] * len(plan.branches)
    for member in plan.members:
        pods[member.branch] += counts.get(member.name, 0)
        if member.branch == 0 and counts.get(member.name, 0) < member.minimum:
            return False
    for index in reversed(range(len(plan.branches))):
        branch = plan.branches[index]
        whole = pods[index] >= max(1, branch.minimum) and present[index] >= branch.min_branches
        if not whole and (pods[index] or index == 0):
            return False
        if branch.parent >= 0:
            pods[branch.parent] += pods[index]
            present[branch.parent] += whole
    return True


# 3 and 4: nobody goes for nothing, nor against the rules -------------------------------------------------------------


def _reasons(world: World, decisions: Iterable[Decision]) -> Iterator[Difference]:
    for decision in decisions:
        beneficiary = name_of(world, decision.gang)
        victims = [victim.uid for victim in decision.victims]
        moved = [pod.uid for move in decision.moves for pod in move.pods]
        if (victims or moved) and not decision.places:
            yield _promise(
                3, f"a place for {beneficiary}", f"{len(victims)} evicted and {len(moved)} moved for nothing"
            )
        for move in decision.moves:
            places = sum(each.count for place in move.places for each in place.nodes)
            if places != len(move.pods):
                name = name_of(world, move.gang)
                yield _promise(3, f"a place for each of {len(move.pods)} moved pods of {name}", str(places))
        known = {pod.uid: pod for pod in pods_of(world)}
        for uid in (*victims, *moved):
            form = world.gangs[gang_of_pod(uid)].plan
            fresh = uid in known and not known[uid].leaving
            if uid not in known or known[uid].stuck:
                yield _promise(3, "victims that are there", uid)
            elif fresh and not form.preemptible:
                yield _promise(4, f"{form.name} left alone: it is not preemptible", f"{uid} goes for {beneficiary}")
        for uid in moved:
            if not world.gangs[gang_of_pod(uid)].plan.form.movable:
                yield _promise(4, f"{gang_of_pod(uid)} left in place: it is not movable", f"{uid} moved")


# 4 and 5: limits, guarantees, and what may be lent -------------------------------------------------------------------


def _limits(before: World, after: World) -> Iterator[Difference]:
    had, has = use_of(before), use_of(after)
    had_firm, has_firm = use_of(before, firm=True), use_of(after, firm=True)
    for name, queue in after.queues.items():
        for quota in queue.quotas:
            line = (name, quota.flavor, quota.resource)
            if quota.limit is not None and has[line] > max(quota.limit, had[line]):
                yield _promise(5, f"{name} within its limit of {_text(line, quota.limit)}", _text(line, has[line]))
            most = quota.guaranteed
            if most is not None and has_firm[line] > max(most, had_firm[line]):
                text = f"not preemptible work of {name} within its guarantee of {_text(line, most)}"
                yield _promise(4, text, _text(line, has_firm[line]))


def _lending(before: World, after: World) -> Iterator[Difference]:
    """What a queue does not lend is there for it: nobody else's use reaches into it."""
    flavors = fleet.flavors(after.scenario)
    lines = {(quota.flavor, quota.resource) for queue in after.queues.values() for quota in queue.quotas}
    if all(quota.lendable is None for queue in after.queues.values() for quota in queue.quotas):
        return
    had, has = use_of(before), use_of(after)
    for flavor, resource in sorted(lines):
        nodes = (node for node in after.nodes if flavor in ("", flavor_of(node.labels, flavors)))
        total = sum(dict(node.allocatable).get(resource, 0) for node in nodes)
        kept, was = (_kept(after.queues, use, flavor, resource, "") for use in (has, had))
        if kept > max(total, was):
            yield _promise(5, f"{resource} used or not lent within {total}", str(kept))


def _kept(queues: Mapping[str, Queue], use: Mapping[Line, int], flavor: str, resource: str, parent: str) -> int:
    """What the children of a queue use or keep to themselves, whichever is more of each."""
    found = 0
    for name, queue in queues.items():
        if queue.parent != parent:
            continue
        own = sum(
            max(0, (quota.guaranteed or 0) - quota.lendable)
            for quota in queue.quotas
            if (quota.flavor, quota.resource) == (flavor, resource) and quota.lendable is not None
        )
        below = _kept(queues, use, flavor, resource, name)
        found += max(own, below, use[name, flavor, resource])
    return found


def use_of(world: World, firm: bool = False) -> Counter[Line]:
    """What every queue and its subtree will use when all that leaves is gone."""
    flavors = fleet.flavors(world.scenario)
    flavor_on = {node.name: flavor_of(node.labels, flavors) for node in world.nodes}
    found: Counter[Line] = Counter()
    for plan, pod in _staying(world):
        if firm and plan.preemptible:
            continue
        queue = plan.queue
        while queue in world.queues:
            for resource, amount in _requests(plan, pod):
                for flavor in {"", flavor_on.get(pod.node, "")}:
                    found[queue, flavor, resource] += amount
            queue = world.queues[queue].parent
    return found


# 8: budgets ----------------------------------------------------------------------------------------------------------


def _guards(world: World, decisions: Iterable[Decision]) -> Iterator[Difference]:
    asked: Counter[str] = Counter()
    leaving = {pod.uid for pod in pods_of(world) if pod.leaving}
    for decision in decisions:
        for uid in (*(each.uid for each in decision.victims), *(pod.uid for m in decision.moves for pod in m.pods)):
            # Whoever is placed in the room of a pod names it too, and waits for it; it is asked to go once.
            guards = () if uid in leaving else world.guarded.get(gang_of_pod(uid), ())
            if len(guards) > 1:
                yield _promise(8, f"{uid} left alone: it has two budgets", f"it goes for {decision.gang}")
            asked.update(guards)
            leaving.add(uid)
    for guard, count in sorted(asked.items()):
        if count > world.guards[guard]:
            yield _promise(8, f"{world.guards[guard]} evictions under {guard}", str(count))


# Counting ------------------------------------------------------------------------------------------------------------


def _staying(world: World) -> Iterator[tuple[GangPlan, PodAt]]:
    """Pods that hold their places when all that leaves is gone: also those that are stuck."""
    for state in world.gangs.values():
        for pod in state.pods:
            if not pod.leaving:
                yield state.plan, pod


def _requests(plan: GangPlan, pod: PodAt) -> tuple[tuple[str, int], ...]:
    shape = next(member.shape for member in plan.members if member.name == pod.member)
    return tuple(taken_by(shape, pod.devices))


def _text(line: Line, amount: int) -> str:
    return f"{quantity_text(line[2], amount)} {line[2]}" + (f" of {line[1]}" if line[1] else "")


def _promise(number: int, expected: str, found: str) -> Difference:
    return Difference(f"promise {number}", expected, found)
