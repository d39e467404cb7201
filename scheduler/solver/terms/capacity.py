"""Rule: no node class gives more than its nodes have, and no pod stands where its filters refuse it."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.problem import Problem, Put

NAME = "capacity"


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
