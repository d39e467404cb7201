"""The state machine around decisions: events in, effects out. It performs nothing and reads no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from math import inf

import msgspec

from scheduler.core.binder import Binder
from scheduler.core.facts.standing import standing
from scheduler.core.facts.store import Store
from scheduler.core.gangs.claims import GangClaims
from scheduler.core.gangs.gangs import Gangs
from scheduler.core.gangs.resolve import single_gang
from scheduler.core.grouping_words import FLAVORS, TOPOLOGIES, GroupingWords
from scheduler.core.leaving.clearing import Clearing
from scheduler.core.leaving.evictor import Evictor
from scheduler.core.leaving.giving_way import GivingWay
from scheduler.core.queues.singles import Singles
from scheduler.core.queues.words import QueueWords
from scheduler.core.verify.admission import Admission
from scheduler.core.verify.verify import refusal_of
from scheduler.core.verify.volumes import volume_refusal
from scheduler.core.voice import Voice, pod_effects
from scheduler.core.volumes.preparing import Preparer
from scheduler.core.volumes.single_claims import SingleClaims
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.bundle import Pending
from scheduler.model.cluster import Snapshot
from scheduler.model.effects import Effect
from scheduler.model.events import Event
from scheduler.model.plan import Cause, Decision, Plan, Verdict
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue
from scheduler.model.work import Gang, GangKey, Pod, PodGroup, group_key, single_key

PODS_PER_STEP = 200
"""How many pods' places are verified and applied before the loop may turn to other events; a gang counts ten more."""

REST_SECONDS = 0.1
"""After a plan of which nothing was accepted the next one waits so long: what stays blocked then costs little."""


