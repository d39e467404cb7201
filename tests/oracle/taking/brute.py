"""The cheapest legal way to place the gang that waits, by trying every set of victims, every move and every place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, product
from math import prod

from tests.oracle.taking.entitled import Entitled, entitled
from tests.oracle.taking.rights import Evicted, branches, evictable, permitted
from tests.oracle.taking.world import NOW_SECONDS, Running, World

Cost = tuple[int, ...]
"""In the default policy's order: the highest priority of the own queue, its pods, how far down the least entitled
branch stands among those above their share, the highest priority, GPU-seconds lost and pods evicted (each first of
gangs that go as a whole, since surplus goes before whole gangs), GPU-seconds moved, pods moved."""

Spots = tuple[int, ...]
"""[nodes] pods."""


SETS_MAX = 30_000
"""Sets of victims of one world: beyond it there are too many to try."""


class TooLargeError(Exception):
    """More than can be tried."""


@dataclass(frozen=True)
class Plan:
    """Who goes from where, where each running gang's other pods are then, and where the taker is."""

    evicted: Evicted
    after: tuple[Spots, ...]
    places: Spots


def cheapest(world: World) -> tuple[Cost, Plan] | None:
    """The least that placing the taker costs; None: there is no legal way. TooLargeError where there
    are too many to try. In a world of flavors the last cost is how far down the list of its own that flavor is."""
    book = entitled(world)
    if world.waiting.accepts and world.whole is None:
        return _cheapest_flavor(world)
    known: dict[tuple[int, ...], bool] = {}
    sets = []
    for each in _sets(world):
        pods = tuple(map(sum, each))  # from which node somebody goes is all the same to those who are entitled
        if pods not in known:
            known[pods] = permitted(world, book, each)
        sets += [each] if known[pods] else []
    priced = sorted((eviction_cost(world, book, each), each) for each in sets)
    for cost, group in groupby(priced, key=lambda each: each[0]):
        found = [best for _, each in group if (best := _fewest_moves(world, each)) is not None]
        if found:
            moved, plan = min(found, key=lambda each: each[0])
            return (*cost, *moved), plan
    return None


def _cheapest_flavor(world: World) -> tuple[Cost, Plan] | None:
    found = []
    for number, flavor in enumerate(world.waiting.accepts):
        best = cheapest(world.within(flavor))
        found += [] if best is None else [((*best[0], number), number, best[1])]
    if not found:
        return None
    cost, number, plan = min(found, key=lambda each: each[0])
    return cost, _in_all(world, world.waiting.accepts[number], plan)


def _in_all(world: World, flavor: str, plan: Plan) -> Plan:
    """A plan of one flavor, with everybody who runs in others."""
    rows = world.rows(flavor)

    def wide(spots: Spots) -> Spots:
        at = dict(zip(rows, spots, strict=True))
        return tuple(at.get(row, 0) for row in range(len(world.nodes)))

    nobody = (0,) * len(world.nodes)
    pairs = iter(zip(plan.evicted, plan.after, strict=True))
    ways = [next(pairs) if any(gang.on[row] for row in rows) else None for gang in world.running]
    return Plan(
        tuple(nobody if way is None else wide(way[0]) for way in ways),
        tuple(gang.on if way is None else wide(way[1]) for way, gang in zip(ways, world.running, strict=True)),
        wide(plan.places),
    )


def _cost_in_flavor(world: World, plan: Plan) -> Cost:
    flavors = {node.flavor for node, count in zip(world.nodes, plan.places, strict=True) if count}
    assert len(flavors) == 1, "the taker is in several flavors"
    (flavor,) = flavors
    assert flavor in world.waiting.accepts, "the taker is in a flavor that it does not accept"
    rows = world.rows(flavor)
    here = [any(gang.on[row] for row in rows) for gang in world.running]
    for gang, gone, after, is_here in zip(world.running, plan.evicted, plan.after, here, strict=True):
        assert is_here or (not any(gone) and after == gang.on), f"{gang.name} is disturbed in another flavor"
        assert all(count == 0 or row in rows for row, count in enumerate(after)) or not is_here, (
            "moved to another flavor"
        )

    def narrow(spots: Spots) -> Spots:
        return tuple(spots[row] for row in rows)

    own = Plan(
        tuple(narrow(each) for each, is_here in zip(plan.evicted, here, strict=True) if is_here),
        tuple(narrow(each) for each, is_here in zip(plan.after, here, strict=True) if is_here),
        narrow(plan.places),
    )
    return (*cost_of(world.within(flavor), own), world.waiting.accepts.index(flavor))


