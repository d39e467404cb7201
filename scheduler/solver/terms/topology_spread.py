"""Topology spread constraints with DoNotSchedule: as a filter beside what stands, as a rule inside one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.plan import Refusal
from scheduler.model.relations import Spread
from scheduler.model.shape import Shape
from scheduler.solver.asks.domain_counts import around_each_node, has_key
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.spread_domains import counted_nodes, fewest
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import SPREAD, Problem, Put, Relation

NAME = SPREAD


def refuse(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused as things stand: with one more pod its domain would be too far above the emptiest one."""
    refused = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for each in shape.relations.spread if shape.relations is not None else ():
        refused |= ~has_key(fleet.nodes, each.topology_key) | _uneven(shape, each, fleet)
    return refused


def bars(shape: Shape, fleet: Fleet) -> Mask:
    """[nodes] refused whatever else is placed: the node lacks a key, or nobody else comes who could level it."""
    barred = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for each in shape.relations.spread if shape.relations is not None else ():
        barred |= ~has_key(fleet.nodes, each.topology_key)
        if fleet.neighbours.is_alone(each.selector, shape.matched):
            barred |= _uneven(shape, each, fleet)
    return barred


def _uneven(shape: Shape, constraint: Spread, fleet: Fleet) -> Mask:
    counted = counted_nodes(shape, constraint, fleet.nodes)
    standing = fleet.neighbours.matching[constraint.selector]
    counts = np.where(counted & constraint.counts, standing, 0).astype(np.int32)
    here = around_each_node(fleet.nodes, constraint.topology_key, counts)
    own = int(constraint.selector in shape.matched)
    return np.asarray(here + own - fewest(fleet.nodes, constraint, counted, counts) > constraint.max_skew)


def post(model: Posting) -> None:
    """A number that is at most the targets of every domain; where carriers are, not many more than that."""
    for relation in model.problem.relations:
        if relation.kind == NAME:
            _post_relation(model, relation)


def _post_relation(model: Posting, relation: Relation) -> None:
    codes = model.problem.class_domain[:, relation.level].tolist()
    targets: dict[int, list[Variable]] = {domain: [] for domain in range(len(relation.standing))}
    carriers: dict[int, list[Variable]] = {}
    for key in dict.fromkeys((*relation.carriers, *relation.targets)):
        for node_class, count in model.counts(*key):
            if codes[node_class] >= 0:
                if key in relation.targets:
                    targets[codes[node_class]].append(count)
                if key in relation.carriers:
                    carriers.setdefault(codes[node_class], []).append(count)
    most = {domain: sum(model.upper(count) for count in counts) for domain, counts in targets.items()}
    fewest_now = min(relation.standing, default=0)
    floor: list[tuple[int, Variable]] = []
    if not relation.bottomless and any(most.values()):
        rise = min(relation.standing[domain] + most[domain] for domain in targets) - fewest_now
        number = model.number(rise, _rise(relation, targets))
        floor = [(1, number)]
        for domain, counts in targets.items():
            if relation.standing[domain] - fewest_now < rise:
                model.at_most([*floor, *((-1, count) for count in counts)], relation.standing[domain] - fewest_now)
    base = 0 if relation.bottomless else fewest_now
    for domain, own in sorted(carriers.items()):
        room = relation.max_skew + base - relation.standing[domain]
        if most[domain] > room:
            flag = model.used(own, sum(model.upper(count) for count in own))
            slack = most[domain] - room
            rising = [(-1, number) for _, number in floor]
            model.at_most([*((1, count) for count in targets[domain]), *rising, (slack, flag)], room + slack)


def _rise(relation: Relation, targets: dict[int, list[Variable]]) -> Callable[[Callable[[Variable], int]], int]:
    """By how much the domain with the fewest has more than now."""

    def value(of: Callable[[Variable], int]) -> int:
        sums = (relation.standing[domain] + sum(of(count) for count in counts) for domain, counts in targets.items())
        return min(sums) - min(relation.standing)

    return value


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    """The domains of carriers against the one with the fewest, with everything placed."""
    placed = list(puts)
    refusals = []
    for relation in problem.relations:
        if relation.kind != NAME:
            continue
        pods = dict(enumerate(relation.standing))
        used = set()
        for put in placed:
            domain = int(problem.class_domain[put.node_class, relation.level])
            if domain >= 0 and (put.gang, put.member) in relation.targets:
                pods[domain] += put.count
            if domain >= 0 and (put.gang, put.member) in relation.carriers:
                used.add(domain)
        floor = 0 if relation.bottomless else min(pods.values(), default=0)
        for domain in sorted(used):
            if pods[domain] - floor > relation.max_skew:
                where = f"{problem.level_names[relation.level]} {problem.domain_names[relation.level][domain]}"
                refusals.append(
                    Refusal(NAME, "Skew", needed=relation.max_skew, offered=pods[domain] - floor, where=where)
                )
    return refusals
