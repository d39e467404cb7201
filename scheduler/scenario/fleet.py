"""The fleet of a scenario as values: topologies, nodes, queues."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from scheduler.model.cluster import GPU_MODEL_LABEL, Node
from scheduler.model.devices import MEMORY_LABEL, MIG_LABEL
from scheduler.model.flavor import Flavor
from scheduler.model.queue import Borrowing, Counts, History, Preemption, Queue, Quota
from scheduler.model.resources import CPU, GPU, MEMORY, PODS, amount, from_quantities
from scheduler.model.topology import Level, Topology, Torus
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.world import (
    AMPLE,
    COMMON_LEVELS,
    HOST_LABEL,
    HOST_LEVEL,
    FlavorForm,
    HistoryForm,
    LimitsForm,
    NodeForm,
    PreemptionForm,
    QueueForm,
    TorusForm,
)

DEFAULT_QUEUE = "default"
DEFAULT_TOPOLOGY = "default"
CAPACITY_NODE = "capacity"
"""The node that stands for a world without nodes."""

Flavored = Mapping[str, Mapping[str, str]]


def topologies(scenario: Scenario) -> dict[str, Topology]:
    """The topologies by name. Without any, one named ``default`` is made of the common levels that nodes state.

    The host is always the finest level.
    """
    if not scenario.topologies:
        stated = {key for node in scenario.nodes for key in node.domains}
        levels = [Level(name, name) for name in COMMON_LEVELS if name in stated]
        return {DEFAULT_TOPOLOGY: Topology(DEFAULT_TOPOLOGY, (*levels, Level(HOST_LEVEL, HOST_LABEL)))}
    found: dict[str, Topology] = {}
    for form in scenario.topologies:
        levels = [Level(level.name, level.node_label) for level in form.levels]
        if all(level.node_label != HOST_LABEL for level in levels):
            levels.append(Level(HOST_LEVEL, HOST_LABEL))
        found[form.name] = Topology(form.name, tuple(levels), _torus(form.torus))
    return found


def _torus(form: TorusForm | None) -> Torus | None:
    return None if form is None else Torus(form.coordinate_label, form.dimensions, form.shapes, form.level)


def nodes(scenario: Scenario) -> tuple[Node, ...]:
    """Every node; a quota-only world is one node per flavor that holds the whole capacity."""
    if not scenario.nodes:
        return _capacity_nodes(scenario)
    labels_of_levels = {
        level.name: level.node_label for topology in topologies(scenario).values() for level in topology.levels
    }
    return tuple(node for form in scenario.nodes for node in _nodes(form, labels_of_levels))


def _nodes(form: NodeForm, labels_of_levels: Mapping[str, str]) -> Iterable[Node]:
    cut = form.mig if isinstance(form.mig, dict) else {}
    allocatable = from_quantities(
        {
            GPU: form.gpu,
            CPU: form.cpu or AMPLE[CPU],
            MEMORY: form.memory or AMPLE[MEMORY],
            PODS: form.pods or AMPLE[PODS],
            **form.resources,
            **{f"nvidia.com/mig-{profile}": str(count) for profile, count in cut.items()},
        }
    )
    for name, labels in form.expanded():
        translated = {labels_of_levels.get(key, key): value for key, value in labels.items()}
        if form.model:
            translated[GPU_MODEL_LABEL] = form.model
        if form.gpu_memory:
            translated[MEMORY_LABEL] = str(amount(MEMORY, form.gpu_memory) // 2**20)
        if form.mig == "dynamic":
            translated[MIG_LABEL] = "dynamic"
        yield Node(
            name=name,
            labels=translated,
            allocatable=allocatable,
            taints=form.taints,
            unschedulable=form.unschedulable,
            ready=form.ready,
        )


def flavors(scenario: Scenario) -> tuple[Flavor, ...]:
    return tuple(
        Flavor(form.name, tuple(sorted(flavor_labels(form).items())), tuple(form.tolerations))
        for form in scenario.flavors
    )


def flavor_labels(form: FlavorForm) -> dict[str, str]:
    """The labels of a flavor's nodes; a model is one of them."""
    return {**form.node_selector, **({GPU_MODEL_LABEL: form.model} if form.model else {})}


