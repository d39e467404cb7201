"""What a control plane has come to, as the expectations of a scenario see it: what changed since the one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from scheduler.model.plan import Plan
from scheduler.scenario.expectation import ExpectForm
from scheduler.scenario.gangs import GangPlan
from scheduler.scenario.outcome import Changes, Spots
from scheduler.scenario.play import Moment
from scheduler.scenario.state import GangState, PodAt, World


class Moments:
    """``plans`` are the gangs so far, ``evicted`` counts pods by gang since the last of the moments ``made``."""

    def __init__(self, world: World) -> None:
        self.plans: dict[str, GangPlan] = {}
        self.evicted: Counter[str] = Counter()
        self.made: list[Moment] = []
        self._world = world
        self._known: dict[str, str] = {}

    def mark(self, pods: Iterable[PodAt]) -> None:
        """These have places: the next expectation speaks of what is different from now on."""
        self._known = {pod.uid: pod.gang for pod in pods}
        self.evicted.clear()

    def add(self, expect: ExpectForm, pods: list[PodAt]) -> None:
        """The world as an expectation sees it, with these pods that have places."""
        placed: dict[str, Spots] = {}
        states = {}
        for name, plan in self.plans.items():
            own = tuple(pod for pod in pods if pod.gang == name)
            states[name] = replace(self._world.gangs.get(name) or GangState(plan), pods=own)
            new: Spots = Counter((pod.member, pod.node, ()) for pod in own if pod.uid not in self._known)
            if new:
                placed[name] = new
        known = Counter(self._known.values())
        self.made.append(
            Moment(
                expect=expect,
                world=replace(self._world, gangs=states),
                changes=Changes(placed, dict(self.evicted)),
                plan=Plan(made_from=0),
                missing={name: plan.pods - known[name] for name, plan in self.plans.items()},
                running={name: known[name] for name in self.plans},
            )
        )
        self.mark(pods)
