"""Small worlds in a few words: events for an engine, and the least of an edge that answers its effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.core.engine import Engine
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.cluster import Node
from scheduler.model.effects import Effect
from scheduler.model.events import Event
from scheduler.model.plan import Cause, Decision, Loss, Plan, Taken, Verdict
from scheduler.model.policy import Policy, VerdictPace
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU, from_quantities
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import GangKey, Pod, PodGroup, group_key, single_key

E = TypeVar("E")

TALKATIVE = Policy(verdicts=VerdictPace(first_seconds=0.0, incomplete_seconds=0.0, writes_per_second=1000.0))


def node(name: str, gpus: int = 8, rack: str = "r1", **facts: object) -> Node:
    labels = {"rack": rack, "kubernetes.io/hostname": name}
    return Node(name, labels, from_quantities({"cpu": "64", "memory": "512Gi", "pods": "110", GPU: gpus}), **facts)  # type: ignore[arg-type]


def shape(gpus: int = 1) -> Shape:
    return Shape(from_quantities({"cpu": "1", "pods": 1, GPU: gpus} if gpus else {"cpu": "1", "pods": 1}))


def pod(name: str, *, group: str = "", gpus: int = 1, version: str = "1", **facts: object) -> Pod:
    asked = facts.pop("shape", None) or shape(gpus)
    return Pod(f"uid-{name}", "team", name, version, asked, ours=True, group=group, **facts)  # type: ignore[arg-type]


def group(name: str, minimum: int, *, required: str = "", version: str = "1", **facts: object) -> PodGroup:
    ask = TopologyAsk(required=required) if required else None
    return PodGroup(f"uid-{name}", "team", name, version, min_member=minimum, topology=ask, **facts)  # type: ignore[arg-type]


RACKS = Topology("fabric", (Level("rack", "rack"), Level("host", "kubernetes.io/hostname")))


ROUNDS_MAX = 300
"""No story of these tests takes so many rounds of effects and answers."""


class Bench:
    """An engine with an edge that accepts everything at once, or loses what it is told to lose."""

    def __init__(self, *nodes: Node, policy: Policy = TALKATIVE, queues: Iterable[Queue] = (Queue("default"),)) -> None:
        self.now = 100.0
        self.engine = Engine(policy)
        self.done: list[Effect] = []
        self.lose: list[type[Effect]] = []
        self.held: list[Effect] = []
        self.chosen: dict[GangKey, Decision] = {}
        """Decisions made by hand, for gangs that do not find room by themselves; each is used until it is accepted."""
        self.guarded: dict[str, str] = {}
        """Pods (by UID) whose eviction is refused, with the server's words."""
        self.versions = 1000
        self.pods: dict[str, Pod] = {}
        self.groups: dict[str, PodGroup] = {}
        first: list[Event] = [*(ev.NodeSeen(each) for each in nodes), *(ev.QueueSeen(each) for each in queues)]
        self.engine.handle([*first, ev.TopologySeen(RACKS), ev.Leading(1), ev.Synced()], self.now)

    def see(self, *objects: Pod | PodGroup) -> None:
        """Tell of objects, then carry out everything that follows from them."""
        events: list[Event] = []
        for each in objects:
            if isinstance(each, Pod):
                self.pods[each.uid] = each
                events.append(ev.PodSeen(each))
            else:
                self.groups[each.name] = each
                events.append(ev.PodGroupSeen(each))
        self.tell(*events)

    def tell(self, *events: Event) -> None:
        todo = self.engine.handle(events, self.now)
        rounds = 0
        while todo or self.engine.busy:
            rounds += 1
            assert rounds < ROUNDS_MAX, f"it does not come to rest: {todo}"
            answers: list[Event] = []
            for effect in todo:
                answers += self._perform(effect)
            todo = self.engine.handle(answers, self.now)

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.tell(ev.Ticked())

    def _perform(self, effect: Effect) -> list[Event]:
        if isinstance(effect, ef.Decide):
            return [ev.Planned(self._plan())]
        if type(effect) in self.lose:
            self.held.append(effect)
            return []
        self.done.append(effect)
        self.versions += 1
        version = str(self.versions)
        answers: list[Event] = [ev.Done(effect, version)]
        match effect:
            case ef.MarkEvicted() | ef.Spare():
                told = isinstance(effect, ef.MarkEvicted)
                self.pods[effect.uid] = msgspec.structs.replace(
                    self.pods[effect.uid], marked_evicted=told, version=version
                )
                answers.append(ev.PodSeen(self.pods[effect.uid]))
            case ef.Evict():
                return self._on_eviction(effect, version)
            case ef.Bind():
                self.pods[effect.uid] = msgspec.structs.replace(
                    self.pods[effect.uid], node=effect.node, version=version
                )
                answers.append(ev.PodSeen(self.pods[effect.uid]))
            case ef.Bump():
                self.pods[effect.uid] = msgspec.structs.replace(self.pods[effect.uid], version=version)
                answers.append(ev.PodSeen(self.pods[effect.uid]))
            case ef.Commit():
                answers.append(self._group(effect.name, version, assignment=effect.assignment))
            case ef.Release():
                again = {} if effect.evictions is None else {"evictions": effect.evictions}
                answers.append(self._group(effect.name, version, assignment=None, phase=effect.phase, **again))
            case ef.MakeGroup():
                made = PodGroup(
                    f"uid-{effect.name}",
                    effect.namespace,
                    effect.name,
                    version,
                    queue=effect.queue,
                    min_member=1,
                    preemptible=effect.preemptible,
                    topology=effect.topology,
                    for_pod=effect.pod_uid,
                )
                self.groups[effect.name] = made
                answers.append(ev.PodGroupSeen(made))
            case ef.DropGroup():
                del self.groups[effect.name]
                answers.append(ev.PodGroupGone(effect.namespace, effect.name))
            case ef.Hold():
                answers.append(self._group(effect.name, version, finalizers=effect.finalizers))
            case ef.WriteStatus():
                status = effect.status
                answers.append(
                    self._group(
                        effect.name,
                        version,
                        phase=status.phase,
                        scheduled=status.scheduled,
                        conditions=status.conditions,
                    )
                )
        return answers

    def _plan(self) -> Plan:
        policy = self.engine.policy
        snapshot = self.engine.snapshot()
        plan = run(decide(snapshot, policy, self.now, policy.budget), greedy_only)
        placed = {decision.gang for decision in plan.decisions}
        waiting = [gang.key for gang in snapshot.pending.all if gang.key in self.chosen and gang.key not in placed]
        taking = tuple(self._founded(self.chosen[key]) for key in waiting)
        verdicts = {**plan.verdicts, **dict.fromkeys(waiting, Verdict(Cause.PLACED))}
        return msgspec.structs.replace(plan, decisions=(*plan.decisions, *taking), verdicts=verdicts)

    def _founded(self, decision: Decision) -> Decision:
        """A decision made by hand that does not say by what right: whom it names it takes, inside the queue."""
        if decision.taken is not None:
            return decision
        pods = [pod for each in decision.victims if (pod := self.pods.get(each.uid)) is not None]
        owners = [group_key(pod.namespace, pod.group) if pod.group else single_key(pod.uid) for pod in pods]
        size = Counter(group_key(pod.namespace, pod.group) for pod in self.pods.values() if pod.group)
        losses = tuple(
            Loss(key, "default", "OwnQueue", pods, whole=pods >= size[key]) for key, pods in Counter(owners).items()
        )
        return msgspec.structs.replace(decision, taken=Taken(losses)) if losses else decision

    def _on_eviction(self, effect: ef.Evict, version: str) -> list[Event]:
        if effect.uid in self.guarded:
            self.done.pop()
            return [ev.Failed(effect, 429, self.guarded[effect.uid])]
        leaving = msgspec.structs.replace(
            self.pods[effect.uid], leaving=True, leaves_seconds=self.now + 30, version=version
        )
        self.pods[effect.uid] = leaving
        return [ev.Done(effect, version), ev.PodSeen(leaving)]

    def go(self, *names: str) -> None:
        """The grace of pods has ended: they are gone."""
        for name in names:
            del self.pods[f"uid-{name}"]
        self.tell(*(ev.PodGone(f"uid-{name}") for name in names))

    def evicted(self) -> list[str]:
        """The names of the pods that were evicted, in order."""
        return [effect.name for effect in self.performed(ef.Evict)]

    def _group(self, name: str, version: str, **changes: object) -> Event:
        self.groups[name] = msgspec.structs.replace(self.groups[name], version=version, **changes)
        return ev.PodGroupSeen(self.groups[name])

    def performed(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.done if isinstance(effect, kind)]

    def nodes_of(self, *names: str) -> list[str]:
        return [self.pods[f"uid-{name}"].node for name in names]

    def phase(self, name: str) -> str:
        return self.groups[name].phase
