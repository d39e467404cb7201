"""Required inter-pod anti-affinity, in both directions: as a filter beside what stands, as a rule inside one plan."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.plan import Refusal
from scheduler.model.shape import Shape
from scheduler.solver.asks.domain_counts import around_each_node
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import APART, Problem, Put, Relation

NAME = APART


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused: in the node's domain stands a pod that this one keeps away from, or that keeps it away.

    Whatever else is placed in the same plan, these nodes stay refused.
    """
    refused = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for term in shape.relations.anti_affinity if shape.relations is not None else ():
        refused |= around_each_node(fleet.nodes, term.topology_key, fleet.neighbours.matching[term.selector]) > 0
    for term, carriers in fleet.neighbours.carriers.items() if shape.matched else ():
        if term.selector in shape.matched:
            refused |= around_each_node(fleet.nodes, term.topology_key, carriers) > 0
    return refused


def post(model: Posting) -> None:
    """In each domain: one target at most where all targets are carriers; else where some carrier is, no target but
    itself."""
    for relation in model.problem.relations:
        if relation.kind == NAME:
            for members in _by_domain(model, relation).values():
                _post_domain(model, relation, members)


def _by_domain(model: Posting, relation: Relation) -> dict[int, dict[tuple[int, int], list[Variable]]]:
    codes = model.problem.class_domain[:, relation.level].tolist()
    found: dict[int, dict[tuple[int, int], list[Variable]]] = {}
    for key in dict.fromkeys((*relation.carriers, *relation.targets)):
        for node_class, count in model.counts(*key):
            if codes[node_class] >= 0:
                found.setdefault(codes[node_class], {}).setdefault(key, []).append(count)
    return found


def _post_domain(model: Posting, relation: Relation, members: dict[tuple[int, int], list[Variable]]) -> None:
    targets = [count for key in relation.targets for count in members.get(key, ())]
    if set(relation.carriers) == set(relation.targets):
        model.at_most([(1, count) for count in targets], 1)
        return
    most = sum(model.upper(count) for count in targets)
    for key in relation.carriers:
        if key in members:
            itself = int(key in relation.targets)
            flag = model.used(members[key], sum(model.upper(count) for count in members[key]))
            model.at_most([*((1, count) for count in targets), (most, flag)], most + itself)


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    """Pod by pod: nobody a carrier looks at shares its domain."""
    placed = list(puts)
    refusals = []
    for relation in problem.relations:
        if relation.kind != NAME:
            continue
        pods: dict[int, list[tuple[int, int]]] = {}
        for put in placed:
            domain = int(problem.class_domain[put.node_class, relation.level])
            if domain >= 0:
                pods.setdefault(domain, []).extend([(put.gang, put.member)] * put.count)
        for domain, here in sorted(pods.items()):
            looked_at = sum(pod in relation.targets for pod in here)
            most = max((looked_at - (pod in relation.targets) for pod in here if pod in relation.carriers), default=0)
            if most > 0:
                where = f"{problem.level_names[relation.level]} {problem.domain_names[relation.level][domain]}"
                refusals.append(Refusal(NAME, "Near", offered=most, where=where))
    return refusals
