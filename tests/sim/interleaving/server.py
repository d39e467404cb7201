"""The model server: objects with versions, one late stream per kind, and effects carried out one at a time."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.core.engine import Engine
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.cluster import Node, Snapshot
from scheduler.model.effects import Effect
from scheduler.model.events import Event
from scheduler.model.queue import Queue
from scheduler.model.resources import GPU
from scheduler.model.work import Pod, PodGroup
from tests.unit.core.world import RACKS, TALKATIVE, group, node

NODES = 4
GPUS_PER_NODE = 4


class Server:
    """``fault`` is the chance that a request or its answer is lost, or refused for no reason."""

    def __init__(self, chance: Random, fault: float) -> None:
        self.chance = chance
        self.fault = fault
        self.now_seconds = 100.0
        self.pods: dict[str, Pod] = {}
        self.groups: dict[str, PodGroup] = {}
        self.nodes: dict[str, Node] = {}
        self.broken: list[str] = []
        self.engine = Engine(TALKATIVE)
        self._version = 100
        self._epoch = 1
        self._streams: dict[str, list[Event]] = {"pods": [], "groups": [], "nodes": []}
        self._requests: list[Effect] = []
        self._answers: list[Event] = []
        self._deciding: Snapshot | None = None
        self._evicted: dict[str, None] = {}
        """Pods (by UID) that were evicted and whose grace has not ended."""
        self.handle([ev.QueueSeen(Queue("default")), ev.TopologySeen(RACKS)])
        for number in range(NODES):
            self.put_node(number)
        self._tell_everything()
        self.handle([ev.Leading(self._epoch), ev.Synced()])

    # --- objects ------------------------------------------------------------------------------------------------------

    def put_node(self, number: int) -> None:
        made = node(f"n{number}", gpus=GPUS_PER_NODE, rack=f"r{number // 2}")
        self.nodes[made.name] = made
        self._streams["nodes"].append(ev.NodeSeen(made))

    def lose_node(self, name: str) -> None:
        del self.nodes[name]
        self._streams["nodes"].append(ev.NodeGone(name))

    def put_pod(self, pod: Pod) -> Pod:
        self.pods[pod.uid] = replace(pod, version=self._next_version())
        self._streams["pods"].append(ev.PodSeen(self.pods[pod.uid]))
        return self.pods[pod.uid]

    def delete_pod(self, uid: str) -> None:
        del self.pods[uid]
        self._next_version()
        self._streams["pods"].append(ev.PodGone(uid))

    def put_group(self, group: PodGroup) -> PodGroup:
        self.groups[group.name] = replace(group, version=self._next_version())
        self._streams["groups"].append(ev.PodGroupSeen(self.groups[group.name]))
        return self.groups[group.name]

    def delete_group(self, name: str) -> None:
        """As an owner does: a group that is held stays until the finalizer goes."""
        if self.groups[name].held:
            self.put_group(replace(self.groups[name], leaving=True))
        else:
            self._remove_group(name)

    def _remove_group(self, name: str) -> None:
        del self.groups[name]
        self._next_version()
        self._streams["groups"].append(ev.PodGroupGone("team", name))

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def gpus_taken(self, node_name: str) -> int:
        """Milli, by pods that stand there."""
        return sum(_gpus(pod) for pod in self.pods.values() if pod.node == node_name and not pod.finished)

    # --- time ---------------------------------------------------------------------------------------------------------

    def handle(self, events: list[Event]) -> None:
        for effect in self.engine.handle(events, self.now_seconds):
            if isinstance(effect, ef.Decide):
                self._deciding = self.engine.snapshot()
            elif not isinstance(effect, ef.Tell):
                self._requests.append(effect)

    def step(self) -> bool:
        """One thing happens somewhere; False: nothing but a user could act now."""
        dice = self.chance.random()
        if dice < 0.35 and self._requests:
            first = 0 if self.chance.random() < 0.6 else self.chance.randrange(len(self._requests))
            self._perform(self._requests.pop(first))
        elif dice < 0.55 and self._answers:
            self.handle([self._answers.pop(self.chance.randrange(len(self._answers)))])
        elif dice < 0.8:
            stream = self._streams[self.chance.choice(list(self._streams))]
            told = self.chance.randint(0, len(stream))
            events, stream[:] = stream[:told], stream[told:]
            self.handle(events)
        elif dice < 0.9 and self._deciding is not None:
            self._decide()
        elif dice < 0.92 and self._evicted:
            self._end_grace(self.chance.choice(list(self._evicted)))
        elif dice < 0.95:
            self.now_seconds += self.chance.choice([0.1, 1, 5])
            self.handle([ev.Ticked()])
        else:
            return False
        if self.engine.busy:
            self.handle([])
        return True

    def settle(self, rounds: int = 6000, quiet: int = 700) -> bool:
        """Without faults, everything in order: whether the engine comes to rest."""
        self.fault = 0.0
        idle = 0
        for number in range(rounds):
            answers, self._answers = self._answers, []
            self.handle(answers)
            for uid in list(self._evicted):
                self._end_grace(uid)
            self._tell_everything()
            if self._deciding is not None:
                self._decide()
            while self.engine.busy:
                self.handle([])
            requests, self._requests = self._requests, []
            for effect in requests:
                self._perform(effect)
            if number % 5 == 0:
                self.now_seconds += 0.5
                self.handle([ev.Ticked()])
            idle = 0 if requests or answers else idle + 1
            if idle > quiet:
                return True
        return False

    def change_leader(self) -> None:
        """The same process loses the lease and takes it back: what was on the way is lost."""
        self.handle([ev.Deposed()])
        self._requests.clear()
        self._answers.clear()
        self._deciding = None
        self._tell_everything()
        self._epoch += 1
        self.handle([ev.Leading(self._epoch), ev.Synced()])

    def _tell_everything(self) -> None:
        for stream in self._streams.values():
            events, stream[:] = stream[:], []
            self.handle(events)

    def _decide(self) -> None:
        snapshot, self._deciding = self._deciding, None
        assert snapshot is not None
        policy = self.engine.policy
        self.handle([ev.Planned(run(decide(snapshot, policy, self.now_seconds, policy.budget), greedy_only))])

    # --- effects ------------------------------------------------------------------------------------------------------

    def _perform(self, effect: Effect) -> None:
        dice = self.chance.random()
        if dice < self.fault:
            self._answers.append(ev.Failed(effect, 0, "lost before it arrived"))
        elif dice < 2 * self.fault:
            self._carry_out(effect)
            self._answers.append(ev.Failed(effect, 0, "its answer was lost"))
        elif dice > 1 - self.fault:
            self._answers.append(ev.Failed(effect, self.chance.choice([429, 500, 503]), "refused for no reason"))
        else:
            self._answers.append(self._carry_out(effect))

    def _carry_out(self, effect: Effect) -> Event:
        match effect:
            case ef.Bind() | ef.Bump() | ef.MarkPod():
                return self._on_pod(effect)
            case ef.MarkEvicted() | ef.Evict() | ef.Spare():
                return self._on_eviction(effect)
            case ef.MakeGroup():
                return self._make_group(effect)
            case ef.DropGroup():
                if effect.name not in self.groups or self.groups[effect.name].uid != effect.uid:
                    return ev.Failed(effect, 404, "not found")
                self._remove_group(effect.name)
                return ev.Done(effect)
            case ef.Commit() | ef.Release() | ef.Hold() | ef.WriteStatus():
                return self._on_group(effect)
        return ev.Done(effect, self._next_version())

    def _on_pod(self, effect: ef.Bind | ef.Bump | ef.MarkPod) -> Event:
        pod = self.pods.get(effect.uid)
        if pod is None:
            return ev.Failed(effect, 404, "not found")
        if isinstance(effect, ef.Bind):
            if pod.version != effect.version or pod.node or pod.leaving or pod.gated:
                return ev.Failed(effect, 409, "conflict")
            self.put_pod(replace(pod, node=effect.node))
            if effect.node in self.nodes and self.gpus_taken(effect.node) > GPUS_PER_NODE * 1000:
                self.broken.append(f"{effect.node} is over-committed by {pod.name}")
            return ev.Done(effect)
        if pod.node and isinstance(effect, ef.Bump):
            return ev.Failed(effect, 409, "already bound")
        if isinstance(effect, ef.MarkPod):
            if pod.version != effect.version:
                return ev.Failed(effect, 409, "conflict")
            if pod.node:
                self.broken.append(f"{pod.name} is bound and marked as waiting")
        return ev.Done(effect, self.put_pod(pod).version)

    def _make_group(self, effect: ef.MakeGroup) -> Event:
        if effect.name in self.groups:
            return ev.Failed(effect, 409, "already exists")
        made = group(effect.name, 1, queue=effect.queue, preemptible=effect.preemptible, for_pod=effect.pod_uid)
        return ev.Done(effect, self.put_group(replace(made, topology=effect.topology)).version)

    def _on_eviction(self, effect: ef.MarkEvicted | ef.Evict | ef.Spare) -> Event:
        pod = self.pods.get(effect.uid)
        if pod is None:
            return ev.Failed(effect, 404, "not found")
        if isinstance(effect, ef.MarkEvicted | ef.Spare):
            told = isinstance(effect, ef.MarkEvicted)
            return ev.Done(effect, self.put_pod(replace(pod, marked_evicted=told)).version)
        if not pod.preemptible:
            self.broken.append(f"{pod.name} is not preemptible and was evicted")
        if not pod.leaving:
            self.put_pod(replace(pod, leaving=True, leaves_seconds=self.now_seconds + 5))
            self._evicted[pod.uid] = None
        return ev.Done(effect)

    def _end_grace(self, uid: str) -> None:
        del self._evicted[uid]
        if uid in self.pods:
            self.delete_pod(uid)

    def _on_group(self, effect: ef.Commit | ef.Release | ef.Hold | ef.WriteStatus) -> Event:
        group = self.groups.get(effect.name)
        if group is None:
            return ev.Failed(effect, 404, "not found")
        if group.version != effect.version:
            return ev.Failed(effect, 409, "conflict")
        match effect:
            case ef.Commit():
                group = replace(group, assignment=effect.assignment, phase="Assigned")
            case ef.Release():
                group = replace(group, assignment=None, phase=effect.phase)
            case ef.Hold():
                if effect.finalizers and group.leaving:
                    return ev.Failed(effect, 422, "no new finalizers on an object that leaves")
                if group.leaving:
                    self._remove_group(effect.name)
                    return ev.Done(effect, str(self._version))
                group = replace(group, finalizers=effect.finalizers)
            case ef.WriteStatus():
                status = effect.status
                group = replace(group, phase=status.phase, scheduled=status.scheduled, conditions=status.conditions)
        return ev.Done(effect, self.put_group(group).version)


def _gpus(pod: Pod) -> int:
    return dict(pod.shape.requests).get(GPU, 0)
