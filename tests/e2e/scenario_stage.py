"""Plays a scenario on a bed: its world as objects, its steps one after the other, each when the one before has settled.

What the times of steps say is not kept, only their order: a scenario about time is none for this stage.
"""

import time
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from scheduler.model.policy import Policy
from scheduler.scenario.check import check_moment
from scheduler.scenario.difference import Difference
from scheduler.scenario.gangs import GangPlan, gangs
from scheduler.scenario.scenario import Scenario, StepForm
from scheduler.scenario.state import STARTED_BEFORE_SECONDS, GangState, world_of
from scheduler.wire import names
from tests.conformance.moments import Moments
from tests.conformance.objects import (
    first_pods,
    fleet_objects,
    pod_group_object,
    pod_object,
    priority_class,
    running_status,
    standing,
)
from tests.e2e.cluster import GROUPS, PODS, Cluster, condition
from tests.e2e.work import Document

QUIET_SECONDS = 2.0
"""The world has settled when nobody leaves and no pod was bound or made for so long: longer than a decision."""
SETTLES_SECONDS_MAX = 60.0
GRACE_SECONDS_MAX = 6
"""Scenarios in which each pod takes another time to leave are played with graces up to this."""


def play(cluster: Cluster, scenario: Scenario, policy: Policy) -> list[Difference]:
    """What is not as expected in the end, and at every step with an expectation."""
    stage = _Stage(cluster, scenario)
    stage.run()
    return [each for moment in stage.moments.made for each in check_moment(moment, policy)]


class _Stage:
    def __init__(self, cluster: Cluster, scenario: Scenario) -> None:
        self._cluster = cluster
        self._scenario = scenario
        self._world = world_of(scenario)
        self.moments = Moments(self._world)
        self._seen: dict[str, Document] = {}
        """Pods by name, as they were seen last."""
        self._made = 0

    def run(self) -> None:
        self._cluster.create(*fleet_objects(self._scenario, self._world))
        states = list(self._world.gangs.values())
        steps = [gang for step in self._scenario.steps if step.submit for gang in gangs(self._scenario, step.submit)]
        for each in sorted({plan.priority for plan in (*(state.plan for state in states), *steps)}):
            self._cluster.ensure(priority_class(each))
        self._place([state for state in states if state.pods])
        self._submit(state.plan for state in states if not state.pods)
        for step in self._scenario.steps:
            self._settle()
            self._happen(step)
        self._settle()
        if self._scenario.expect is not None:
            self.moments.add(self._scenario.expect, standing(self._seen.values()))

    def _happen(self, step: StepForm) -> None:
        if step.expect is not None:
            self.moments.add(step.expect, standing(self._seen.values()))
            return
        assert step.submit is not None, f"step at {step.at:g} s: only submit and expect are played on a bed"
        self._submit(gangs(self._scenario, step.submit))

    def _submit(self, plans: Iterable[GangPlan]) -> None:
        """Gangs that have nothing yet."""
        for plan in plans:
            self.moments.plans[plan.name] = plan
            self._cluster.create(pod_group_object(plan))
            self._cluster.create(*self._pods(GangState(plan)))

    def _place(self, states: Sequence[GangState]) -> None:
        """Gangs that run from the beginning, as a scheduler before ours has left them. Their pods come first: for a
        PodGroup by itself other places would be found."""
        for state in states:
            self.moments.plans[state.plan.name] = state.plan
            self._cluster.create(*self._pods(state))
            self._cluster.create(pod_group_object(state.plan))
            status = running_status(state.plan, state.pods, time.time() - STARTED_BEFORE_SECONDS)
            answer = self._cluster.api.merge(f"{GROUPS}/{state.plan.name}/status", {"status": status})
            assert answer.code == HTTPStatus.OK, answer.message
        self._cluster.until_running(*(state.plan.name for state in states))
        self._look()
        self.moments.mark(standing(self._seen.values()))

    def _pods(self, state: GangState) -> list[Document]:
        return [
            pod_object(state.plan, member, name, node, self._grace_seconds())
            for member, name, node in first_pods(state.plan, state.pods)
        ]

    def _grace_seconds(self) -> int:
        """How long the next pod takes to leave: always one second, or each another time."""
        self._made += 1
        return 1 if self._scenario.termination.up_to is None else 1 + 5 * self._made % GRACE_SECONDS_MAX

    def _settle(self) -> None:
        """Wait until nothing happens any more. Meanwhile be the controller that makes a pod for each that is lost."""
        deadline = time.monotonic() + SETTLES_SECONDS_MAX
        quiet_since, before = time.monotonic(), self._look()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            assert time.monotonic() < deadline, f"never settles; pods now: {before}"
            time.sleep(0.05)
            now = self._look()
            if now != before or any(leaving for _, _, leaving in now):
                quiet_since, before = time.monotonic(), now

    def _look(self) -> list[tuple[str, str, bool]]:
        """(name, node, whether it leaves) of every pod; those that are gone are counted, and made anew."""
        pods = {each["metadata"]["name"]: each for each in self._cluster.items(PODS)}
        for name, pod in self._seen.items():
            if name not in pods:
                self._lose(pod)
        self._seen = pods
        return [
            (name, str(pod["spec"].get("nodeName", "")), "deletionTimestamp" in pod["metadata"])
            for name, pod in sorted(pods.items())
        ]

    def _lose(self, pod: Document) -> None:
        """Where a scenario is about one decision, nothing follows."""
        labels = pod["metadata"]["labels"]
        plan: GangPlan = self.moments.plans[labels[names.LABEL_POD_GROUP]]
        self.moments.evicted[plan.name] += bool(condition(pod["status"], names.CONDITION_EVICTED))
        if not self._scenario.unfolds:
            return
        member = next(each for each in plan.members if each.name == labels[names.LABEL_SUBGROUP])
        grace_seconds = self._grace_seconds()
        name = f"{plan.name}-{member.name}-again{self._made}"
        self._cluster.create(pod_object(plan, member, name, grace_seconds=grace_seconds))
