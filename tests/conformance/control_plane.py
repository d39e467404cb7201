"""Plays a scenario with the whole engine on the simulated API server: objects instead of snapshots, effects instead of
decisions, controllers that make a pod anew for each one that is evicted, and the auditor at every change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from scheduler.model.plan import Plan
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue
from scheduler.model.resources import CPU, GPU, Resources, quantity_text
from scheduler.model.work import FINALIZER
from scheduler.scenario import fleet
from scheduler.scenario.check import check_moment
from scheduler.scenario.difference import Difference
from scheduler.scenario.expectation import ExpectForm
from scheduler.scenario.gangs import GangPlan, MemberPlan, gangs
from scheduler.scenario.names import names as expanded
from scheduler.scenario.outcome import Changes, Spots
from scheduler.scenario.play import Moment
from scheduler.scenario.run import BUDGET
from scheduler.scenario.scenario import Scenario, StepForm
from scheduler.scenario.state import STARTED_BEFORE_SECONDS, GangState, PodAt, world_of
from scheduler.sim.kinds import MUSTER
from scheduler.sim.objects import Change, Object, moment
from scheduler.sim.run import Simulation, improved_by_solver
from scheduler.wire import names
from scheduler.wire.requests import MERGE
from tests.sim.worlds import installed_schemas

NAMESPACE = "default"


def play(scenario: Scenario, policy: Policy) -> list[Difference]:
    """What is not as expected when the steps have happened and ``engine`` seconds have gone by; with it everything that
    the auditor has to say."""
    stage = _Stage(scenario, policy)
    stage.run()
    found = [Difference("auditor", "nothing to say", str(each)) for each in stage.simulation.auditor.violations]
    return found + [each for moment in stage.moments for each in check_moment(moment, policy)]


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
        self.moments: list[Moment] = []
        self._plans: dict[str, GangPlan] = {}
        self._ended: set[str] = set()
        self._evicted: Counter[str] = Counter()
        self._known: dict[str, str] = {}
        """Pods that had places when the last expectation spoke, or at the beginning: name -> gang."""
        self._classes: set[int] = set()
        self._again = 0
        self.simulation.server.objects.listeners.append(self._replace)

    def run(self) -> None:
        assert self._scenario.engine is not None
        self._raise_cluster()
        for state in self._world.gangs.values():
            self._create(state.plan, state.pods)
        self._mark()
        self.simulation.start_scheduler()
        for step in self._scenario.steps:
            self.simulation.clock.run_until(self._start_seconds + step.at)
            if step.expect is not None:
                self._expect(step.expect)
            else:
                self._happen(step)
        self.simulation.run(self._scenario.engine)
        if self._scenario.expect is not None:
            self._expect(self._scenario.expect)

    # -- objects ---------------------------------------------------------------------------------------------------

    def _raise_cluster(self) -> None:
        add = self.simulation.add
        levels = {"host": "kubernetes.io/hostname"} | {
            key: key for node in self._scenario.nodes for key in node.domains
        }
        spec = {"levels": [{"name": name, "nodeLabel": label} for name, label in reversed(levels.items())]}
        add({"apiVersion": MUSTER, "kind": "Topology", "metadata": {"name": "default"}, "spec": spec})
        for queue in self._world.queues.values():
            add(_queue(queue))
        for node in self._world.nodes:
            ready = {"type": "Ready", "status": "True" if node.ready else "False"}
            add(
                {
                    "apiVersion": "v1",
                    "kind": "Node",
                    "metadata": {"name": node.name, "labels": dict(node.labels)},
                    "spec": {"unschedulable": True} if node.unschedulable else {},
                    "status": {"allocatable": _amounts(node.allocatable), "conditions": [ready]},
                }
            )

    def _create(self, plan: GangPlan, running: tuple[PodAt, ...] = ()) -> None:
        self._plans[plan.name] = plan
        self.simulation.add(_pod_group(plan))
        if running:
            path = f"/apis/{MUSTER}/namespaces/{NAMESPACE}/podgroups/{plan.name}/status"
            self.simulation.ask("PATCH", path, {"status": self._record(running)}, MERGE)
        if plan.priority not in self._classes:
            self._classes.add(plan.priority)
            name = _class_name(plan.priority)
            kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
            self.simulation.add({**kind, "value": plan.priority})
        placed = {member.name: [pod.node for pod in running if pod.member == member.name] for member in plan.members}
        for member in plan.members:
            for number in range(member.pods):
                node = placed[member.name][number] if number < len(placed[member.name]) else ""
                self._create_pod(plan, member, f"{plan.name}-{member.name}-{number}", node)

    def _record(self, running: tuple[PodAt, ...]) -> Object:
        """The status of a gang that was placed before the scenario begins."""
        since = moment(self._start_seconds - STARTED_BEFORE_SECONDS)
        places = [
            {"member": member, "nodes": [{"name": node, "count": count} for node, count in sorted(nodes.items())]}
            for member, nodes in GangState(self._world.gangs[running[0].gang].plan, running).staying.items()
        ]
        record = {"epoch": 1, "madeFrom": "0", "decidedAt": since, "places": places}
        return {"phase": "Running", "epoch": 1, "scheduled": len(running), "queuedAt": since, "assignment": record}

    def _create_pod(self, plan: GangPlan, member: MemberPlan, name: str, node: str = "") -> None:
        labels = {names.LABEL_POD_GROUP: plan.name, names.LABEL_SUBGROUP: member.name}
        spec: Object = {
            "schedulerName": names.SCHEDULER,
            "priorityClassName": _class_name(plan.priority),
            "terminationGracePeriodSeconds": 30,
            "nodeSelector": dict(member.shape.node_selector),
            "containers": [{"name": "main", "image": "none", "resources": {"requests": _requests(member)}}],
        }
        if node:
            spec["nodeName"] = node
        meta = {"name": name, "labels": labels}
        self.simulation.add({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def _replace(self, change: Change) -> None:
        """The controller: for every pod that is gone before its time it makes another."""
        if change.kind.plural != "pods" or change.type != "DELETED":
            return
        labels = change.object["metadata"]["labels"]
        gang = labels[names.LABEL_POD_GROUP]
        if gang in self._ended:
            return
        conditions = change.object.get("status", {}).get("conditions", ())
        self._evicted[gang] += any(each["type"] == names.CONDITION_EVICTED for each in conditions)
        self._again += 1
        plan = self._plans[gang]
        member = next(each for each in plan.members if each.name == labels[names.LABEL_SUBGROUP])
        name = f"{gang}-{member.name}-again{self._again}"
        self.simulation.clock.after(0.0, lambda: self._create_pod(plan, member, name))

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
            for pod in [pod for gang in self._plans for pod, place in self._pods(gang) if place == node]:
                self.simulation.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}", {"gracePeriodSeconds": 0})
            self.simulation.remove("nodes", node)
        if step.change_queue is not None:
            form = step.change_queue
            queue = next(each for each in self._scenario.queues if each.name == form.name)
            changed = queue.model_copy(update={key: getattr(form, key) for key in form.model_fields_set})
            one = self._scenario.model_copy(update={"queues": (changed,)})
            body = _queue(fleet.queues(one)[form.name])
            self.simulation.change("queues", form.name.lower(), {"spec": body["spec"]})

    # -- what came of it -------------------------------------------------------------------------------------------

    def _expect(self, expect: ExpectForm) -> None:
        """The world as an expectation sees it: what has changed since the one before."""
        placed: dict[str, Spots] = {}
        states = {}
        for name, plan in self._plans.items():
            pods = tuple(self._standing(name))
            states[name] = replace(self._world.gangs.get(name) or GangState(plan), pods=pods)
            new: Spots = Counter((pod.member, pod.node, ()) for pod in pods if pod.uid not in self._known)
            if new:
                placed[name] = new
        known = Counter(self._known.values())
        self.moments.append(
            Moment(
                expect=expect,
                world=replace(self._world, gangs=states),
                changes=Changes(placed, dict(self._evicted)),
                plan=Plan(made_from=0),
                missing={name: plan.pods - known[name] for name, plan in self._plans.items()},
                running={name: known[name] for name in self._plans},
            )
        )
        self._mark()

    def _mark(self) -> None:
        self._known = {pod.uid: gang for gang in self._plans for pod in self._standing(gang)}
        self._evicted.clear()

    def _standing(self, gang: str) -> Iterator[PodAt]:
        for pod in self.simulation.server.objects.all("pods", NAMESPACE):
            meta = pod["metadata"]
            node = pod["spec"].get("nodeName", "")
            if meta["labels"][names.LABEL_POD_GROUP] == gang and node and "deletionTimestamp" not in meta:
                yield PodAt(meta["name"], gang, meta["labels"][names.LABEL_SUBGROUP], node)

    def _pods(self, gang: str) -> list[tuple[str, str]]:
        found = self.simulation.server.objects.all("pods", NAMESPACE)
        own = [pod for pod in found if pod["metadata"]["labels"][names.LABEL_POD_GROUP] == gang]
        return [(pod["metadata"]["name"], str(pod["spec"].get("nodeName", ""))) for pod in own]


# Objects -------------------------------------------------------------------------------------------------------------


def _queue(queue: Queue) -> Object:
    own = queue.preemption
    preemption: Object = {"withinQueue": own.within_queue, "reclaim": own.reclaim}
    if own.while_borrowing is not None:
        most = own.while_borrowing.max_priority
        preemption["whileBorrowing"] = {"policy": own.while_borrowing.policy} | (
            {} if most is None else {"maxPriority": most}
        )
    resources = [
        {"name": quota.resource}
        | {
            key: _text(quota.resource, value)
            for key in ("guaranteed", "limit", "lendable")
            if (value := getattr(quota, key)) is not None
        }
        for quota in queue.quotas
    ]
    spec = {
        **({"parent": queue.parent.lower()} if queue.parent else {}),
        "resources": resources,
        "weight": queue.weight,
        "priority": queue.priority,
        "order": queue.order,
        "state": queue.state,
        "preemption": preemption,
    }
    return {"apiVersion": MUSTER, "kind": "Queue", "metadata": {"name": queue.name.lower()}, "spec": spec}


def _pod_group(plan: GangPlan) -> Object:
    root = plan.branches[0]
    spec: Object = {
        "queue": plan.queue.lower(),
        "preemptible": plan.preemptible,
        "members": [
            {
                "name": member.name,
                "count": member.pods,
                "template": {"requests": _requests(member)},
                **({"subGroup": plan.branches[member.branch].name} if member.branch else {}),
            }
            for member in plan.members
        ],
    }
    if len(plan.branches) > 1:
        spec["subGroups"] = [
            {"name": each.name}
            | ({"parent": plan.branches[each.parent].name} if each.parent else {})
            | ({"minSubGroup": each.min_branches} if each.min_branches else {"minMember": each.minimum})
            for each in plan.branches[1:]
        ]
    spec |= {"minSubGroup": root.min_branches} if root.min_branches else {"minMember": root.minimum}
    if plan.form.staleness_grace is not None:
        spec["stalenessGrace"] = f"{plan.form.staleness_grace:g}s"
    return {
        "apiVersion": MUSTER,
        "kind": "PodGroup",
        "metadata": {"name": plan.name, "finalizers": [FINALIZER]},
        "spec": spec,
    }


def _requests(member: MemberPlan) -> Mapping[str, str]:
    return _amounts(tuple((name, amount) for name, amount in member.shape.requests if name != "pods" and amount))


def _amounts(resources: Resources) -> dict[str, str]:
    return {resource: _text(resource, amount) for resource, amount in resources}


def _text(resource: str, amount: int) -> str:
    return quantity_text(resource, amount) if resource in (CPU, GPU) else str(amount)


def _class_name(priority: int) -> str:
    return f"below-{-priority}" if priority < 0 else f"of-{priority}"
