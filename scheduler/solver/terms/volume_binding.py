"""Filter VolumeBinding: every claim of the pod is bound to a volume that the node can use, or can be bound there.

Source: kube-scheduler's plugin of that name (podHasPVCs, FindPodVolumes). A claim that waits for its pod gets the
smallest volume that fits and the node can use, each volume for one claim; what finds none is provisioned, where its
class can do that: on nodes of the allowed topologies, with enough storage where the driver keeps account of it.
"""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.shape import ClaimAsk, Shape
from scheduler.model.volumes import VolumeFacts
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.volume_match import any_term, fitting, provisionable, usable


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
            accepted &= any_term(fleet.nodes, reach.node_terms)
    for claim in asked.unbound:
        if claim.selected_node:
            accepted &= _only(fleet, claim.selected_node)
    to_match = [claim for claim in asked.unbound if not claim.selected_node]
    selected = [claim for claim in asked.unbound if claim.selected_node]
    for claim in selected:
        accepted &= provisionable(claim, facts, fleet.nodes)
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
    can_be_made = {claim: provisionable(claim, facts, fleet.nodes) for claim in dict.fromkeys(claims)}
    if not volumes:
        return np.asarray(np.logical_and.reduce(list(can_be_made.values())), dtype=np.bool_)
    within_reach = np.array([usable(each, fleet.nodes) for each in volumes], dtype=np.bool_)
    patterns, pattern_of_node = np.unique(within_reach, axis=1, return_inverse=True)
    accepted = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for number in range(patterns.shape[1]):
        here = pattern_of_node.reshape(-1) == number
        reachable = {volumes[index].name for index in np.flatnonzero(patterns[:, number])}
        for claim in unmatched(claims, facts, reachable):
            here = here & can_be_made[claim]
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
