"""Which volumes could serve a claim, and which nodes could use them or have new ones made.

Source: kube-scheduler's volume binder (FindMatchingVolume, checkVolumeProvisions).
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.selector import selects
from scheduler.model.shape import ClaimAsk, NodeTerm
from scheduler.model.volumes import Volume, VolumeFacts
from scheduler.solver.asks.node_matching import matches


def fitting(claim: ClaimAsk, facts: VolumeFacts) -> list[Volume]:
    """The volumes that could serve a claim, smallest first: the one reserved for it, else those that are free."""
    found = []
    for volume in facts.volumes.get(claim.storage_class, ()):
        large_enough = volume.capacity >= claim.request and not volume.leaving
        if not large_enough or (volume.volume_mode, volume.attributes_class) != (
            claim.volume_mode,
            claim.attributes_class,
        ):
            continue
        if volume.name == claim.prebound:
            return [volume]
        if volume.claim or not volume.available or not set(claim.modes) <= set(volume.modes):
            continue
        if claim.selector is None or selects(claim.selector, volume.labels):
            found.append(volume)
    return found


def usable(volume: Volume, nodes: NodeTable) -> Mask:
    """[nodes] a volume can be used by the pods of."""
    if volume.node_terms is None:
        return np.ones(len(nodes), dtype=np.bool_)
    return any_term(nodes, volume.node_terms)


def any_term(nodes: NodeTable, terms: tuple[NodeTerm, ...]) -> Mask:
    """[nodes] that some term matches."""
    matched = np.zeros(len(nodes), dtype=np.bool_)
    for term in terms:
        matched |= matches(nodes, term)
    return matched


def provisionable(claim: ClaimAsk, facts: VolumeFacts, nodes: NodeTable) -> Mask:
    """[nodes] a new volume for the claim can be made."""
    storage_class = facts.classes.get(claim.storage_class)
    if storage_class is None or not storage_class.provisions:
        return np.zeros(len(nodes), dtype=np.bool_)
    allowed = np.ones(len(nodes), dtype=np.bool_)
    if storage_class.topologies:
        allowed = any_term(nodes, storage_class.topologies)
    driver = facts.drivers.get(storage_class.provisioner)
    if driver is None or not driver.tracks_capacity or not claim.request:
        return allowed
    roomy = np.zeros(len(nodes), dtype=np.bool_)
    for capacity in facts.capacities.get(claim.storage_class, ()):
        if capacity.nodes is not None and capacity.largest is not None and capacity.largest >= claim.request:
            roomy |= matches(nodes, NodeTerm(capacity.nodes)) if capacity.nodes else True
    return allowed & roomy
