"""Filter VolumeBinding: every claim of the pod is bound to a volume that the node can use, or can be bound there.

Source: kube-scheduler's plugin of that name (podHasPVCs, FindPodVolumes). A claim that waits for its pod gets the
smallest volume that fits and the node can use, each volume for one claim; what finds none is provisioned, where its
class can do that: on nodes of the allowed topologies, with enough storage where the driver keeps account of it.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.selector import selects
from scheduler.model.shape import ClaimAsk, NodeTerm, Shape
from scheduler.model.volumes import Volume, VolumeFacts
from scheduler.solver.fleet import Fleet
from scheduler.solver.node_matching import matches


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused."""
    asked, facts = shape.volumes, fleet.volumes
    accepted = np.ones(len(fleet.nodes), dtype=np.bool_)
    if asked is None or facts is None:
        return ~accepted
    if asked.troubles:
        return accepted
    for reach in asked.reaches:
        if reach.node_terms is not None:
            accepted &= _any_term(fleet, reach.node_terms)
    for claim in asked.unbound:
        if claim.selected_node:
            accepted &= _only(fleet, claim.selected_node)
    to_match = [claim for claim in asked.unbound if not claim.selected_node]
    selected = [claim for claim in asked.unbound if claim.selected_node]
    for claim in selected:
        accepted &= _provisionable(claim, facts, fleet)
    if to_match and accepted.any():
        accepted &= _bindable(to_match, facts, fleet)
    return np.asarray(~accepted)


def _only(fleet: Fleet, name: str) -> Mask:
    mask = np.zeros(len(fleet.nodes), dtype=np.bool_)
    if name in fleet.nodes.rows:
        mask[fleet.nodes.rows[name]] = True
    return mask


def _bindable(claims: list[ClaimAsk], facts: VolumeFacts, fleet: Fleet) -> Mask:
    """[nodes] every claim finds a volume of its own or can be provisioned; claims stand smallest first.

    Nodes that can use the same of the fitting volumes are looked at once.
    """
    pool = {each.name: each for claim in claims for each in fitting(claim, facts)}
    volumes = sorted(pool.values(), key=lambda each: (each.capacity, each.name))
    provisionable = {claim: _provisionable(claim, facts, fleet) for claim in dict.fromkeys(claims)}
    if not volumes:
        return np.asarray(np.logical_and.reduce(list(provisionable.values())), dtype=np.bool_)
    usable = np.array([_usable(each, fleet) for each in volumes], dtype=np.bool_)
    patterns, pattern_of_node = np.unique(usable, axis=1, return_inverse=True)
    accepted = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for number in range(patterns.shape[1]):
        here = pattern_of_node.reshape(-1) == number
        reachable = {volumes[index].name for index in np.flatnonzero(patterns[:, number])}
        for claim in unmatched(claims, facts, reachable):
            here = here & provisionable[claim]
        accepted |= here
    return accepted


def unmatched(claims: list[ClaimAsk], facts: VolumeFacts, reachable: set[str]) -> list[ClaimAsk]:
    """The claims that find none among the volumes that a node can use."""
    left = []
    taken: set[str] = set()
    for claim in claims:
        volume = next((each for each in fitting(claim, facts) if each.name in reachable - taken), None)
        if volume is None:
            left.append(claim)
        else:
            taken.add(volume.name)
    return left


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


def _usable(volume: Volume, fleet: Fleet) -> Mask:
    if volume.node_terms is None:
        return np.ones(len(fleet.nodes), dtype=np.bool_)
    return _any_term(fleet, volume.node_terms)


def _any_term(fleet: Fleet, terms: tuple[NodeTerm, ...]) -> Mask:
    matched = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for term in terms:
        matched |= matches(fleet.nodes, term)
    return matched


def _provisionable(claim: ClaimAsk, facts: VolumeFacts, fleet: Fleet) -> Mask:
    """[nodes] a new volume for the claim can be made."""
    storage_class = facts.classes.get(claim.storage_class)
    if storage_class is None or not storage_class.provisions:
        return np.zeros(len(fleet.nodes), dtype=np.bool_)
    allowed = np.ones(len(fleet.nodes), dtype=np.bool_)
    if storage_class.topologies:
        allowed = _any_term(fleet, storage_class.topologies)
    driver = facts.drivers.get(storage_class.provisioner)
    if driver is None or not driver.tracks_capacity or not claim.request:
        return allowed
    roomy = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for capacity in facts.capacities.get(claim.storage_class, ()):
        if capacity.nodes is not None and capacity.largest is not None and capacity.largest >= claim.request:
            roomy |= matches(fleet.nodes, NodeTerm(capacity.nodes)) if capacity.nodes else True
    return allowed & roomy
