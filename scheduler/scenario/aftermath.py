"""What becomes of a world when a plan is carried out: places are promised, victims leave, what awaited them runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace

import msgspec

from scheduler.model.plan import Decision
from scheduler.model.work import GangKey, Place
from scheduler.scenario.state import GangState, PodAt, World, gang_of_pod, pod_uid


def committed(world: World, decisions: Iterable[Decision]) -> World:
    """The world once decisions are committed: victims and moved pods leave, whoever needs their room awaits them."""
    gangs = dict(world.gangs)
    guards = Counter(world.guards)
    for decision in decisions:
        going = {victim.uid for victim in decision.victims}
        going |= {pod.uid for move in decision.moves for pod in move.pods}
        for name in sorted({gang_of_pod(uid) for uid in going}):
            fresh = [pod for pod in gangs[name].pods if pod.uid in going and not pod.leaving]
            guards.subtract(guard for _ in fresh for guard in world.guarded.get(name, ()))
            gangs[name] = _leaving(gangs[name], going)
        for key, places in ((decision.gang, decision.places), *((move.gang, move.places) for move in decision.moves)):
            name = name_of(world, key)
            gangs[name] = _promised(gangs[name], places, tuple(sorted(going)), world.now_seconds)
    return replace(world, gangs=gangs, guards=dict(guards))


def vacated(world: World, gone: Collection[str]) -> World:
    """The world once these pods (UIDs) are gone; whoever awaited the last of them runs from now on."""
    return replace(world, gangs={name: _vacated(state, gone, world.now_seconds) for name, state in world.gangs.items()})


def settled(world: World) -> World:
    """The world once all that leaves is gone. Pods that are stuck stay."""
    return vacated(world, {pod.uid for pod in pods_of(world) if pod.leaving})


def pods_of(world: World) -> list[PodAt]:
    return [pod for state in world.gangs.values() for pod in state.pods]


def name_of(world: World, key: GangKey) -> str:
    """The gang of a key by its name in the file."""
    return next(name for name, state in world.gangs.items() if state.plan.key == key)


def _leaving(state: GangState, going: Collection[str]) -> GangState:
    pods = (msgspec.structs.replace(pod, leaving=True) if pod.uid in going else pod for pod in state.pods)
    return replace(state, pods=tuple(pods))


def _promised(state: GangState, places: Iterable[Place], awaits: tuple[str, ...], now_seconds: float) -> GangState:
    pods = list(state.pods)
    made = state.made
    for place in places:
        for each in place.nodes:
            for _ in range(each.count):
                pods.append(
                    PodAt(
                        uid=pod_uid(state.plan.name, made),
                        gang=state.plan.name,
                        member=place.member,
                        node=each.node,
                        devices=each.devices,
                        started_seconds=now_seconds,
                        awaits=awaits,
                    )
                )
                made += 1
    return replace(state, pods=tuple(pods), made=made)


def _vacated(state: GangState, gone: Collection[str], now_seconds: float) -> GangState:
    pods = []
    for pod in state.pods:
        if pod.uid in gone:
            continue
        awaits = tuple(uid for uid in pod.awaits if uid not in gone)
        if awaits != pod.awaits:
            started = pod.started_seconds if awaits else now_seconds
            pod = msgspec.structs.replace(pod, awaits=awaits, started_seconds=started)
        pods.append(pod)
    return replace(state, pods=tuple(pods))