class Engine:
    """Everything between what was seen and what is done. `handle` may be called with many events at once; while `busy`,
    it wants to be called again (with none) to go on with a plan."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.store = Store()
        self._binder = Binder(self.store, policy.patience)
        self._voice = Voice(policy.verdicts)
        self._admission = Admission(self.store, policy)
        self._preparer = Preparer(self.store, policy.patience)
        self._claims = SingleClaims(self.store, self._binder, self._preparer, policy.patience)
        self._evictor = Evictor(self.store, policy.patience)
        gang_claims = GangClaims(self.store, self._admission, self._preparer)
        giving_way = GivingWay(self.store, self._evictor, policy)
        self._gangs = Gangs(self.store, self._binder, self._voice, self._admission, gang_claims, giving_way, policy)
        self._clearing = Clearing(
            self.store, self._evictor, giving_way, policy.taking, self._gangs.harm.stale, self._gangs.losses.has_given
        )
        self._singles = Singles()
        self._adopted: dict[str, str] = {}
        """Single pods (by UID) that have a PodGroup of ours, and its name."""
        self._leading = False
        self._synced = False
        self._epoch = 0
        self._deciding = False
        self._decided_version = -1
        self._again_at = inf
        self._decided_nodes = self.store.table()
        self._accepted = 0
        self._stirred = False
        self._settled = False
        """Work began to run since the last decision was asked for: from now on it may be asked to give way."""
        self._plan: Plan | None = None
        self._decisions: deque[Decision] = deque()
        self._queue_words = QueueWords(self.store, policy)
        self._grouping_words = GroupingWords(self.store)
        self._now_seconds = 0.0
        self._volumes_seen = (0, 0)
        self._queues_stirred = False
        self._gangs_stirred = False
        self._rest_until = 0.0
        self.refused_decisions = 0

    # -- what others may ask ---------------------------------------------------------------------------------------

    @property
    def acting(self) -> bool:
        """Whether effects may be asked for: we lead, and have seen everything that stood when we began to."""
        return self._leading and self._synced

    @property
    def busy(self) -> bool:
        return bool(self._decisions)

    @property
    def deciding(self) -> bool:
        """Whether a decision was asked for and has not come."""
        return self._deciding

    @property
    def stirred(self) -> bool:
        """Whether something has happened that the next decision is to look at."""
        return self._stirred

    def snapshot(self) -> Snapshot:
        """The picture that the decision asked for is made from."""
        picture = self.store.snapshot(self._pending())
        picture = replace(picture, past_by=self._queue_words.history.past())
        taking = self.policy.taking
        if taking.preempt or taking.reclaim or taking.moves:
            running = self._gangs.running.all(self._now_seconds)
            picture = replace(picture, running=running, guards=self.store.guards.allowed())
        return replace(picture, standing=standing(self.store))

    def _pending(self) -> Pending:
        return Pending(tuple(self._gangs.states.pending.values()), self._singles.bundles())

    @property
    def waiting(self) -> tuple[int, int]:
        """(gangs, single pods) that wait for a decision or for a place."""
        return len(self._gangs.states.pending), len(self._singles)

    # -- events ----------------------------------------------------------------------------------------------------

    def handle(self, events: Iterable[Event], now_seconds: float) -> list[Effect]:
        """Apply events and say what is to be done. Order within a kind is the order of the watch."""
        self._now_seconds = now_seconds
        effects: list[Effect] = []
        for event in events:
            effects += self._apply(event, now_seconds)
        if self._queues_stirred:
            self._settle_queues()
        if self._gangs_stirred:
            self._gangs_stirred = False
            self._gangs.touch_all()
        self._settle_volumes()
        if not self.acting:
            return []
        # A review first: decisions are checked against gangs as they are now.
        effects += self._gangs.review(now_seconds)
        effects += self._next_decisions(now_seconds)
        effects += self._prepared_singles(now_seconds)
        effects += self._evictor.take()
        if self._gangs.stirred:
            self._gangs.stirred, self._stirred = False, True
        if self._gangs.settled:
            self._gangs.settled, self._settled = False, True
        if now_seconds >= self._again_at:
            self._again_at, self._stirred = inf, True
        rested = self._accepted > 0 or now_seconds >= self._rest_until
        if self._stirred and rested and not self._deciding and not self._decisions:
            self._stirred = self._settled = False
            if self._gangs.states.pending or len(self._singles):
                self._deciding, self._accepted = True, 0
                self._decided_version, self._decided_nodes = self.store.version, self.store.table()
                effects.append(ef.Decide(self.store.version))
        return effects

    def _apply(self, event: Event, now_seconds: float) -> list[Effect]:
        match event:
            case ev.PodSeen(pod):
                self._see_pod(pod)
            case ev.Done():
                self._done(event)
            case ev.Ticked():
                return self._tick(now_seconds)
            case ev.PodGone(uid):
                self._lose_pod(uid)
            case ev.PodGroupSeen(group):
                self._see_group(group)
            case ev.PodGroupGone(namespace, name):
                self._lose_group(group_key(namespace, name))
            case ev.Planned(plan) if self._deciding and plan.made_from == self._decided_version:
                self._plan = plan
                self._decisions.extend(plan.decisions)
                self._note_verdicts(plan, now_seconds)
                if plan.final:
                    self._again_at = inf if plan.again_at_seconds is None else plan.again_at_seconds
                    self._deciding = False
                    self._rest_until = now_seconds + REST_SECONDS
            case ev.Planned():
                pass  # asked for before we lost the lease or started over
            case ev.PlanFailed():
                self._deciding = False
                self._stirred = True
            case ev.Failed():
                self._failed(event, now_seconds)
            case ev.StorageSeen(kind, found):
                self.store.volumes.see(kind, found)
            case ev.StorageGone(kind, key):
                self.store.volumes.lose(kind, key)
            case _:
                self._apply_rare(event)
        return []

    def _apply_rare(self, event: Event) -> None:
        store = self.store
        match event:
            case ev.NodeSeen(node):
                self._stirred |= store.see_node(node)
            case ev.NodeGone(name):
                store.lose_node(name)
                self._gangs_stirred = self._stirred = True
            case ev.QueueSeen(queue):
                before = store.queues.get(queue.name)
                store.queues[queue.name] = queue
                if before is None or _tree_facts(before) != _tree_facts(queue):
                    self._queues_stirred = True
            case ev.QueueGone(name):
                store.queues.pop(name, None)
                self._queue_words.forget(name)
                self._queues_stirred = True
            case ev.TopologySeen() | ev.TopologyGone() | ev.FlavorSeen() | ev.FlavorGone():
                self._apply_order(event)
            case ev.NamespaceSeen(name, default_queue, labels):
                if store.census.namespaces.get(name, ()) != labels:
                    store.census.namespaces[name] = labels
                    self._stirred = True
                if store.default_queue_of.get(name, "") != default_queue:
                    store.default_queue_of[name] = default_queue
                    self._queues_stirred = True
            case ev.NamespaceGone(name):
                store.default_queue_of.pop(name, None)
                store.census.namespaces.pop(name, None)
            case _:
                self._apply_protection(event)

    def _apply_protection(self, event: Event) -> None:
        """What says who may take from whom besides queues: priority classes and PodDisruptionBudgets."""
        store = self.store
        match event:
            case ev.PriorityClassSeen(name):
                self._gangs_stirred |= store.priority_classes.get(name) != event
                store.priority_classes[name] = event
            case ev.PriorityClassGone(name):
                store.priority_classes.pop(name, None)
                self._gangs_stirred = True
            case ev.GuardSeen(guard):
                self._stirred |= store.guards.see(guard)
            case ev.GuardGone(key):
                self._stirred |= store.guards.lose(key)
            case _:
                self._apply_leadership(event)

    def _apply_order(self, event: Event) -> None:
        """What groups the nodes: topologies and flavors."""
        store = self.store
        match event:
            case ev.TopologySeen(topology, stands):
                self._stirred |= store.topologies.get(topology.name) != topology
                store.topologies[topology.name] = topology
                self._grouping_words.see((TOPOLOGIES, topology.name), stands)
            case ev.TopologyGone(name):
                store.topologies.pop(name, None)
                self._grouping_words.forget((TOPOLOGIES, name))
                self._stirred = True
            case ev.FlavorSeen(flavor, stands):
                self._stirred |= store.see_flavor(flavor)
                self._grouping_words.see((FLAVORS, flavor.name), stands)
            case ev.FlavorGone(name):
                store.lose_flavor(name)
                self._grouping_words.forget((FLAVORS, name))
                self._stirred = True

    def _apply_leadership(self, event: Event) -> None:
        match event:
            case ev.Leading(epoch):
                self._leading, self._synced, self._epoch = True, False, epoch
            case ev.Deposed():
                self._leading = self._synced = self._deciding = False
                self._decisions.clear()
            case ev.Synced():
                self._start_over()
            case _:
                raise AssertionError(f"unknown event {event!r}")

    def _start_over(self) -> None:
        """Everything that stands on the server has been seen: what we had on its way before counts no longer."""
        self._synced = True
        self._deciding = False
        self._decisions.clear()
        self._binder.forget_all()
        self._preparer.forget_all()
        self._evictor.forget_all()
        self._claims.forget_all()
        self.store.volumes.forget_stands()
        for pod in tuple(self.store.pods.values()):
            if pod.ours and not pod.group:
                self._see_single(pod)
        self._gangs.forget_flights()
        self._queue_words.forget_all(self._now_seconds)
        self._grouping_words.forget_flights()
        self._stirred = True

    # -- pods ------------------------------------------------------------------------------------------------------

    def _see_pod(self, pod: Pod) -> None:
        if pod.uid in self._adopted and not pod.group:
            pod = msgspec.structs.replace(pod, group=self._adopted[pod.uid])
        if pod.finished and not (pod.ours and pod.group):
            if pod.ours and pod.uid in self.store.pods:
                self.store.ages.observe(pod, self._now_seconds)
            # A finished pod takes no room and nothing waits for it; only a gang counts its finished pods.
            self._lose_pod(pod.uid)
            return
        if pod.ours and (not pod.group or pod.uid in self._adopted):
            self.store.ages.observe(pod, self._now_seconds)
        before = self.store.pods.get(pod.uid)
        if before is not None and before.ours and before.group != pod.group:
            self._leave_group(before)
        self._binder.observe(pod)
        self._evictor.observe(pod)
        self.store.see_pod(pod)
        had_room = before is not None and before.node and not before.finished
        self._settled |= bool(pod.node) and (before is None or not before.node)
        if had_room and pod.finished:
            self._stirred = True
        if before is not None and (before.label_set, before.leaving) != (pod.label_set, pod.leaving):
            self._stirred = True  # other pods' selectors may see it differently now
        if pod.ours and pod.group:
            self._gangs.see_pod(group_key(pod.namespace, pod.group), pod, before)
            charge = self.store.charges.get(pod.uid)
            member, queue = ("", "") if charge is None else (charge.member, charge.queue)
            if charge is not None and charge.gang is not None:
                self.store.charge(pod.uid, self._binder.charge_of(pod, queue, charge.gang, member))
            elif charge is not None and self._gangs.departs(pod):
                self.store.charge(pod.uid, self._binder.charge_of(pod, queue, None, ""))
            elif pod.node:
                self._recharge_member(pod)
        elif pod.ours:
            self._see_single(pod)
        else:
            self.store.charge(pod.uid, self._binder.charge_of(pod, "", None, ""))
            if before is None or (before.node, before.nominated) != (pod.node, pod.nominated):
                self._stirred = True

    def _adopt(self, uid: str, group: str) -> None:
        """A PodGroup was made for a single pod, or (empty) is gone: the pod is its only one, or single again."""
        if self._adopted.get(uid, "") == group:
            return
        if group:
            self._adopted[uid] = group
        else:
            del self._adopted[uid]
        pod = self.store.pods.get(uid)
        if pod is not None:
            self._see_pod(msgspec.structs.replace(pod, group=group))

    def _see_group(self, group: PodGroup) -> None:
        self._gangs.see_group(group)
        if group.for_pod:
            self._adopt(group.for_pod, group.name)

    def _lose_group(self, key: GangKey) -> None:
        group = self.store.groups.get(key)
        self._gangs.lose_group(key)
        if group is not None and group.for_pod:
            self._adopt(group.for_pod, "")
        self._stirred = True

    def _leave_group(self, before: Pod) -> None:
        """A pod's label was changed: what it was before, it is no longer."""
        self.store.charge(before.uid, None)
        self._singles.drop(before.uid)
        self._voice.drop(single_key(before.uid))
        if before.group:
            key = group_key(before.namespace, before.group)
            self.store.forget_member(key, before.uid)
            self._gangs.lose_pod(key, before)

    def _recharge_member(self, pod: Pod) -> None:
        """A gang's pod that is bound and not charged yet counts at once, as its gang's as soon as that is known."""
        key = group_key(pod.namespace, pod.group)
        self.store.charge(pod.uid, self._binder.charge_of(pod, self._gangs.states.queue_of(key), None, ""))
        self._gangs.recharge(key)

    def _see_single(self, pod: Pod) -> None:
        self._gangs.running.touch(single_key(pod.uid))
        queue = pod.queue or self.store.fallback_queue(pod.namespace)
        self.store.charge(pod.uid, self._binder.charge_of(pod, queue, None, ""))
        waits = not (pod.node or pod.finished or pod.leaving or pod.gated or self._binder.pending(pod))
        if waits and self._claims.rests(pod.uid):
            self._singles.drop(pod.uid)
            return
        known = self._singles.get(pod.uid)
        if not waits:
            self._singles.drop(pod.uid)
            self._voice.drop(single_key(pod.uid))
            return
        gang = single_gang(self.store.with_volumes(pod), queue, self.store.ages.since_seconds(pod))
        if known != gang:
            self._singles.put(pod.uid, gang)
            self._stirred = True

    def _lose_pod(self, uid: str) -> None:
        pod = self.store.lose_pod(uid)
        if pod is None:
            return
        self._gangs.running.touch(single_key(uid))
        self._binder.forget(uid)
        self._evictor.forget(uid)
        self.store.ages.forget(uid)
        self._claims.forget(uid)
        self._gangs.went(pod)
        if uid in self.store.charges:
            if pod.succeeded:
                self.store.spend(uid)
            else:
                self.store.charge(uid, None)
            self._stirred = True
        self._singles.drop(uid)
        self._voice.drop(single_key(uid))
        if pod.ours and pod.group:
            self._gangs.lose_pod(group_key(pod.namespace, pod.group), pod)

    def _settle_volumes(self) -> None:
        """Storage or its use changed: done once for all events of a step, and only for who waits with volumes."""
        volumes = self.store.volumes
        if volumes.version == self._volumes_seen[0] and volumes.asks_version == self._volumes_seen[1]:
            return
        asks_changed = volumes.asks_version != self._volumes_seen[1]
        self._volumes_seen = (volumes.version, volumes.asks_version)
        self._claims.stirred = True
        for pod in volumes.unbound():
            if not pod.ours:
                continue
            self._stirred = True
            if asks_changed and pod.group:
                self._gangs.reconsider(group_key(pod.namespace, pod.group))
            elif asks_changed:
                self._see_single(pod)

    # -- queues ----------------------------------------------------------------------------------------------------

    def _settle_queues(self) -> None:
        """The tree or a default changed: done once for all events of a step. Only work that names no queue of its own
        can belong to another one now."""
        self.store.requeue()
        self._queue_words.stir()
        for pod in tuple(self.store.pods.values()):
            if pod.ours and not pod.group and not pod.queue:
                self._see_single(pod)
        for key in tuple(self.store.groups):
            self._gangs.recharge(key)
        self._queues_stirred, self._gangs_stirred, self._stirred = False, True, True

    # -- plans -----------------------------------------------------------------------------------------------------

    def _note_verdicts(self, plan: Plan, now_seconds: float) -> None:
        for key, verdict in self._voice.hear(plan.verdicts, self._singles.keys(), now_seconds):
            if verdict.cause is Cause.PLACED or key not in self._gangs.states.pending:
                continue
            # A gang that runs and could only grow needs no verdict; one that holds nothing but finished pods does.
            if not self._gangs.states.pending[key].held or self.store.book(key).record is None:
                self._voice.note(key, verdict, now_seconds)
                self._gangs.touch(key)

    def _next_decisions(self, now_seconds: float) -> list[Effect]:
        """Verify and apply the next part of the plan; a refused decision waits for the next cycle."""
        effects: list[Effect] = []
        left = PODS_PER_STEP
        some = bool(self._decisions)
        while self._decisions and left > 0:
            decision = self._decisions.popleft()
            uid = decision.gang.removeprefix("pod/")
            left -= (
                1 if uid != decision.gang else 10 + sum(each.count for place in decision.places for each in place.nodes)
            )
            single = self._singles.get(uid) if uid != decision.gang else None
            gang = single or self._gangs.states.pending.get(decision.gang)
            if gang is None:
                continue
            # Nodes that are what they were when the decision was made need not be filtered again.
            admission = None if self.store.table() is self._decided_nodes else self._admission
            refusal = refusal_of(self.store, admission, gang, decision)
            if (refusal or volume_refusal(self.store, self._admission, gang, decision)) is not None:
                self.refused_decisions += 1
                self._stirred = True
                continue
            assert self._plan is not None
            if single is not None and (decision.victims or decision.moves):
                effects += self._take_for_single(uid, gang, decision, now_seconds)
            elif single is not None:
                effects += self._bind_single(uid, gang, decision, now_seconds)
            else:
                asked = self._gangs.decisions.accept(gang, decision, self._plan.made_from, now_seconds, self._epoch)
                self._accepted += len(asked)
                effects += asked
        if some and not self._decisions and self._accepted and self._others_help():
            self._stirred = True
        return effects

    def _others_help(self) -> bool:
        """Whether something waits that others make room for by being placed: those it must be near, or that level a
        spread."""
        asks = (member.shape.relations for gang in self._pending().asking for member in gang.members)
        return any(each is not None and (each.affinity is not None or bool(each.spread)) for each in asks)

    def _take_for_single(self, uid: str, gang: Gang, decision: Decision, now_seconds: float) -> list[Effect]:
        assert self._plan is not None
        pod, made_from = self.store.pods[uid], self._plan.made_from
        effects = self._gangs.decisions.accept_single(pod, gang, decision, made_from, now_seconds, self._epoch)
        if effects:
            self._singles.drop(uid)
            self._voice.drop(gang.key)
            self._accepted += 1
        return effects

    def _bind_single(self, uid: str, gang: Gang, decision: Decision, now_seconds: float) -> list[Effect]:
        self._singles.drop(uid)
        self._voice.drop(gang.key)
        pod, place = self.store.pods[uid], decision.places[0].nodes[0]
        self._accepted += 1
        if pod.volumes is not None:
            self._claims.begin(pod, place, gang.key, gang.queue, now_seconds)
            return []
        return [self._binder.bind(pod, place.node, place.devices, gang.key, gang.queue, "", grouped=False)]

    def _prepared_singles(self, now_seconds: float) -> list[Effect]:
        """Go on with the claims of single pods; those whose claims cannot be made ready wait a while."""
        if not self._claims.stirred:
            return []
        effects, given_back = self._claims.review(now_seconds)
        for pod, refusal in given_back:
            self._voice.note(single_key(pod.uid), Verdict(Cause.BACKOFF, (refusal,)), now_seconds)
        self._stirred |= bool(given_back)
        return effects

    # -- answers ---------------------------------------------------------------------------------------------------

    def _done(self, answer: ev.Done) -> None:
        effect = answer.effect
        if isinstance(effect, ef.MarkPod | ef.Bump) and not self._binder.in_flight(effect.uid):
            # The next bind must not be refused because of our own word about the pod.
            self.store.renew_pod(effect.uid, answer.version)
        if isinstance(effect, ef.SelectNode | ef.ReserveVolume):
            self._preparer.done(effect, answer.version)
            self._claims.stirred = True
        if isinstance(effect, ef.MarkEvicted | ef.Evict | ef.Spare):
            self._evictor.done(effect)
            pod = self.store.pods.get(effect.uid)
            if pod is not None and isinstance(effect, ef.Evict):
                self._gangs.went(pod)
        if isinstance(effect, ef.WriteQueueStatus | ef.ProtectQueue):
            self._queue_words.done(effect, answer.version, self._now_seconds)
        if isinstance(effect, ef.WriteGroupingStatus):
            self._grouping_words.done(effect, answer.version)
        key = _group_of(effect)
        if key is not None:
            self._gangs.done(key, answer, self._now_seconds)

    def _failed(self, failure: ev.Failed, now_seconds: float) -> None:
        effect = failure.effect
        if isinstance(effect, ef.Bind):
            if self._binder.failed(failure, now_seconds):
                pod = self.store.pods.get(effect.uid)
                if pod is None:
                    return
                if pod.group:
                    self._gangs.loosen(group_key(pod.namespace, pod.group), effect.uid)
                else:
                    self._see_single(pod)
            return
        if isinstance(effect, ef.MarkPod) and (failure.status in (0, 409, 429) or failure.status >= 500):
            pod = self.store.pods.get(effect.uid)
            if pod is not None:
                self._voice.unsay(group_key(pod.namespace, pod.group) if pod.group else single_key(pod.uid))
        if isinstance(effect, ef.SelectNode | ef.ReserveVolume):
            self._preparer.failed(effect, now_seconds)
        if isinstance(effect, ef.MarkEvicted | ef.Evict | ef.Spare):
            self._evictor.failed(failure, now_seconds)
            if not isinstance(effect, ef.Spare) and effect.gang:
                self._gangs.touch(effect.gang)
        if isinstance(effect, ef.MakeGroup) and failure.status in (403, 404, 422):
            pod = self.store.pods.get(effect.pod_uid)
            if pod is not None:
                self._claims.rest(effect.pod_uid, now_seconds + self.policy.patience.taking_retry_seconds)
                self._see_single(pod)
        if isinstance(effect, ef.WriteQueueStatus | ef.ProtectQueue | ef.WriteGroupingStatus):
            self._words_failed(effect, now_seconds, failure.status)
        key = _group_of(effect)
        if key is not None:
            self._gangs.failed(key, failure, now_seconds)

    def _words_failed(
        self, effect: ef.WriteQueueStatus | ef.ProtectQueue | ef.WriteGroupingStatus, now_seconds: float, status: int
    ) -> None:
        if isinstance(effect, ef.WriteGroupingStatus):
            self._grouping_words.failed(effect, now_seconds, conflict=status == 409)
        else:
            self._queue_words.failed(effect, now_seconds, status)

    def _tick(self, now_seconds: float) -> list[Effect]:
        if not self.acting:
            return []
        self._stirred |= self._settled  # not before the tick, so that many who begin bring one decision
        for uid in self._claims.rested(now_seconds):
            self._see_single(self.store.pods[uid])
        effects: list[Effect] = [*self._binder.due(now_seconds), *self._gangs.tick(now_seconds)]
        effects += self._queue_words.due(self._pending, now_seconds)
        effects += self._grouping_words.due(now_seconds)
        effects += self._clearing.review(now_seconds)
        effects += self._evictor.spare(now_seconds)
        for key in self._voice.due(now_seconds):
            saying = self._voice.of(key)
            pod = self.store.pods.get(key.removeprefix("pod/"))
            if pod is not None and saying is not None:
                words = pod_effects(pod, saying, tell=True)
            else:
                words = self._gangs.speak(key)
            self._voice.spend(max(0, len(words) - 1))
            effects += words
        return effects


def _tree_facts(queue: Queue) -> tuple[str, int, bool]:
    """What changes when something about the tree does, rather than what is said about a queue."""
    return queue.uid, queue.generation, queue.leaving


def _group_of(effect: Effect) -> GangKey | None:
    match effect:
        case ef.Commit() | ef.Release() | ef.Hold() | ef.WriteStatus() | ef.MakeGroup() | ef.DropGroup():
            return group_key(effect.namespace, effect.name)
        case ef.Bump():
            return effect.gang
        case _:
            return None
