"""Goal: branches that prefer a level touch few of its domains; nodes without one count as one domain more."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "preferred-topology"


def post(model: Posting) -> list[tuple[str, Terms]]:
    """One flag per branch and domain of the preferred level, on where the branch has pods; their number is the cost."""
    problem = model.problem
    flags: list[Variable] = []
    for index, gang in enumerate(problem.gangs):
        for branch, ask in enumerate(gang.branches):
            if ask.preferred < 0:
                continue
            codes = problem.class_domain[:, ask.preferred].tolist()
            by_domain: dict[int, list[Variable]] = {}
            below = [member for member, each in enumerate(gang.members) if _is_below(gang, each.branch, branch)]
            for member in below:
                for node_class, count in model.counts(index, member):
                    by_domain.setdefault(codes[node_class], []).append(count)
            most = sum(gang.members[member].count for member in below)
            flags += [model.used(counts, most) for _, counts in sorted(by_domain.items())]
    return [(NAME, [(1, flag) for flag in flags])] if _asked(problem) else []


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """How many (branch, domain) pairs are touched; nothing where nobody prefers anything."""
    touched: set[tuple[int, int, int]] = set()
    for put in puts:
        gang = problem.gangs[put.gang]
        branch = gang.members[put.member].branch
        while branch >= 0:
            ask = gang.branches[branch]
            if ask.preferred >= 0:
                touched.add((put.gang, branch, int(problem.class_domain[put.node_class, ask.preferred])))
            branch = ask.parent
    return [(NAME, len(touched))] if _asked(problem) else []


def _asked(problem: Problem) -> bool:
    return any(branch.preferred >= 0 for gang in problem.gangs for branch in gang.branches)


def _is_below(gang: GangAsk, branch: int, ancestor: int) -> bool:
    while branch >= 0 and branch != ancestor:
        branch = gang.branches[branch].parent
    return branch == ancestor
