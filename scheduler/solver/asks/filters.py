"""Which nodes a shape may use at all, and why not the others: the filters of the policy, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from scheduler.model.cluster import Mask, NodeTable, Snapshot
from scheduler.model.neighbours import Neighbours
from scheduler.model.policy import Policy
from scheduler.model.relations import LabelSet, PodSelector
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape
from scheduler.model.volumes import VolumeFacts
from scheduler.model.work import Gang, Pod
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.terms.table import FILTERS, RELATIVE_FILTERS, VOLUME_FILTERS

Eligibility = tuple[Mask, tuple[tuple[str, int], ...]]
"""[nodes] eligible, and how many nodes each filter refused first, as (filter, nodes) in the policy's order."""


def eligible(
    shape: Shape, nodes: NodeTable, capacity: Matrix, resources: tuple[str, ...], policy: Policy
) -> Eligibility:
    """What follows from the nodes alone. Every refused node counts under the first filter that refuses it, so the
    counts add up to the refused nodes.

    ``capacity`` is [nodes x resources], allocatable totals. It follows from the arguments alone: a caller may keep the
    answer per shape for as long as node table and capacity stay the same objects. KeyError names an unknown filter.
    """
    fleet = Fleet(nodes, capacity, resources)
    everyone: Eligibility = (np.ones(len(nodes), dtype=np.bool_), ())
    for name in policy.filters:
        if name not in RELATIVE_FILTERS and name not in VOLUME_FILTERS:
            everyone = _without(everyone, name, FILTERS[name](shape, fleet))
    return everyone


def within_storage(
    shape: Shape, allowed: Eligibility, nodes: NodeTable, facts: VolumeFacts | None, policy: Policy
) -> Eligibility:
    """What is left of ``allowed`` (`eligible`) where the pod's volumes can be used or made; the same for most pods."""
    if shape.volumes is None:
        return allowed
    fleet = Fleet(nodes, np.zeros((len(nodes), 0), dtype=np.int64), (), volumes=facts)
    for name in policy.filters:
        if name in VOLUME_FILTERS:
            allowed = _without(allowed, name, VOLUME_FILTERS[name](shape, fleet))
    return allowed


def within_plan(shape: Shape, allowed: Eligibility, fleet: Fleet, policy: Policy) -> Eligibility:
    """What is left of ``allowed`` (`eligible`) beside the pods that stand already, whatever else a plan places."""
    if shape.relations is None and not shape.matched:
        return allowed
    for name in policy.filters:
        if name in RELATIVE_FILTERS:
            allowed = _without(allowed, name, RELATIVE_FILTERS[name].bars(shape, fleet))
    return allowed


def feasible(snapshot: Snapshot, pod: Pod, policy: Policy) -> Eligibility:
    """Where a pod could be bound right now if it were the only one: what kube-scheduler's filters let through.

    The snapshot must know the pod as pending work (`Store.snapshot`), and the pod's shape what its volumes ask for
    (`Store.with_volumes`); nodes without enough free count as "capacity".
    """
    everyone: Eligibility = (np.ones(len(snapshot.nodes), dtype=np.bool_), ())
    for name, refused in refusals(snapshot, pod, policy).items():
        everyone = _without(everyone, name, refused)
    return everyone


def refusals(snapshot: Snapshot, pod: Pod, policy: Policy) -> dict[str, Mask]:
    """What each filter by itself refuses, by name, and as "capacity" the nodes without enough free; see `feasible`."""
    shape = seen(pod.shape, pod.label_set, snapshot.neighbours)
    fleet = Fleet(snapshot.nodes, snapshot.capacity, snapshot.resources, snapshot.neighbours, snapshot.volumes)
    filters = {**FILTERS, **VOLUME_FILTERS, **{name: each.refuse for name, each in RELATIVE_FILTERS.items()}}
    found = {name: filters[name](shape, fleet) for name in policy.filters}
    columns = {name: column for column, name in enumerate(snapshot.resources)}
    short = np.zeros(len(snapshot.nodes), dtype=np.bool_)
    for name, amount in shape.requests:
        if name in columns:
            short |= snapshot.free[:, columns[name]] < amount
    return {**found, "capacity": short}


def seen(shape: Shape, label_set: LabelSet, neighbours: Neighbours) -> Shape:
    """The shape with the selectors that look at a pod with these labels."""
    matched = neighbours.matched(label_set)
    return msgspec.structs.replace(shape, matched=matched) if matched else shape


def with_coming(neighbours: Neighbours, gangs: Sequence[Gang]) -> Neighbours:
    """The neighbours, and how many pods of these gangs (as `seen`) match each selector."""
    coming: dict[PodSelector, int] = {}
    for gang in gangs:
        for member in gang.members:
            for selector in member.shape.matched:
                coming[selector] = coming.get(selector, 0) + member.count
    return replace(neighbours, coming=coming) if coming else neighbours


def _without(allowed: Eligibility, name: str, refused: Mask) -> Eligibility:
    mask, counts = allowed
    number = int(np.count_nonzero(mask & refused))
    return (mask & ~refused, (*counts, (name, number))) if number else allowed
