"""Binds on their way: every pod whose place was asked for counts there until the watch shows where it really is."""

from __future__ import annotations

from scheduler.core.facts.books import Charge
from scheduler.core.facts.devices import Uses
from scheduler.core.facts.store import Store, newer
from scheduler.model.effects import Bind
from scheduler.model.events import Failed
from scheduler.model.policy import Patience
from scheduler.model.work import GangKey, Pod, group_key


class Binder:
    """Asks for binds, remembers them, and says when one may be tried again.

    ``_stale`` holds pods whose bind was refused because of a change that has not been seen yet, with the old version.
    """

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store = store
        self._patience = patience
        self._assumed: dict[str, Charge] = {}
        self._retries: dict[str, tuple[float, Bind, int]] = {}
        self._stale: dict[str, str] = {}

    def assume(self, pod: Pod, node: str, devices: Uses, gang: GangKey | None, queue: str, member: str) -> None:
        """Count a pod on a node that it will be bound to, with these parts of its devices."""
        charge = Charge(
            node,
            pod.shape,
            queue,
            gang,
            member,
            takes_room=True,
            label_set=pod.label_set,
            devices=devices,
            firm=self._is_firm(pod),
        )
        self._assumed[pod.uid] = charge
        self._store.charge(pod.uid, charge)

    def bind(
        self, pod: Pod, node: str, devices: Uses, gang: GangKey, queue: str, member: str, *, grouped: bool
    ) -> Bind:
        """Assume a pod on a node, and ask for it."""
        self.assume(pod, node, devices, gang if grouped else None, queue, member)
        return Bind(pod.namespace, pod.name, pod.uid, pod.version, node, gang, devices)

    def pending(self, pod: Pod) -> bool:
        """Whether a pod waits for a bind that is on its way, or for news after one was refused."""
        return pod.uid in self._assumed

    def in_flight(self, uid: str) -> bool:
        return uid in self._assumed

    def observe(self, pod: Pod) -> None:
        """What the watch shows settles what was assumed. To be called before anything else looks at the pod."""
        if pod.node:
            self.forget(pod.uid)
        elif pod.uid in self._stale and newer(self._stale[pod.uid], pod.version) != self._stale[pod.uid]:
            # The news that was waited for: the pod has changed, so the refused bind cannot have happened after all.
            self.forget(pod.uid)

    def charge_of(self, pod: Pod, queue: str, gang: GangKey | None, member: str) -> Charge | None:
        """Where a pod counts as it was last seen: on its node, on the node it was assumed on, or nowhere."""
        if pod.node:
            if pod.finished and not (pod.succeeded and gang is not None):
                return None
            return Charge(
                pod.node,
                pod.shape,
                queue,
                gang,
                member,
                takes_room=not pod.finished,
                label_set=pod.label_set,
                leaving=pod.leaving,
                devices=pod.devices,
                firm=self._is_firm(pod),
                group=group_key(pod.namespace, pod.group) if pod.group else None,
            )
        if pod.nominated and not (pod.ours or pod.finished or pod.leaving):
            # Its labels do not count yet: it may still come elsewhere, and must be near nobody's reason to come here.
            return Charge(pod.nominated, pod.shape, "", None, "", takes_room=True)
        return self._assumed.get(pod.uid)

    def _is_firm(self, pod: Pod) -> bool:
        """Whether a pod, or the gang that it is of, is not preemptible."""
        group = self._store.groups.get(group_key(pod.namespace, pod.group)) if pod.group else None
        return not pod.preemptible if group is None else not group.preemptible

    def forget(self, uid: str) -> None:
        """The pod is gone, or all that was assumed is void: it counts nowhere."""
        self._assumed.pop(uid, None)
        self._retries.pop(uid, None)
        self._stale.pop(uid, None)

    def forget_all(self) -> None:
        """What was on its way is unknown (another leader may have acted): only what the watch shows counts."""
        for uid in tuple(self._assumed):
            self.forget(uid)
            self._store.charge(uid, None)
        self._retries.clear()
        self._stale.clear()

    def failed(self, failure: Failed, now_seconds: float) -> bool:
        """A bind was refused or lost. Whether the pod waits for a place again."""
        effect = failure.effect
        assert isinstance(effect, Bind)
        if effect.uid not in self._assumed:
            return False
        if failure.status in (400, 404, 409, 422):
            pod = self._store.pods.get(effect.uid)
            if pod is not None and newer(pod.version, effect.version) == effect.version:
                # A change that we have not seen yet, perhaps an earlier try of ours whose answer was lost: the room
                # stays taken, and nothing is tried again, until the watch tells.
                self._stale[effect.uid] = effect.version
                self._retries.pop(effect.uid, None)
                return False
            self.forget(effect.uid)
            self._store.charge(effect.uid, None)
            return True
        tried = self._retries.get(effect.uid, (0.0, effect, 0))[2] + 1
        wait_seconds = self._patience.bind_retry_seconds * min(2 ** (tried - 1), 30)
        self._retries[effect.uid] = (now_seconds + wait_seconds, effect, tried)
        return False

    def due(self, now_seconds: float) -> list[Bind]:
        """Lost binds to be tried again: the same request, so that one that had happened all the same is recognised."""
        ready = [uid for uid, (due, _, _) in self._retries.items() if due <= now_seconds]
        again = []
        for uid in ready:
            _, effect, tried = self._retries[uid]
            self._retries[uid] = (float("inf"), effect, tried)
            again.append(effect)
        return again
