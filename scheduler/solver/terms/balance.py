"""Goal: of a branch that asks for balance, the fullest domain holds as few pods as possible, level by level.

It comes after the goal that seeks few domains: as even as these few allow.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "balance"


def post(model: Posting) -> list[tuple[str, Terms]]:
    """One variable per branch and level, at least as large as what each domain holds; their sum is the cost."""
    problem = model.problem
    terms: list[tuple[int, Variable]] = []
    for index, gang in enumerate(problem.gangs):
        for branch, ask in enumerate(gang.branches):
            for level in ask.balance:
                codes = problem.class_domain[:, level].tolist()
                by_domain: dict[int, list[Variable]] = {}
                for member, each in enumerate(gang.members):
                    if _is_below(gang, each.branch, branch):
                        for node_class, count in model.counts(index, member):
                            by_domain.setdefault(codes[node_class], []).append(count)
                terms.append((1, model.largest([counts for _, counts in sorted(by_domain.items())])))
    return [(NAME, terms)] if _asked(problem) else []


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """The sum of the fullest domains; nothing where nobody asks for balance."""
    pods: dict[tuple[int, int, int], dict[int, int]] = {}
    for put in puts:
        gang = problem.gangs[put.gang]
        branch = gang.members[put.member].branch
        while branch >= 0:
            for level in gang.branches[branch].balance:
                here = pods.setdefault((put.gang, branch, level), {})
                domain = int(problem.class_domain[put.node_class, level])
                here[domain] = here.get(domain, 0) + put.count
            branch = gang.branches[branch].parent
    return [(NAME, sum(max(here.values()) for here in pods.values()))] if _asked(problem) else []


def _asked(problem: Problem) -> bool:
    return any(branch.balance for gang in problem.gangs for branch in gang.branches)


def _is_below(gang: GangAsk, branch: int, ancestor: int) -> bool:
    while branch >= 0 and branch != ancestor:
        branch = gang.branches[branch].parent
    return branch == ancestor
