"""Rule: no node class gives more than its nodes have, and no pod stands where its filters refuse it."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import Problem, Put

NAME = "capacity"


def post(model: Posting) -> None:
    """Sums per class and resource; where nodes are pooled, also what no node can be cut into.

    A node with ``free`` holds at most ``free // size`` pieces of any size, and a request counts ``request // size`` of
    them: without this, the rests of several nodes would add up to a pod that stands on none.
    """
    problem = model.problem
    here: dict[int, list[tuple[tuple[int, ...], Variable]]] = {}
    for index, gang in enumerate(problem.gangs):
        for member, ask in enumerate(gang.members):
            for node_class, count in model.counts(index, member):
                here.setdefault(node_class, []).append((ask.request, count))
    for node_class, asks in here.items():
        nodes = int(problem.class_nodes[node_class])
        for resource, free in enumerate(problem.class_free[node_class].tolist()):
            _post_pieces(model, [(request[resource], count) for request, count in asks], nodes, free, 1)
            sizes = {request[resource] for request, _ in asks if request[resource] > 0}
            for size in sorted(sizes) if nodes > 1 else ():
                if free % size:
                    _post_pieces(model, [(request[resource], count) for request, count in asks], nodes, free, size)


def _post_pieces(model: Posting, asks: list[tuple[int, Variable]], nodes: int, free: int, size: int) -> None:
    terms = [(amount // size, count) for amount, count in asks if amount >= size]
    bound = nodes * (free // size)
    if sum(pieces * model.upper(count) for pieces, count in terms) <= bound:
        return
    step = gcd(*(pieces for pieces, _ in terms))
    model.at_most([(pieces // step, count) for pieces, count in terms], bound // step)


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    """Pooled over the nodes of a class; whether the counts also fit node by node is decided by expansion."""
    taken: dict[int, list[int]] = {}
    refusals = []
    for put in puts:
        member = problem.gangs[put.gang].members[put.member]
        if not member.eligible[put.node_class // 8] >> (7 - put.node_class % 8) & 1:
            refusals.append(Refusal(term=NAME, code="NotEligible", needed=put.count, where=f"class {put.node_class}"))
        amounts = taken.setdefault(put.node_class, [0] * len(problem.resources))
        for resource, amount in enumerate(member.request):
            amounts[resource] += amount * put.count
    for node_class, amounts in sorted(taken.items()):
        for resource, amount in enumerate(amounts):
            offered = int(problem.class_nodes[node_class]) * int(problem.class_free[node_class, resource])
            if amount > offered:
                refusals.append(
                    Refusal(
                        term=NAME,
                        code="OverCommitted",
                        needed=amount,
                        offered=offered,
                        resource=problem.resources[resource],
                        where=f"class {node_class}",
                    )
                )
    return refusals
