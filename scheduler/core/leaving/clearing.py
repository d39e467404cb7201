"""Evictions for nobody in particular: what runs in a queue that drains, the rest of a gang that fell below its minimum
and was not repaired in time, and what a queue runs above a limit that was lowered.

Each goes the way of every other eviction: its gang first gives its places up by its own record. All of it follows from
what stands on the server, so a successor goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from scheduler.core.explain import Reason, sentence
from scheduler.core.facts.books import taken_by
from scheduler.core.facts.store import Store
from scheduler.core.leaving.evictor import Evictor
from scheduler.core.leaving.giving_way import NO_GANG, GivingWay, gang_of_pod, victim_of
from scheduler.core.leaving.over_limit import best_subset
from scheduler.model.effects import Effect
from scheduler.model.plan import Refusal
from scheduler.model.policy import Taking
from scheduler.model.queue import Queue, Quota
from scheduler.model.work import Assignment, GangKey, Pod, single_key

EVERY_SECONDS = 0.5
"""How often what drains and what is above a limit is looked for."""

Unit = tuple[GangKey, list[Pod]]


class Clearing:
    """``stale`` gives the pods (by UID) that are to be cleaned up, with why; ``given`` is as in `GivingWay.room`."""

    def __init__(
        self,
        store: Store,
        evictor: Evictor,
        giving_way: GivingWay,
        taking: Taking,
        stale: Callable[[float], Mapping[str, Refusal]],
        given: Callable[[Pod], bool],
    ) -> None:
        self._store = store
        self._evictor = evictor
        self._giving_way = giving_way
        self._taking = taking
        self._stale = stale
        self._given = given
        self._next_seconds = 0.0

    def review(self, now_seconds: float) -> list[Effect]:
        """The next requests; nothing while nothing drains, is stale, or exceeds a limit."""
        if now_seconds < self._next_seconds:
            return []
        self._next_seconds = now_seconds + EVERY_SECONDS
        leaving = self._leaving(now_seconds)
        record = Assignment(0, "", 0.0, victims=tuple(victim_of(pod) for pod, _ in leaving.values()))
        self._store.notices.serve(NO_GANG, record if leaving else None)
        self._giving_way.for_nobody = {uid: reason for uid, (_, reason) in leaving.items()}
        return [
            effect
            for pod, reason in leaving.values()
            if self._given(pod)
            for effect in self._evictor.ask(pod, None, reason, now_seconds)
        ]

    def _leaving(self, now_seconds: float) -> dict[str, tuple[Pod, Reason]]:
        found: dict[str, tuple[Pod, Reason]] = {}
        for uid, refusal in self._stale(now_seconds).items():
            found[uid] = (self._store.pods[uid], Reason("StaleGang", sentence(refusal)))
        for queue in self._draining():
            reason = Reason("Drained", f"queue {queue} is draining")
            found |= {pod.uid: (pod, reason) for pod in self._preemptible(queue) if pod.uid not in found}
        if self._taking.enforce_limits:
            for pod, reason in self._above_limits(found):
                found[pod.uid] = (pod, reason)
        return found

    # -- drain -----------------------------------------------------------------------------------------------------

    def _draining(self) -> list[str]:
        """Leaves of the tree that drain, by themselves or with a queue above them."""
        queues = self._store.queues
        if all(queue.state != "Drain" for queue in queues.values()):
            return []
        return [name for name in queues if any(each.state == "Drain" for each in self._line(name))]

    def _line(self, name: str) -> Iterator[Queue]:
        seen: set[str] = set()
        while name in self._store.queues and name not in seen:
            seen.add(name)
            yield self._store.queues[name]
            name = self._store.queues[name].parent

    def _preemptible(self, queue: str) -> Iterator[Pod]:
        for uid, charge in self._store.charges.items():
            if charge.queue == queue and not charge.firm and charge.takes_room:
                pod = self._store.pods[uid]
                if pod.ours and _stands(pod):
                    yield pod

    # -- limits ----------------------------------------------------------------------------------------------------

    def _above_limits(self, leaving: Mapping[str, object]) -> Iterator[tuple[Pod, Reason]]:
        """Whole gangs and single pods whose sizes come closest to the excess from below, the least important first."""
        gone = dict(leaving)
        for name, queue in sorted(self._store.queues.items()):
            for quota in queue.quotas:
                if quota.limit is None or quota.resource not in self._store.columns.names:
                    continue
                column = self._store.columns.names.index(quota.resource)
                units = self._units(name, quota)
                going = sum(self._size(unit, column) for unit in units if unit[1][0].uid in gone or unit[1][0].leaving)
                excess = self._store.use_below(name, column, quota.flavor) - going - quota.limit
                if excess <= 0:
                    continue
                staying = [unit for unit in units if unit[1][0].uid not in gone and not unit[1][0].leaving]
                staying.sort(key=lambda unit: (unit[1][0].priority, -unit[1][0].created_seconds, unit[0]))
                facts = Refusal("queue-limit", "Lowered", quota.limit + excess, quota.limit, quota.resource, name)
                reason = Reason("OverLimit", sentence(facts))
                for index in best_subset([self._size(unit, column) for unit in staying], excess):
                    for pod in staying[index][1]:
                        gone[pod.uid] = None
                        yield pod, reason

    def _units(self, name: str, quota: Quota) -> list[Unit]:
        units: dict[GangKey, list[Pod]] = {}
        for leaf in self._store.queues:
            if any(each.name == name for each in self._line(leaf)):
                for pod in self._preemptible(leaf):
                    if quota.flavor in ("", self._store.flavor_on(pod.node)):
                        units.setdefault(gang_of_pod(pod) or single_key(pod.uid), []).append(pod)
        return list(units.items())

    def _size(self, unit: Unit, column: int) -> int:
        total = 0
        for pod in unit[1]:
            row = self._store.columns.row(taken_by(pod.shape, pod.devices))
            total += int(row[column]) if column < len(row) else 0
        return total


def _stands(pod: Pod) -> bool:
    return bool(pod.node) and not pod.finished
