"""A world that unfolds: steps happen, decisions are carried out, victims take their time to leave.

A play is driven by decisions alone: no server, no watch. At every moment at which something happened the core decides
until it has nothing more to say. Every plan keeps the promises, and two more hold over time: nobody is evicted twice
for the same beneficiary, and the world comes to rest.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Decision, Plan
from scheduler.scenario import fleet
from scheduler.scenario.aftermath import committed, name_of, pods_of, vacated
from scheduler.scenario.build import snapshot_of
from scheduler.scenario.difference import Difference
from scheduler.scenario.expectation import ExpectForm
from scheduler.scenario.gangs import GangPlan, gangs
from scheduler.scenario.names import names
from scheduler.scenario.outcome import Changes, Spots
from scheduler.scenario.promises import broken
from scheduler.scenario.scenario import QueueChangeForm, Scenario, StepForm
from scheduler.scenario.state import GangState, World, gang_of_pod, world_of

DecideAt = Callable[[Snapshot, float], Plan]

ROUNDS_MAX = 30
MOMENTS_MAX = 1000
"""Decisions at one moment, and moments of a play; a world that asks for more does not come to rest."""


@dataclass(frozen=True)
class Moment:
    """What an expectation speaks of: the world as it stands, what changed since the one before, the last plan.

    ``missing`` and ``running`` are pods by gang as they were at the one before.
    """

    expect: ExpectForm
    world: World
    changes: Changes
    plan: Plan
    missing: Mapping[str, int]
    running: Mapping[str, int]


@dataclass
class Play:
    """One run of a scenario's steps; ``seed`` draws how long each victim takes to leave."""

    scenario: Scenario
    decide: DecideAt
    seed: int = 0
    breaks_guards: bool = False
    world: World = field(init=False)
    plan: Plan = field(init=False, default=Plan(made_from=0))
    moments: list[Moment] = field(init=False, default_factory=list)
    trouble: list[Difference] = field(init=False, default_factory=list)
    _chance: random.Random = field(init=False)
    _gone_at: dict[str, float] = field(init=False, default_factory=dict)
    _evicted: Counter[str] = field(init=False, default_factory=Counter)
    _moved: dict[str, Spots] = field(init=False, default_factory=dict)
    _missing: dict[str, int] = field(init=False, default_factory=dict)
    _running: dict[str, int] = field(init=False, default_factory=dict)
    _known: set[str] = field(init=False, default_factory=set)
    _evictions_for: Counter[tuple[str, str]] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self.world = world_of(self.scenario)
        for pod in pods_of(self.world):
            if pod.leaving:
                self._gone_at[pod.uid] = self.world.now_seconds + self._delay()
        self._mark()

    def run(self) -> None:
        """Play all steps, and on until nothing is under way."""
        steps = list(self.scenario.steps)
        self._decide()
        for _ in range(MOMENTS_MAX):
            soonest = self._next(steps)
            if soonest is None:
                break
            self.world = replace(self.world, now_seconds=max(soonest, self.world.now_seconds))
            self._leave()
            while steps and steps[0].at <= self.world.now_seconds:
                step = steps.pop(0)
                if step.expect is not None:
                    self._decide()
                    self._expect(step.expect)
                else:
                    self._happen(step)
            self._decide()
        else:
            self._restless(MOMENTS_MAX)
        if self.scenario.expect is not None:
            self._expect(self.scenario.expect)

    # Deciding --------------------------------------------------------------------------------------------------------

    def _decide(self) -> None:
        for _ in range(ROUNDS_MAX):
            self.plan = self.decide(snapshot_of(self.world), self.world.now_seconds)
            if not self.plan.decisions:
                return
            self.trouble += broken(self.world, self.plan, self.breaks_guards)
            self._note(self.plan.decisions)
            before = {pod.uid for pod in pods_of(self.world) if pod.leaving}
            self.world = committed(self.world, self.plan.decisions)
            for pod in pods_of(self.world):
                if pod.leaving and pod.uid not in before:
                    self._gone_at[pod.uid] = self.world.now_seconds + self._delay()
        self._restless(ROUNDS_MAX)

    def _restless(self, decisions: int) -> None:
        self.trouble.append(Difference("steps", "to settle", f"{decisions} decisions at {self.world.now_seconds:g} s"))

    def _note(self, decisions: Sequence[Decision]) -> None:
        leaving = {pod.uid for pod in pods_of(self.world) if pod.leaving}
        for decision in decisions:
            fresh = {victim.uid for victim in decision.victims} - leaving
            leaving |= fresh  # others may wait for the same room
            self._evicted.update(gang_of_pod(uid) for uid in fresh)
            for victim in {gang_of_pod(uid) for uid in fresh}:
                pair = (victim, name_of(self.world, decision.gang))
                self._evictions_for[pair] += 1
                if self._evictions_for[pair] == 2:
                    self.trouble.append(Difference("steps", f"{pair[0]} evicted once for {pair[1]}", "twice"))
            for move in decision.moves:
                spots = self._moved.setdefault(name_of(self.world, move.gang), Counter())
                for place in move.places:
                    for each in place.nodes:
                        spots[(place.member, each.node, each.devices)] += each.count

    def _delay(self) -> float:
        form = self.scenario.termination
        return form.seconds if form.up_to is None else self._chance.uniform(form.seconds, form.up_to)

    def _leave(self) -> None:
        gone = {uid for uid, at in self._gone_at.items() if at <= self.world.now_seconds}
        self.world = vacated(self.world, gone)
        for uid in gone:
            del self._gone_at[uid]

    def _next(self, steps: Sequence[StepForm]) -> float | None:
        """When something happens next: a step, a pod is gone, or time alone may change the plan."""
        times = [step.at for step in steps[:1]] + list(self._gone_at.values())
        again = self.plan.again_at_seconds
        if again is not None and again > self.world.now_seconds:
            times.append(again)
        return min(times, default=None)

    # Steps -----------------------------------------------------------------------------------------------------------

    def _happen(self, step: StepForm) -> None:
        if step.submit is not None:
            plans = gangs(self.scenario, step.submit)
            made = {plan.name: GangState(_arriving(plan, self.world.now_seconds)) for plan in plans}
            self.world = replace(self.world, gangs={**self.world.gangs, **made})
        for name in (*_each(step.finish), *_each(step.gone)):
            self._end(name, at_once=True)
        for name in _each(step.delete):
            self._end(name, at_once=False)
        changes: dict[str, dict[str, bool]] = {}
        for key, value, listed in (
            ("ready", False, step.node_fails),
            ("ready", True, step.node_recovers),
            ("unschedulable", True, step.cordon),
            ("unschedulable", False, step.uncordon),
        ):
            changes |= {name: {key: value} for name in _each(listed)}
        nodes = [msgspec.structs.replace(node, **changes.get(node.name, {})) for node in self.world.nodes]
        if step.add_nodes is not None:
            nodes += fleet.nodes(self.scenario.model_copy(update={"nodes": step.add_nodes}))
        removed = set(_each(step.remove_nodes))
        if removed:
            gone = {pod.uid for pod in pods_of(self.world) if pod.node in removed}
            self.world = vacated(self.world, gone)
        self.world = replace(self.world, nodes=tuple(node for node in nodes if node.name not in removed))
        if step.change_queue is not None:
            self._change(step.change_queue)

    def _end(self, name: str, *, at_once: bool) -> None:
        """A gang is over: its pods are gone, or (deleted) take their time to leave."""
        state = replace(self.world.gangs[name], ended=True)
        if at_once:
            gone = {pod.uid for pod in state.pods}
            self.world = vacated(replace(self.world, gangs={**self.world.gangs, name: state}), gone)
            for uid in gone & set(self._gone_at):
                del self._gone_at[uid]
            return
        pods = tuple(msgspec.structs.replace(pod, leaving=True) for pod in state.pods if not pod.awaits)
        for pod in pods:
            self._gone_at.setdefault(pod.uid, self.world.now_seconds + self._delay())
        self.world = replace(self.world, gangs={**self.world.gangs, name: replace(state, pods=pods)})

    def _change(self, form: QueueChangeForm) -> None:
        changed = {key: getattr(form, key) for key in form.model_fields_set}
        forms = tuple(
            queue.model_copy(update=changed) if queue.name == form.name else queue for queue in self.scenario.queues
        )
        self.scenario = self.scenario.model_copy(update={"queues": forms})
        self.world = replace(self.world, scenario=self.scenario, queues=fleet.queues(self.scenario))

    # Expectations ----------------------------------------------------------------------------------------------------

    def _expect(self, expect: ExpectForm) -> None:
        new = {name: state.plan.pods for name, state in self.world.gangs.items()}
        running = {**dict.fromkeys(new, 0), **self._running}
        self.moments.append(Moment(expect, self.world, self._changes(), self.plan, {**new, **self._missing}, running))
        self._mark()

    def _mark(self) -> None:
        states = self.world.gangs.items()
        self._missing = {name: sum(state.missing(each) for each in state.plan.members) for name, state in states}
        self._running = {name: sum(pod.stays for pod in state.pods) for name, state in states}
        self._known = {pod.uid for pod in pods_of(self.world)}
        self._evicted, self._moved = Counter(), {}

    def _changes(self) -> Changes:
        """What is there now and was not at the mark; a moved pod's new place is a move and no placement."""
        placed: dict[str, Spots] = {}
        left = {name: spots.copy() for name, spots in self._moved.items()}
        for pod in pods_of(self.world):
            if pod.uid in self._known or not pod.stays:
                continue
            spot = (pod.member, pod.node, pod.devices)
            if left.get(pod.gang, Counter())[spot] > 0:
                left[pod.gang][spot] -= 1
            else:
                placed.setdefault(pod.gang, Counter())[spot] += 1
        return Changes(placed, dict(self._evicted), dict(self._moved))


def _arriving(plan: GangPlan, now_seconds: float) -> GangPlan:
    """A gang that is submitted now, unless it says when it arrived."""
    return plan if plan.form.arrived is not None else replace(plan, arrived_seconds=now_seconds + plan.arrived_seconds)


def _each(patterns: Iterable[str] | None) -> Iterator[str]:
    for pattern in patterns or ():
        yield from names(pattern)
