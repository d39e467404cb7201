"""Rule: all pods below a branch that requires a level stand in one domain of it, the one where the gang already is."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "required-topology"


def post(model: Posting) -> None:
    """One flag per branch and domain, at most one of them on; pods only where it is on."""
    problem = model.problem
    for index, gang in enumerate(problem.gangs):
        for branch, ask in enumerate(gang.branches):
            if ask.required >= 0:
                codes = problem.class_domain[:, ask.required].tolist()
                _post_branch(model, index, gang, branch, codes)


def _post_branch(model: Posting, index: int, gang: GangAsk, branch: int, codes: list[int]) -> None:
    pinned = gang.branches[branch].pinned
    by_domain: dict[int, dict[int, list[Variable]]] = {}
    for member, ask in enumerate(gang.members):
        if _is_below(gang, ask.branch, branch):
            for node_class, count in model.counts(index, member):
                by_domain.setdefault(codes[node_class], {}).setdefault(member, []).append(count)
    flags = []
    for domain, members in sorted(by_domain.items()):
        counts = [count for each in members.values() for count in each]
        if domain < 0 or domain != pinned >= 0:
            model.at_most([(1, count) for count in counts], 0)
            continue
        flag = model.used(counts, sum(gang.members[member].count for member in members))
        for member, own in members.items():  # tighter than the sum alone
            if len(members) > 1:
                model.at_most([*((1, count) for count in own), (-gang.members[member].count, flag)], 0)
        flags.append(flag)
    model.at_most([(1, flag) for flag in flags], 1)


def _is_below(gang: GangAsk, branch: int, ancestor: int) -> bool:
    while branch >= 0 and branch != ancestor:
        branch = gang.branches[branch].parent
    return branch == ancestor


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