def cost_of(world: World, plan: Plan) -> Cost:
    """What a given plan costs; AssertionError where it may not be."""
    if world.waiting.accepts and world.whole is None:
        return _cost_in_flavor(world, plan)
    book = entitled(world)
    free = [node.gpus for node in world.nodes]
    moved = [0, 0]
    disrupted = dict.fromkeys(dict(world.guards), 0)
    for gang, gone, after in zip(world.running, plan.evicted, plan.after, strict=True):
        kept = sum(after)
        assert kept + sum(gone) == gang.pods, f"{gang.name} lost or won pods on the way"
        assert kept == 0 or kept >= min(gang.minimum, gang.pods), f"{gang.name} is left below its minimum"
        assert not any(gone) or evictable(world, gang), f"{gang.name} may not be evicted"
        away = _moved(gang, gone, after)
        assert not away or (gang.movable and gang.preemptible and world.moves), f"{gang.name} may not be moved"
        moved[0] += away * _lost(gang)
        moved[1] += away
        if gang.guard:
            disrupted[gang.guard] += away + sum(gone)
        free = [left - gang.gpus * count for left, count in zip(free, after, strict=True)]
    free = [left - world.waiting.gpus * count for left, count in zip(free, plan.places, strict=True)]
    assert min(free) >= 0, "a node is over-committed"
    assert all(disrupted[name] <= allowed for name, allowed in world.guards), "a disruption budget is broken"
    assert sum(plan.places) == world.waiting.pods, "the taker is placed in part"
    racks = {node.rack for node, count in zip(world.nodes, plan.places, strict=True) if count}
    assert not world.waiting.one_rack or len(racks) == 1, "the taker is in several racks"
    assert permitted(world, book, plan.evicted), "the victims may not be taken"
    return (*eviction_cost(world, book, plan.evicted), *moved)


def eviction_cost(world: World, book: Entitled, evicted: Evicted) -> Cost:
    victims = [(gang, sum(gone)) for gang, gone in zip(world.running, evicted, strict=True) if any(gone)]
    own = [(gang, pods) for gang, pods in victims if gang.queue == world.waiting.queue]
    whole = [(gang, pods) for gang, pods in victims if pods == gang.pods]
    everybody = (world.whole or world).running
    shares = {_share(world, book, gang) for gang in everybody if _may_be_reclaimed(world, gang)}
    touched = {_share(world, book, gang) for gang, _ in victims if gang.queue != world.waiting.queue}
    return (
        max((gang.priority for gang, _ in own), default=-1),
        sum(pods for _, pods in own),
        max((sum(other > share for other in shares) for share in touched), default=0),
        max((gang.priority for gang, _ in victims), default=-1),
        sum(pods * _lost(gang) for gang, pods in whole),
        sum(pods * _lost(gang) for gang, pods in victims),
        sum(pods for _, pods in whole),
        sum(pods for _, pods in victims),
    )


def _share(world: World, book: Entitled, gang: Running) -> Fraction:
    return book.above[branches(world, gang.queue)[1]]


def _may_be_reclaimed(world: World, gang: Running) -> bool:
    return gang.queue != world.waiting.queue and evictable(world, gang)


def _lost(gang: Running) -> int:
    """GPU-seconds of one pod."""
    return gang.gpus * (NOW_SECONDS - gang.started_seconds)


