"""Two promises that take further decisions to check: nothing changes when the result is decided on, and nobody who goes
could have stayed. The engine answers both questions; what it is asked is put together here, by plain means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Decision, Plan
from scheduler.scenario.aftermath import committed, name_of, pods_of, settled, vacated
from scheduler.scenario.build import snapshot_of
from scheduler.scenario.difference import Difference
from scheduler.scenario.state import GangState, World, gang_of_pod

Decide = Callable[[Snapshot], Plan]


def unsettled(
    world: World, plan: Plan, decide: Decide, *, moves: bool = True, take_next: Collection[str] = ()
) -> Iterator[Difference]:
    """What is decided on the result: right after the plan is committed, and once all that leaves is gone.

    Those who ``take_next`` are evicted now and take from others then, not from anybody who was placed; that they do is
    expected too.
    Where nothing may be moved, who was evicted may find a place elsewhere, at nobody's cost: that is not held against
    the plan. Otherwise it should have been a move.
    """
    result = committed(world, plan.decisions)
    victims = {gang_of_pod(uid) for uid in evicted(plan.decisions)}
    served = {name_of(world, decision.gang) for decision in plan.decisions}
    for moment, then in (("right afterwards", result), ("once all is gone", settled(result))):
        chained = set[str]()
        for decision in decide(snapshot_of(then, version=2)).decisions:
            back = name_of(then, decision.gang)
            may_return = not moves or not then.gangs[back].plan.form.movable
            if back in victims and may_return and not decision.victims and not decision.moves:
                continue
            if back in victims & set(take_next) and not served & {gang_of_pod(each.uid) for each in decision.victims}:
                chained.add(back)
                continue
            count = sum(each.count for place in decision.places for each in place.nodes)
            going = ", ".join(victim.uid for victim in decision.victims) or "nobody"
            found = f"{count} more pods of {back}, evicting {going}"
            yield Difference("promise 6", f"nothing decided {moment}", found)
        for name in sorted(set(take_next) - chained):
            yield Difference(name, f"to take from others {moment}", "does not")


def needless(world: World, plan: Plan, decide: Decide) -> Iterator[Difference]:
    """Victims that could have stayed: with one of them back (a whole gang, or one surplus pod), and everybody else's
    victims gone, all that was placed and moved still fits, with nobody there who could give way."""
    victims = evicted(plan.decisions)
    for back in _units(world, victims):
        wanted = _wanted(world, plan.decisions)
        then = _with_back(world, plan.decisions, back)
        found = decide(replace(snapshot_of(then, version=2), running=()))
        placed = {name_of(then, each.gang): _count(each) for each in found.decisions}
        if all(placed.get(name, 0) >= count for name, count in wanted.items()):
            yield Difference("promise 7", f"{', '.join(sorted(back))} needed as victims", "all fits without")


def evicted(decisions: Collection[Decision]) -> list[str]:
    """Who leaves for good (UIDs): a decision names among its victims whoever moves for another one, too, since it waits
    for his room."""
    moved = {pod.uid for decision in decisions for move in decision.moves for pod in move.pods}
    gone = (victim.uid for decision in decisions for victim in decision.victims)
    return [uid for uid in dict.fromkeys(gone) if uid not in moved]


def _units(world: World, victims: Collection[str]) -> list[tuple[str, ...]]:
    """Victims as they go: a gang of which nothing is left goes as a whole, else pod by pod."""
    found: list[tuple[str, ...]] = []
    already = {pod.uid for pod in pods_of(world) if pod.leaving}
    by_gang: dict[str, list[str]] = {}
    for uid in victims:
        if uid not in already:
            by_gang.setdefault(gang_of_pod(uid), []).append(uid)
    for name, uids in by_gang.items():
        left = sum(1 for pod in world.gangs[name].pods if pod.stays and pod.uid not in uids)
        found += [(uid,) for uid in uids] if left else [tuple(uids)]
    return found


def _wanted(world: World, decisions: Collection[Decision]) -> dict[str, int]:
    """gang -> pods that have to find places: those that were placed, and those that were moved."""
    found: dict[str, int] = {}
    for decision in decisions:
        name = name_of(world, decision.gang)
        found[name] = found.get(name, 0) + _count(decision)
        for move in decision.moves:
            moved = name_of(world, move.gang)
            found[moved] = found.get(moved, 0) + len(move.pods)
    return found


def _with_back(world: World, decisions: Collection[Decision], back: Collection[str]) -> World:
    """The world without the other victims and without moved pods, in which only who has to find places waits."""
    gone = {victim.uid for decision in decisions for victim in decision.victims} - set(back)
    gone |= {pod.uid for decision in decisions for move in decision.moves for pod in move.pods}
    then = vacated(world, gone)
    wanted = _wanted(world, decisions)
    gangs = {}
    for name, state in then.gangs.items():
        gangs[name] = state if name in wanted else replace(state, ended=True)
        gangs[name] = _unleaving(gangs[name])
    return replace(then, gangs=gangs)


def _unleaving(state: GangState) -> GangState:
    """Pods that were leaving anyway are gone by then: their room counts."""
    return replace(state, pods=tuple(pod for pod in state.pods if not pod.leaving))


def _count(decision: Decision) -> int:
    return sum(each.count for place in decision.places for each in place.nodes)
