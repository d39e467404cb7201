"""What a scenario states, as objects of the API: the fleet, queues, gangs with their pods and commit records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from scheduler.model.queue import Queue
from scheduler.model.resources import CPU, GPU, Resources, quantity_text
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import FINALIZER
from scheduler.scenario import fleet
from scheduler.scenario.gangs import NAMESPACE, GangPlan, MemberPlan
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.state import GangState, PodAt, World
from scheduler.sim.kinds import MUSTER
from scheduler.sim.objects import Object, moment
from scheduler.wire import names


def fleet_objects(scenario: Scenario, world: World) -> Iterator[Object]:
    """Topologies, queues and nodes."""
    for topology in fleet.topologies(scenario).values():
        levels = [{"name": level.name, "nodeLabel": level.node_label} for level in topology.levels]
        yield {
            "apiVersion": MUSTER,
            "kind": "Topology",
            "metadata": {"name": topology.name},
            "spec": {"levels": levels},
        }
    for queue in world.queues.values():
        yield queue_object(queue)
    for node in world.nodes:
        ready = {"type": "Ready", "status": "True" if node.ready else "False"}
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.name, "labels": dict(node.labels)},
            "spec": {"unschedulable": True} if node.unschedulable else {},
            "status": {"allocatable": _amounts(node.allocatable), "conditions": [ready]},
        }


def priority_class(priority: int) -> Object:
    meta = {"name": class_name(priority)}
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta, "value": priority}


def pod_object(plan: GangPlan, member: MemberPlan, name: str, node: str = "", grace_seconds: int = 30) -> Object:
    """A pod of a gang, bound already where a node is given."""
    labels = {names.LABEL_POD_GROUP: plan.name, names.LABEL_SUBGROUP: member.name}
    asked = _requests(member)
    gpus = {GPU: asked[GPU]} if GPU in asked else {}  # the API server wants limits for what cannot be over-committed
    spec: Object = {
        "schedulerName": names.SCHEDULER,
        "priorityClassName": class_name(plan.priority),
        "terminationGracePeriodSeconds": grace_seconds,
        "nodeSelector": dict(member.shape.node_selector),
        "containers": [{"name": "main", "image": "none", "resources": {"requests": asked, "limits": gpus}}],
    }
    if node:
        spec["nodeName"] = node
    meta = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def first_pods(plan: GangPlan, running: tuple[PodAt, ...]) -> Iterator[tuple[MemberPlan, str, str]]:
    """(member, name, node or nothing) of the pods that a gang begins with."""
    placed = {member.name: [pod.node for pod in running if pod.member == member.name] for member in plan.members}
    for member in plan.members:
        for number in range(member.pods):
            node = placed[member.name][number] if number < len(placed[member.name]) else ""
            yield member, f"{plan.name}-{member.name}-{number}", node


def standing(pods: Iterable[Object]) -> list[PodAt]:
    """The pods that have places and are not about to leave them."""
    return [
        PodAt(
            pod["metadata"]["name"],
            pod["metadata"]["labels"][names.LABEL_POD_GROUP],
            pod["metadata"]["labels"][names.LABEL_SUBGROUP],
            pod["spec"]["nodeName"],
        )
        for pod in pods
        if pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]
    ]


def running_status(plan: GangPlan, running: tuple[PodAt, ...], since_seconds: float) -> Object:
    """The status of a gang that was placed before the scenario begins."""
    since = moment(since_seconds)
    places = [
        {"member": member, "nodes": [{"name": node, "count": count} for node, count in sorted(nodes.items())]}
        for member, nodes in GangState(plan, running).staying.items()
    ]
    record = {"epoch": 1, "madeFrom": "0", "decidedAt": since, "places": places}
    return {"phase": "Running", "epoch": 1, "scheduled": len(running), "queuedAt": since, "assignment": record}


def queue_object(queue: Queue) -> Object:
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


def pod_group_object(plan: GangPlan) -> Object:
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
            | _topology(each.topology)
            for each in plan.branches[1:]
        ]
    spec |= {"minSubGroup": root.min_branches} if root.min_branches else {"minMember": root.minimum}
    spec |= _topology(root.topology)
    if plan.form.staleness_grace is not None:
        spec["stalenessGrace"] = f"{plan.form.staleness_grace:g}s"
    return {
        "apiVersion": MUSTER,
        "kind": "PodGroup",
        "metadata": {"name": plan.name, "namespace": NAMESPACE, "finalizers": [FINALIZER]},
        "spec": spec,
    }


def _topology(ask: TopologyAsk | None) -> Object:
    if ask is None:
        return {}
    asked = {"name": ask.topology, "required": ask.required, "preferred": ask.preferred, "exclusive": ask.exclusive}
    found: Object = {key: value for key, value in asked.items() if value}
    if ask.slices:
        found["slices"] = [{"size": each.size, "required": each.required} for each in ask.slices]
    return {"topology": found | ({"balance": "Even"} if ask.balance else {})}


def _requests(member: MemberPlan) -> Mapping[str, str]:
    return _amounts(tuple((name, amount) for name, amount in member.shape.requests if name != "pods" and amount))


def _amounts(resources: Resources) -> dict[str, str]:
    return {resource: _text(resource, amount) for resource, amount in resources}


def _text(resource: str, amount: int) -> str:
    return quantity_text(resource, amount) if resource in (CPU, GPU) else str(amount)


def class_name(priority: int) -> str:
    return f"below-{-priority}" if priority < 0 else f"of-{priority}"
