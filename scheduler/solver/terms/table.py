"""Every term by the name that policies use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from scheduler.model.cluster import Mask
from scheduler.model.plan import Refusal
from scheduler.model.shape import Shape
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.posting import Posting, Terms
from scheduler.solver.problem import Problem, Put
from scheduler.solver.terms import (
    balance,
    capacity,
    counts,
    declared_features,
    devices,
    disruption_budget,
    exclusive_domains,
    flavor,
    gang_minimum,
    giving_way,
    gpu_model,
    gpu_share,
    host_ports,
    leader,
    lendable,
    modelled,
    node_affinity,
    packing,
    permission,
    pod_affinity,
    pod_anti_affinity,
    preferences,
    preferred_flavor,
    preferred_topology,
    queue_limit,
    queue_order,
    ready,
    required_topology,
    resources,
    served_value,
    slices,
    taints,
    topology_spread,
    unschedulable,
    volume_binding,
    volume_limits,
    volume_restrictions,
    volume_zone,
)

Filter = Callable[[Shape, Fleet], Mask]
"""(shape, fleet) -> [nodes] refused."""


@dataclass(frozen=True)
class RelativeFilter:
    """A filter that looks at other pods: what it refuses as things stand, and what it refuses for good.

    A plan goes by ``bars``: what is placed together may make room for one another, and rules see to that.
    """

    refuse: Filter
    bars: Filter


@dataclass(frozen=True)
class Rule:
    """What must hold: its CP-SAT form and its plain check."""

    post: Callable[[Posting], None]
    broken: Callable[[Problem, Iterable[Put]], list[Refusal]]


@dataclass(frozen=True)
class Goal:
    """What is minimised, as one or more named costs in order, each fixed before the next: expressions and numbers."""

    post: Callable[[Posting], list[tuple[str, Terms]]]
    costs: Callable[[Problem, Iterable[Put]], list[tuple[str, int]]]


FILTERS: Mapping[str, Filter] = {
    "modelled": modelled.refuse,
    "unschedulable": unschedulable.refuse,
    "ready": ready.refuse,
    "taints": taints.refuse,
    "node-affinity": node_affinity.refuse,
    "gpu-model": gpu_model.refuse,
    "declared-features": declared_features.refuse,
    "gpu-share": gpu_share.refuse,
    "flavor": flavor.refuse,
    "resources": resources.refuse,
}

RELATIVE_FILTERS: Mapping[str, RelativeFilter] = {
    "host-ports": RelativeFilter(host_ports.refuse, host_ports.refuse),
    "pod-affinity": RelativeFilter(pod_affinity.refuse, pod_affinity.bars),
    "pod-anti-affinity": RelativeFilter(pod_anti_affinity.refuse, pod_anti_affinity.refuse),
    "topology-spread": RelativeFilter(topology_spread.refuse, topology_spread.bars),
}

VOLUME_FILTERS: Mapping[str, Filter] = {
    "volume-restrictions": volume_restrictions.refuse,
    "volume-limits": volume_limits.refuse,
    "volume-binding": volume_binding.refuse,
    "volume-zone": volume_zone.refuse,
}
"""Filters that look at storage; asked for shapes with volumes only."""

RULES: Mapping[str, Rule] = {
    capacity.NAME: Rule(capacity.post, capacity.broken),
    devices.NAME: Rule(devices.post, devices.broken),
    queue_limit.NAME: Rule(queue_limit.post, queue_limit.broken),
    lendable.NAME: Rule(lendable.post, lendable.broken),
    counts.NAME: Rule(counts.post, counts.broken),
    queue_order.NAME: Rule(queue_order.post, queue_order.broken),
    gang_minimum.NAME: Rule(gang_minimum.post, gang_minimum.broken),
    required_topology.NAME: Rule(required_topology.post, required_topology.broken),
    slices.NAME: Rule(slices.post, slices.broken),
    leader.NAME: Rule(leader.post, leader.broken),
    exclusive_domains.NAME: Rule(exclusive_domains.post, exclusive_domains.broken),
    pod_affinity.NAME: Rule(pod_affinity.post, pod_affinity.broken),
    pod_anti_affinity.NAME: Rule(pod_anti_affinity.post, pod_anti_affinity.broken),
    topology_spread.NAME: Rule(topology_spread.post, topology_spread.broken),
    flavor.NAME: Rule(flavor.post, flavor.broken),
    permission.NAME: Rule(permission.post, permission.broken),
    disruption_budget.NAME: Rule(disruption_budget.post, disruption_budget.broken),
}

GOALS: Mapping[str, Goal] = {
    served_value.NAME: Goal(served_value.post, served_value.costs),
    giving_way.NAME: Goal(giving_way.post, giving_way.costs),
    preferred_flavor.NAME: Goal(preferred_flavor.post, preferred_flavor.costs),
    preferred_topology.NAME: Goal(preferred_topology.post, preferred_topology.costs),
    balance.NAME: Goal(balance.post, balance.costs),
    preferences.NAME: Goal(preferences.post, preferences.costs),
    packing.NAME: Goal(packing.post, packing.costs),
}
