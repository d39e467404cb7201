"""Rule: all pods below a branch that requires a level stand in one domain of it, the one where the gang already is."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.problem import Problem, Put

NAME = "required-topology"


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    domains: dict[tuple[int, int], set[int]] = {}
    for put in puts:
        gang = problem.gangs[put.gang]
        branch = gang.members[put.member].branch
        while branch >= 0:
            ask = gang.branches[branch]
            if ask.required >= 0:
                domains.setdefault((put.gang, branch), set()).add(
                    int(problem.class_domain[put.node_class, ask.required])
                )
            branch = ask.parent
    refusals = []
    for (index, branch), used in sorted(domains.items()):
        ask = problem.gangs[index].branches[branch]
        level = problem.level_names[ask.required]
        if len(used) > 1:
            code = "SeveralDomains"
        elif -1 in used:
            code = "NoDomain"
        elif ask.pinned >= 0 and used != {ask.pinned}:
            code = "OtherDomain"
        else:
            continue
        refusals.append(Refusal(term=NAME, code=code, needed=1, offered=len(used), where=f"gang {index} {level}"))
    return refusals
