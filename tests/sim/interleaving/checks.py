"""What must hold: the store's totals at every step, and at rest that everybody who can run does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from scheduler.core.engine import Engine
from scheduler.core.gangs.lifecycle import Phase
from scheduler.model.resources import GPU
from scheduler.model.shape import Shape
from scheduler.model.work import PodGroup
from tests.sim.interleaving.server import GPUS_PER_NODE, Server

GPU_COLUMN = 3
ROOMY_GPUS = 12
"""With so many free, one of two racks holds any gang of these worlds."""


def totals(engine: Engine) -> Iterator[str]:
    """The running totals are the sum of what they stand for: charged pods, and what records still reserve."""
    store = engine.store
    taken: Counter[str] = Counter()
    for uid, charge in store.charges.items():
        if uid not in store.pods:
            yield f"{uid} is charged and unknown"
        if charge.takes_room:
            taken[charge.node] += _gpus(charge.shape)
    for book in store.books.values():
        for spot, pods in book.wanted.items():
            if spot[0] in book.shapes:
                reserved = max(0, pods - book.taken[spot] - book.spent[spot])
                taken[spot[1]] += reserved * _gpus(book.shapes[spot[0]])
    for name, slot in store._slots.items():
        if int(store._used[slot][GPU_COLUMN]) != taken[name]:
            yield f"{name}: the total is {int(store._used[slot][GPU_COLUMN])}, the sum {taken[name]}"


def at_rest(server: Server, edited: set[str]) -> Iterator[str]:
    """``edited`` are groups whose minimum was changed: they may be below it for good reason."""
    for group in server.groups.values():
        yield from _group_at_rest(server, group, group.name in edited)
    made_for = {group.for_pod for group in server.groups.values()}
    for pod in server.pods.values():
        if pod.uid in made_for:
            continue
        if not pod.group and not pod.node and not pod.finished and pod.uid not in server.engine._singles:
            yield f"{pod.name} waits and is forgotten"
        stays = not (pod.leaving or pod.finished or server.engine.store.notices.given(pod.uid))
        if pod.marked_evicted and stays:
            yield f"{pod.name} was told that it is evicted, and stays"
    for name in server.nodes:
        counted = int(server.engine.store._used[server.engine.store._slots[name]][GPU_COLUMN])
        if counted < server.gpus_taken(name):
            yield f"{name}: {counted} are counted, {server.gpus_taken(name)} are taken"


def _group_at_rest(server: Server, group: PodGroup, edited: bool) -> Iterator[str]:
    pods = [pod for pod in server.pods.values() if pod.group == group.name or pod.uid == group.for_pod]
    open_pods = [pod for pod in pods if not pod.finished]
    bound = [pod for pod in open_pods if pod.node]
    present = len(bound) + sum(pod.succeeded for pod in pods)
    least = group.min_member or 1
    state = server.engine._gangs.states.get(group.key)
    if group.leaving:
        if not open_pods:
            yield f"{group.name} leaves, has no pods and is held"
        return
    if open_pods and not bound and not group.suspend and len(open_pods) >= least:
        if _free_gpus(server) >= ROOMY_GPUS:
            yield f"{group.name} waits beside {_free_gpus(server)} free GPUs"
        elif state is not None and not group.assignment and not state.gang and not server.engine._voice.of(group.key):
            yield f"{group.name} waits without a verdict"
    if state is None:
        return
    if state.flight:
        yield f"{group.name} waits for a write for ever: {type(state.flight).__name__}"
    places = group.assignment.places if group.assignment is not None else ()
    # A node took its pods or their places along; other places for the rest are not sought yet.
    hurt = state.phase is Phase.DEGRADED or any(
        spot.node not in server.nodes for place in places for spot in place.nodes
    )
    if group.assignment != state.record:
        yield f"{group.name}: the record on the server is another"
    if len(bound) > 0 and present < min(least, len(open_pods)) and not edited and not hurt:
        yield f"{group.name} rests with {present} of {least} pods"


def _free_gpus(server: Server) -> int:
    return sum(GPUS_PER_NODE - server.gpus_taken(name) // 1000 for name in server.nodes)


def _gpus(shape: Shape) -> int:
    return dict(shape.requests).get(GPU, 0)
