"""Plays a scenario with the whole engine on the simulated API server: objects instead of snapshots, effects instead of
decisions, controllers that make a pod anew for each one that is evicted, and the auditor at every change."""

from __future__ import annotations

from functools import partial

import msgspec

from scheduler.model.policy import Policy
from scheduler.scenario import fleet
from scheduler.scenario.check import check_moment
from scheduler.scenario.difference import Difference
from scheduler.scenario.gangs import NAMESPACE, GangPlan, gangs
from scheduler.scenario.names import names as expanded
from scheduler.scenario.run import BUDGET
from scheduler.scenario.scenario import Scenario, StepForm
from scheduler.scenario.state import STARTED_BEFORE_SECONDS, PodAt, world_of
from scheduler.sim.kinds import MUSTER
from scheduler.sim.objects import Change
from scheduler.sim.run import Simulation, improved_by_solver
from scheduler.wire import names
from scheduler.wire.requests import MERGE
from tests.conformance.moments import Moments
from tests.conformance.objects import (
    first_pods,
    fleet_objects,
    pod_group_object,
    pod_object,
    priority_class,
    queue_object,
    running_status,
    standing,
)
from tests.sim.worlds import installed_schemas


def play(scenario: Scenario, policy: Policy) -> list[Difference]:
    """What is not as expected when the steps have happened and ``engine`` seconds have gone by; with it everything that
    the auditor has to say."""
    stage = _Stage(scenario, policy)
    stage.run()
    found = [Difference("auditor", "nothing to say", str(each)) for each in stage.simulation.auditor.violations]
    return found + [each for moment in stage.moments.made for each in check_moment(moment, policy)]


GARBAGE_SECONDS = 1.0
"""Pods of a node that is gone are deleted so much later: long enough that everybody has seen that it is gone."""


class _Stage:
    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self._scenario = scenario
        self._world = world_of(scenario)
        self.simulation = Simulation(
            policy=msgspec.structs.replace(policy, budget=BUDGET),
            solve=improved_by_solver,
            schemas=installed_schemas(),
            namespace=NAMESPACE,
        )
        self._start_seconds = self.simulation.clock.now_seconds
        self.moments = Moments(self._world)
        self._ended: set[str] = set()
        self._classes: set[int] = set()
        self._again = 0
        self.simulation.server.objects.listeners.append(self._replace)

    def run(self) -> None:
        assert self._scenario.engine is not None
        self._raise_cluster()
        for state in self._world.gangs.values():
            self._create(state.plan, state.pods)
        self.moments.mark(self._standing())
        self.simulation.start_scheduler()
        for step in self._scenario.steps:
            self.simulation.clock.run_until(self._start_seconds + step.at)
            if step.expect is not None:
                self.moments.add(step.expect, self._standing())
            else:
                self._happen(step)
        self.simulation.run(self._scenario.engine)
        if self._scenario.expect is not None:
            self.moments.add(self._scenario.expect, self._standing())

    # -- objects ---------------------------------------------------------------------------------------------------

    def _raise_cluster(self) -> None:
        for each in fleet_objects(self._scenario, self._world):
            self.simulation.add(each)

    def _create(self, plan: GangPlan, running: tuple[PodAt, ...] = ()) -> None:
        self.moments.plans[plan.name] = plan
        self.simulation.add(pod_group_object(plan))
        if running:
            path = f"/apis/{MUSTER}/namespaces/{NAMESPACE}/podgroups/{plan.name}/status"
            since_seconds = self._start_seconds - STARTED_BEFORE_SECONDS
            self.simulation.ask("PATCH", path, {"status": running_status(plan, running, since_seconds)}, MERGE)
        if plan.priority not in self._classes:
            self._classes.add(plan.priority)
            self.simulation.add(priority_class(plan.priority))
        for member, name, node in first_pods(plan, running):
            self.simulation.add(pod_object(plan, member, name, node))

    def _replace(self, change: Change) -> None:
        """The controller: for every pod that is gone before its time it makes another."""
        if change.kind.plural != "pods" or change.type != "DELETED":
            return
        labels = change.object["metadata"]["labels"]
        gang = labels[names.LABEL_POD_GROUP]
        if gang in self._ended:
            return
        conditions = change.object.get("status", {}).get("conditions", ())
        self.moments.evicted[gang] += any(each["type"] == names.CONDITION_EVICTED for each in conditions)
        self._again += 1
        plan = self.moments.plans[gang]
        member = next(each for each in plan.members if each.name == labels[names.LABEL_SUBGROUP])
        name = f"{gang}-{member.name}-again{self._again}"
        self.simulation.clock.after(0.0, lambda: self.simulation.add(pod_object(plan, member, name)))

    def _happen(self, step: StepForm) -> None:
        if step.submit is not None:
            for plan in gangs(self._scenario, step.submit):
                self._create(plan)
        for gang in (each for pattern in (*(step.finish or ()), *(step.delete or ())) for each in expanded(pattern)):
            self._ended.add(gang)
            for pod, _ in self._pods(gang):
                self.simulation.remove("pods", pod)
            self.simulation.remove("podgroups", gang)
        for node in (each for pattern in step.remove_nodes or () for each in expanded(pattern)):
            self.simulation.remove("nodes", node)
            self.simulation.clock.after(GARBAGE_SECONDS, partial(self._collect, node))
        if step.change_queue is not None:
            form = step.change_queue
            queue = next(each for each in self._scenario.queues if each.name == form.name)
            changed = queue.model_copy(update={key: getattr(form, key) for key in form.model_fields_set})
            one = self._scenario.model_copy(update={"queues": (changed,)})
            body = queue_object(fleet.queues(one)[form.name])
            self.simulation.change("queues", form.name.lower(), {"spec": body["spec"]})

    def _collect(self, node: str) -> None:
        for pod in [pod for gang in self.moments.plans for pod, place in self._pods(gang) if place == node]:
            self.simulation.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}", {"gracePeriodSeconds": 0})

    # -- what came of it -------------------------------------------------------------------------------------------

    def _standing(self) -> list[PodAt]:
        return standing(self.simulation.server.objects.all("pods", NAMESPACE))

    def _pods(self, gang: str) -> list[tuple[str, str]]:
        found = self.simulation.server.objects.all("pods", NAMESPACE)
        own = [pod for pod in found if pod["metadata"]["labels"][names.LABEL_POD_GROUP] == gang]
        return [(pod["metadata"]["name"], str(pod["spec"].get("nodeName", ""))) for pod in own]
