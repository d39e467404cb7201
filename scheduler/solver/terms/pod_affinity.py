"""Required inter-pod affinity: as a filter beside what stands, as a rule inside one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.plan import Refusal
from scheduler.model.shape import Shape
from scheduler.solver.asks.domain_counts import around_each_node, has_key
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import TOGETHER, Problem, Put, Relation

NAME = TOGETHER


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused as things stand: a domain of the node has no pod that matches.

    The first of a group may go anywhere: where no pod matches on any node with one of the keys, and the pod itself
    does. A node must have all keys either way.
    """
    refused = _without_keys(shape, fleet)
    affinity = shape.relations.affinity if shape.relations is not None else None
    if affinity is None:
        return refused
    counts = fleet.neighbours.matching[affinity.selector]
    around = [around_each_node(fleet.nodes, key, counts) for key in affinity.topology_keys]
    if not any(each.any() for each in around) and affinity.selector in shape.matched:
        return refused
    for each in around:
        refused |= each == 0
    return refused


def bars(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused whatever else is placed: the node lacks a key, or nobody who matches is among what comes."""
    affinity = shape.relations.affinity if shape.relations is not None else None
    if affinity is not None and fleet.neighbours.is_alone(affinity.selector, shape.matched):
        return refuse(shape, fleet)
    return _without_keys(shape, fleet)


def _without_keys(shape: Shape, fleet: Fleet) -> Mask:
    lacking = np.zeros(len(fleet.nodes), dtype=np.bool_)
    affinity = shape.relations.affinity if shape.relations is not None else None
    for key in affinity.topology_keys if affinity is not None else ():
        lacking |= ~has_key(fleet.nodes, key)
    return lacking


def post(model: Posting) -> None:
    """A carrier in a domain where none stands already needs a target there that asks for nothing itself, or the one
    domain that may begin with a carrier."""
    for relation in model.problem.relations:
        if relation.kind == NAME:
            _post_relation(model, relation)


def _post_relation(model: Posting, relation: Relation) -> None:
    codes = model.problem.class_domain[:, relation.level].tolist()
    own: dict[int, list[Variable]] = {}
    plain: dict[int, list[Variable]] = {}
    both: dict[int, list[Variable]] = {}
    for key in dict.fromkeys((*relation.carriers, *relation.targets)):
        for node_class, count in model.counts(*key):
            here = codes[node_class]
            if key not in relation.carriers:
                plain.setdefault(here, []).append(count)
                continue
            own.setdefault(here, []).append(count)
            if key in relation.targets:
                both.setdefault(here, []).append(count)
    begun = []
    for domain, carriers in sorted(own.items()):
        if domain < 0:
            model.at_most([(1, count) for count in carriers], 0)
        elif not relation.standing[domain]:
            most = sum(model.upper(count) for count in carriers)
            support = [(-most, count) for count in plain.get(domain, ())]
            if relation.first and domain in both:
                flag = model.number(1, _begins(tuple(both[domain]), tuple(plain.get(domain, ()))))
                model.at_most([(1, flag), *((-1, count) for count in both[domain])], 0)
                begun.append(flag)
                support.append((-most, flag))
            model.at_most([*((1, count) for count in carriers), *support], 0)
    model.at_most([(1, flag) for flag in begun], 1)


def _begins(both: tuple[Variable, ...], plain: tuple[Variable, ...]) -> Callable[[Callable[[Variable], int]], int]:
    """Whether a domain lives from its carriers alone."""

    def value(of: Callable[[Variable], int]) -> int:
        return int(any(of(count) for count in both) and not any(of(count) for count in plain))

    return value


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    """Every carrier's domain has a target that stands, comes without asking, or began the one new domain."""
    placed = list(puts)
    refusals = []
    for relation in problem.relations:
        if relation.kind != NAME:
            continue
        carriers: set[int] = set()
        plain: set[int] = set()
        selfmade: set[int] = set()
        for put in placed:
            key = (put.gang, put.member)
            domain = int(problem.class_domain[put.node_class, relation.level])
            if key in relation.carriers:
                carriers.add(domain)
            if key in relation.targets:
                (selfmade if key in relation.carriers else plain).add(domain)
        lonely = {domain for domain in carriers - plain if domain < 0 or not relation.standing[domain]}
        allowed = len(lonely) == 1 and relation.first and lonely <= selfmade and min(lonely) >= 0
        if (lonely and not allowed) or -1 in carriers:
            level = problem.level_names[relation.level]
            refusals.append(Refusal(NAME, "Alone", needed=1, offered=len(lonely), where=level))
    return refusals