def _moved(gang: Running, gone: Sequence[int], after: Sequence[int]) -> int:
    """Pods that are elsewhere then: on each node stay as many as can."""
    stay = [min(before - lost, now) for before, lost, now in zip(gang.on, gone, after, strict=True)]
    return sum(after) - sum(stay)


def _sets(world: World) -> Iterator[Evicted]:
    """Every set of victims that leaves each gang whole, at its minimum at least, or gone."""
    ways = []
    for gang in world.running:
        nobody = (0,) * len(gang.on)
        own = [nobody]
        if evictable(world, gang):
            every = product(*(range(count + 1) for count in gang.on))
            surplus = gang.pods - min(gang.minimum, gang.pods)
            own += [each for each in every if each != nobody and (sum(each) <= surplus or sum(each) == gang.pods)]
        ways.append(own)
    if prod(map(len, ways)) > SETS_MAX:
        raise TooLargeError
    yield from product(*ways)


def _fewest_moves(world: World, evicted: Evicted) -> tuple[tuple[int, int], Plan] | None:
    """The least (GPU-seconds, pods) that must move so that the taker has a place when these are gone."""
    disrupted = dict.fromkeys(dict(world.guards), 0)
    for gang, gone in zip(world.running, evicted, strict=True):
        if gang.guard:
            disrupted[gang.guard] += sum(gone)
    room = {name: allowed - disrupted[name] for name, allowed in world.guards}
    if min(room.values(), default=0) < 0:
        return None
    best: tuple[tuple[int, int], Plan] | None = None
    reached: dict[tuple[int, Spots, tuple[int, ...]], tuple[int, int]] = {}

    def settle(number: int, free: Spots, after: tuple[Spots, ...], cost: tuple[int, int], left: dict[str, int]) -> None:
        nonlocal best
        seen = (number, free, tuple(left.values()))
        if (best is not None and cost >= best[0]) or (seen in reached and reached[seen] <= cost):
            return
        reached[seen] = cost
        if number == len(world.running):
            places = next(_spots_of_taker(world, free), None)
            if places is not None:
                best = cost, Plan(evicted, after, places)
            return
        gang, gone = world.running[number], evicted[number]
        for spots in _rearranged(world, gang, gone):
            away = _moved(gang, gone, spots)
            more = (cost[0] + away * _lost(gang), cost[1] + away)
            taken = tuple(have - gang.gpus * count for have, count in zip(free, spots, strict=True))
            if away and gang.guard and left[gang.guard] < away:
                continue
            if min(taken) >= 0:
                budget = {**left, gang.guard: left[gang.guard] - away} if gang.guard else left
                settle(number + 1, taken, (*after, spots), more, budget)

    settle(0, tuple(node.gpus for node in world.nodes), (), (0, 0), room)
    return best


def _rearranged(world: World, gang: Running, gone: Sequence[int]) -> list[Spots]:
    """Where the pods that are not evicted may be, those that move least first."""
    stay = tuple(count - lost for count, lost in zip(gang.on, gone, strict=True))
    if not (world.moves and gang.movable and gang.preemptible):
        return [stay]
    return sorted(_spread(sum(stay), len(stay)), key=lambda spots: _moved(gang, gone, spots))


def _spots_of_taker(world: World, free: Sequence[int]) -> Iterator[Spots]:
    taker = world.waiting
    racks = sorted({node.rack for node in world.nodes}) if taker.one_rack else [""]
    for rack in racks:
        fits = [
            have // taker.gpus if node.rack == rack or not rack else 0
            for have, node in zip(free, world.nodes, strict=True)
        ]
        if sum(fits) >= taker.pods:
            left = taker.pods
            spots = []
            for room in fits:
                spots.append(min(room, left))
                left -= spots[-1]
            yield tuple(spots)


def _spread(pods: int, nodes: int) -> Iterator[Spots]:
    if nodes == 1:
        yield (pods,)
        return
    for first in range(pods + 1):
        for rest in _spread(pods - first, nodes - 1):
            yield (first, *rest)
