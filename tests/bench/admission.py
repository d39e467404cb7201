"""Kueue's own baseline workload, replayed against the engine: how long work waits in thirty borrowing queues.

5 cohorts of 6 queues, each queue guaranteed 20 and lent up to 100 more; per queue 350 small workloads (1 unit, 0.2 s,
priority 50, one every 0.1 s), 100 medium (5, 0.5 s, 100, every 0.5 s) and 50 large (20, 1 s, 200, every 1.2 s): 15,000
in all. Source: kubernetes-sigs/kueue, test/performance/scheduler/configs/baseline. Only quota binds: no node is short.

The engine and its decisions are the real ones and run on virtual time, paced as `scheduler.runtime` paces them. Every
second that they or a solver compute is charged to the clock, one after the other, though the solver has a process of
its own. What happens meanwhile elsewhere does happen meanwhile: API calls, one after the other at the measured ceiling,
binds and evictions before words, each from the moment that it was asked for; pods come and end. A part of a plan is
acted on when it is there, and a solve that ends on news ends on news.

    python -m tests.bench.admission [--calls-per-second 800] [--scale 1.0] [--policy FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np

from scheduler.core.decide import Memory, decide
from scheduler.core.engine import Engine
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.cluster import Node
from scheduler.model.effects import Effect
from scheduler.model.events import Event
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import from_quantities
from scheduler.model.shape import Shape
from scheduler.model.work import Pod, PodGroup
from scheduler.policyfile import load
from scheduler.runtime import EVENTS_PER_STEP, GATHER_SECONDS, TICK_SECONDS
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.bench.measure import columns, machine, write_json

COHORTS = 5
QUEUES = 6
GUARANTEED = 20
BORROWED_MAX = 100
UNIT = "cpu"


@dataclass(frozen=True, slots=True)
class Class:
    """One class of workloads of each queue, with the mean time to admission that Kueue publishes (351 s in all)."""

    name: str
    count: int
    every_seconds: float
    units: int
    run_seconds: float
    priority: int
    published_seconds: float


CLASSES = (
    Class("small", 350, 0.1, 1, 0.2, 50, 215.0),
    Class("medium", 100, 0.5, 5, 0.5, 100, 76.8),
    Class("large", 50, 1.2, 20, 1.0, 200, 16.5),
)
PUBLISHED_WALL_SECONDS = 351.0
WORDS = (ef.MarkPod, ef.Tell, ef.WriteStatus, ef.WriteQueueStatus, ef.ProtectQueue, ef.WriteGroupingStatus)
"""Effects that may wait."""


def quota_bound_seconds(scale: float) -> float:
    """No order of admission ends before this: work done by when it has come, and the rest at full use.

    All cohorts are equal; at any moment t, what has come after t still takes its time at the whole quota.
    """
    total = QUEUES * GUARANTEED
    moments = sorted({each.every_seconds * index for each in CLASSES for index in range(round(each.count * scale))})

    def after(moment: float) -> float:
        left = 0.0
        for each in CLASSES:
            come = [index for index in range(round(each.count * scale)) if each.every_seconds * index >= moment]
            left += len(come) * each.units * each.run_seconds * QUEUES
        return moment + left / total

    return max(after(moment) for moment in moments)


class Ends(msgspec.Struct, frozen=True):
    """A pod has run as long as its work takes."""

    uid: str


@dataclass(slots=True)
class Work:
    """One workload: where it belongs, when it came, and when it was first bound."""

    name: str
    queue: str
    kind: Class
    came_seconds: float
    tries: int = 0
    admitted_seconds: float | None = None
    evictions: int = 0


@dataclass(slots=True)
class Replay:
    """The virtual world around an engine. ``now`` moves by events, by API calls and by what the engine computes."""

    policy: Policy
    calls_per_second: float
    scale: float
    now: float = 0.0
    engine: Engine = field(init=False)
    computed_seconds: float = 0.0
    calls: int = 0
    decisions: int = 0
    work: dict[str, Work] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    groups: dict[str, PodGroup] = field(default_factory=dict)
    """Those that the scheduler makes for single pods that take from others."""
    _coming: list[tuple[float, int, Event | Ends]] = field(default_factory=list)
    _urgent: deque[tuple[float, Effect]] = field(default_factory=deque)
    """Effects, each with the moment since when it waits for its API call."""
    _words: deque[tuple[float, Effect]] = field(default_factory=deque)
    _free_seconds: float = 0.0
    """When the API call after the last one may begin."""
    _news: list[float] = field(default_factory=list)
    """When pods come and end: what a solve may be cut short by."""
    _known_seconds: float = 0.0
    """What happened until then has been handed to the engine."""
    _number: int = 0
    _left: int = 0
    _memory: Memory = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(self.policy)
        self._memory = Memory(self.policy)
        big = from_quantities({UNIT: 10_000, "memory": "1Ti", "pods": 100_000})
        first: list[Event] = [ev.NodeSeen(Node(f"n{number}", {}, big)) for number in range(4)]
        first += [ev.QueueSeen(queue) for queue in queues()]
        self.engine.handle([*first, ev.Leading(1), ev.Synced()], self.now)
        for queue in queues():
            for kind in CLASSES if queue.parent else ():
                for index in range(round(kind.count * self.scale)):
                    self._submit(queue.name, kind, index)
        self._left = len(self.work)
        self._come(TICK_SECONDS, ev.Ticked())

    def run(self) -> None:
        while self._left:
            self._call()
            events = self._due()
            if events or self.engine.busy:
                self._handle(events)
            else:
                self.now = self._next_moment() + GATHER_SECONDS

    def _handle(self, events: Iterable[Event]) -> None:
        began = perf_counter()
        effects = self.engine.handle(events, self.now)
        self._charge(perf_counter() - began)
        for effect in effects:
            if isinstance(effect, ef.Decide):
                self._decide()
            elif isinstance(effect, WORDS):
                self._words.append((self.now, effect))
            else:
                self._urgent.append((self.now, effect))

    def _decide(self) -> None:
        """A decision from its snapshot to its last plan; a part of it is acted on as soon as it is there."""
        self.decisions += 1
        while self._news and self._news[0] <= self._known_seconds:
            heapq.heappop(self._news)
        began = perf_counter()
        deciding = decide(self.engine.snapshot(), self.policy, self.now, self.policy.budget, self._memory)
        answer: SolveResult | None = None
        while True:
            try:
                asked = deciding.send(answer)
            except StopIteration as end:
                self._charge(perf_counter() - began)
                self._come(self.now, ev.Planned(end.value))
                return
            answer = None
            if isinstance(asked, Plan):
                self._charge(perf_counter() - began)
                self._handle([ev.Planned(asked)])
                while self.engine.busy:
                    self._handle([])
                began = perf_counter()
            else:
                answer = self._solved(asked, began)

    def _solved(self, request: SolveRequest, began: float) -> SolveResult:
        def news() -> bool:
            """Whether something has happened by now that the next decision is to look at."""
            return bool(self._news) and self._news[0] <= self.now + perf_counter() - began

        answers = list(solve(request, stop=news) if request.patient else solve(request))
        return answers[-1] if answers else SolveResult(incumbent=None, end="failed")

    def _charge(self, seconds: float) -> None:
        self.now += seconds
        self.computed_seconds += seconds

    def _call(self) -> None:
        """API calls up to now, one after the other at the ceiling; words where nothing urgent waits."""
        while self._urgent or self._words:
            at = max(self._free_seconds, min(lane[0][0] for lane in (self._urgent, self._words) if lane))
            if at > self.now:
                return
            lane = self._urgent if self._urgent and self._urgent[0][0] <= at else self._words
            _, effect = lane.popleft()
            self._free_seconds = at + 1 / self.calls_per_second
            self.calls += 1
            for event in self._perform(effect):
                self._come(self._free_seconds, event)

    def _perform(self, effect: Effect) -> list[Event]:
        if isinstance(effect, ef.MarkEvicted | ef.Spare | ef.Evict) and effect.uid not in self.pods:
            return [ev.Failed(effect, 404, "not found")]
        version = self._version()
        answers: list[Event] = [ev.Done(effect, version)]
        match effect:
            case ef.Bind():
                pod = self.pods[effect.uid] = msgspec.structs.replace(
                    self.pods[effect.uid], node=effect.node, version=self._version(), started_seconds=self.now
                )
                work = self.work[pod.name.rpartition(".")[0]]
                work.admitted_seconds = self._free_seconds if work.admitted_seconds is None else work.admitted_seconds
                self._come(self._free_seconds + work.kind.run_seconds, Ends(pod.uid))
                answers.append(ev.PodSeen(pod))
            case ef.Evict():
                answers += [ev.PodGone(effect.uid), ev.PodSeen(self._evicted(effect.uid))]
            case ef.MarkEvicted() | ef.Spare():
                told = isinstance(effect, ef.MarkEvicted)
                pod = msgspec.structs.replace(self.pods[effect.uid], marked_evicted=told, version=version)
                self.pods[effect.uid] = pod
                answers.append(ev.PodSeen(pod))
            case ef.MakeGroup():
                made = PodGroup(
                    f"uid-{effect.name}",
                    effect.namespace,
                    effect.name,
                    version,
                    queue=effect.queue,
                    min_member=1,
                    preemptible=effect.preemptible,
                    for_pod=effect.pod_uid,
                )
                answers.append(self._see(made))
            case ef.DropGroup() if effect.name in self.groups:
                del self.groups[effect.name]
                answers.append(ev.PodGroupGone(effect.namespace, effect.name))
            case ef.Commit() if effect.name in self.groups:
                answers.append(self._changed(effect.name, version, assignment=effect.assignment))
            case ef.Release() if effect.name in self.groups:
                answers.append(self._changed(effect.name, version, assignment=None, phase=effect.phase))
            case ef.Hold() if effect.name in self.groups:
                answers.append(self._changed(effect.name, version, finalizers=effect.finalizers))
            case ef.WriteStatus() if effect.name in self.groups:
                status = effect.status
                answers.append(self._changed(effect.name, version, phase=status.phase, scheduled=status.scheduled))
        return answers

    def _see(self, group: PodGroup) -> Event:
        self.groups[group.name] = group
        return ev.PodGroupSeen(group)

    def _changed(self, name: str, version: str, **changes: object) -> Event:
        return self._see(msgspec.structs.replace(self.groups[name], version=version, **changes))

    def _evicted(self, uid: str) -> Pod:
        """Its controller makes another pod at once; it keeps the age of the work."""
        old = self.pods.pop(uid)
        work = self.work[old.name.rpartition(".")[0]]
        work.evictions += 1
        return self._pod(work)

    def _submit(self, queue: str, kind: Class, index: int) -> None:
        work = Work(f"{queue}-{kind.name}-{index}", queue, kind, kind.every_seconds * index)
        self.work[work.name] = work
        self._come(work.came_seconds, ev.PodSeen(self._pod(work)))

    def _pod(self, work: Work) -> Pod:
        work.tries += 1
        name = f"{work.name}.{work.tries}"
        shape = SHAPES[work.kind.units]
        pod = Pod(
            f"uid-{name}",
            "load",
            name,
            self._version(),
            shape,
            ours=True,
            queue=work.queue,
            priority=work.kind.priority,
            created_seconds=work.came_seconds,
        )
        self.pods[pod.uid] = pod
        return pod

    def _come(self, moment: float, event: Event | Ends) -> None:
        self._number += 1
        heapq.heappush(self._coming, (moment, self._number, event))
        if isinstance(event, Ends | ev.PodSeen):
            heapq.heappush(self._news, moment)

    def _due(self) -> list[Event]:
        """The next events for the engine."""
        found: list[Event] = []
        while self._coming and self._coming[0][0] <= self.now and len(found) < EVENTS_PER_STEP:
            self._known_seconds, _, event = heapq.heappop(self._coming)
            if isinstance(event, ev.Ticked):
                self._come(self.now + TICK_SECONDS, event)
            if isinstance(event, ev.PodSeen) and event.pod.uid not in self.pods:
                continue  # it is gone, and was told of as gone
            if not isinstance(event, Ends):
                found.append(event)
            elif self.pods.pop(event.uid, None) is not None:  # else it was evicted before its end
                self._left -= 1
                found.append(ev.PodGone(event.uid))
        return found

    def _next_moment(self) -> float:
        """When the next event comes, or the next API call begins."""
        waiting = [lane[0][0] for lane in (self._urgent, self._words) if lane]
        calls = [max(self._free_seconds, min(waiting))] if waiting else []
        return max(self.now, min([self._coming[0][0], *calls]))

    def _version(self) -> str:
        self._number += 1
        return str(self._number)


SHAPES = {each.units: Shape(from_quantities({UNIT: each.units, "pods": 1})) for each in CLASSES}


def queues() -> list[Queue]:
    """A cohort lends what its queues are guaranteed and no more, so that is its limit."""
    found = []
    for cohort in range(COHORTS):
        found.append(Queue(f"cohort-{cohort}", quotas=(Quota(UNIT, limit=_units(QUEUES * GUARANTEED)),)))
        quota = Quota(UNIT, guaranteed=_units(GUARANTEED), limit=_units(GUARANTEED + BORROWED_MAX))
        found += [Queue(f"q{cohort}-{number}", parent=f"cohort-{cohort}", quotas=(quota,)) for number in range(QUEUES)]
    return found


def _units(amount: int) -> int:
    return dict(from_quantities({UNIT: amount}))[UNIT]


HEAD = ("class", "workloads", "mean s", "p99 s", "Kueue's mean s", "evictions")


@dataclass(frozen=True, slots=True)
class Waits:
    """Time to (first) admission of one class."""

    name: str
    workloads: int
    mean_seconds: float
    p99_seconds: float
    published_seconds: float
    evictions: int

    def row(self) -> tuple[str, ...]:
        seconds = (self.mean_seconds, self.p99_seconds, self.published_seconds)
        return self.name, str(self.workloads), *(f"{each:.1f}" for each in seconds), str(self.evictions)


def measured(replay: Replay, kind: Class) -> Waits:
    own = [each for each in replay.work.values() if each.kind is kind]
    waits = [each.admitted_seconds - each.came_seconds for each in own if each.admitted_seconds is not None]
    evictions = sum(each.evictions for each in own)
    return Waits(
        kind.name, len(waits), float(np.mean(waits)), float(np.quantile(waits, 0.99)), kind.published_seconds, evictions
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls-per-second", type=float, default=800.0, help="ceiling of the API server (bench-bind)")
    options.add_argument("--scale", type=float, default=1.0, help="part of each class's workloads")
    options.add_argument("--policy", type=Path, default=Path("policies/default.yaml"))
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    replay = Replay(load(given.policy), given.calls_per_second, given.scale)
    replay.run()
    bound = quota_bound_seconds(given.scale)
    found = [measured(replay, kind) for kind in CLASSES]
    print(columns([HEAD, *(each.row() for each in found)]))
    print(
        f"wall {replay.now:.1f} s, quota alone bounds it at {bound:.1f} s: {replay.now / bound:.2f} x "
        f"(Kueue published {PUBLISHED_WALL_SECONDS:.0f} s); computing {replay.computed_seconds:.1f} s of it in "
        f"{replay.decisions} decisions, {replay.calls} API calls at {given.calls_per_second:.0f}/s"
    )
    write_json(given.json, {"machine": machine(), "bound_seconds": bound, "wall_seconds": replay.now, "classes": found})


if __name__ == "__main__":
    main()