def _capacity_nodes(scenario: Scenario) -> tuple[Node, ...]:
    capacity = scenario.capacity if scenario.capacity is not None else guarantees(scenario.queues)
    known = {form.name: form for form in scenario.flavors}
    made: list[Node] = []
    for flavor, amounts in (capacity or {"": {}}).items():
        name = f"{CAPACITY_NODE}-{flavor}" if flavor else CAPACITY_NODE
        labels = {HOST_LABEL: name, **(flavor_labels(known[flavor]) if flavor in known else {})}
        ample = {CPU: AMPLE[CPU], MEMORY: AMPLE[MEMORY], PODS: "1M"}
        made.append(Node(name=name, labels=labels, allocatable=from_quantities({**ample, **amounts})))
    return tuple(made)


def guarantees(queues: Iterable[QueueForm]) -> dict[str, dict[str, str]]:
    """The sum of the guarantees at the top by flavor and resource; an unset guarantee is the sum of the children's."""
    forms = tuple(queues)
    total: dict[str, dict[str, Fraction]] = {}
    for queue in forms:
        if not queue.parent:
            for (flavor, resource), value in _guaranteed(queue, forms).items():
                row = total.setdefault(flavor, {})
                row[resource] = row.get(resource, Fraction(0)) + Fraction(value, amount(resource, 1))
    return {flavor: {resource: str(value) for resource, value in row.items()} for flavor, row in total.items()}


def _guaranteed(queue: QueueForm, forms: Sequence[QueueForm]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for child in forms:
        if child.parent == queue.name:
            for line, value in _guaranteed(child, forms).items():
                found[line] = found.get(line, 0) + value
    for flavor, amounts in queue.guaranteed.items():
        found |= {(flavor, resource): amount(resource, quantity) for resource, quantity in amounts.items()}
    return found


def queues(scenario: Scenario) -> dict[str, Queue]:
    """The queues by name; without any, one unlimited queue. Weights become whole numbers by a common factor."""
    if not scenario.queues:
        return {DEFAULT_QUEUE: Queue(name=DEFAULT_QUEUE, uid=DEFAULT_QUEUE)}
    weights = [weight for form in scenario.queues for weight in (form.weight, *form.weights.values())]
    factor = math.lcm(*(weight.denominator for weight in weights))
    return {
        form.name: Queue(
            name=form.name,
            uid=form.name,
            created_seconds=float(index) if form.created is None else form.created,
            parent=form.parent,
            quotas=_quotas(form, factor),
            weight=int(form.weight * factor),
            priority=form.priority,
            order=form.order,
            state=form.state,
            preemption=_preemption(form.preemption),
            history=_history(form.history),
            counts=_counts(form.limits),
        )
        for index, form in enumerate(scenario.queues)
    }


def _preemption(form: PreemptionForm) -> Preemption:
    borrowing = form.while_borrowing
    return Preemption(
        within_queue=form.within_queue,
        reclaim=form.reclaim,
        while_borrowing=None if borrowing is None else Borrowing(borrowing.policy, borrowing.max_priority),
        min_runtime_preempt_seconds=form.min_runtime.preempt,
        min_runtime_reclaim_seconds=form.min_runtime.reclaim,
        delay_seconds=form.delay,
    )


def _history(form: HistoryForm | None) -> History | None:
    return None if form is None else History(form.half_life, str(form.factor))


def _counts(form: LimitsForm) -> Counts:
    user = form.per_user
    return Counts(form.gangs, form.pods, user.gangs, user.pods, from_quantities(user.resources))


def _quotas(form: QueueForm, factor: int) -> tuple[Quota, ...]:
    lines: dict[tuple[str, str], None] = {}
    for amounts in (form.guaranteed, form.limit, form.lendable):
        lines |= dict.fromkeys((flavor, resource) for flavor, row in amounts.items() for resource in row)
    return tuple(
        Quota(
            resource=resource,
            flavor=flavor,
            guaranteed=_of(form.guaranteed, flavor, resource),
            limit=_of(form.limit, flavor, resource),
            lendable=_of(form.lendable, flavor, resource),
            weight=int(form.weights[resource] * factor) if resource in form.weights else None,
        )
        for flavor, resource in sorted(lines)
    )


def _of(amounts: Flavored, flavor: str, resource: str) -> int | None:
    quantity = amounts.get(flavor, {}).get(resource)
    return None if quantity is None else amount(resource, quantity)
