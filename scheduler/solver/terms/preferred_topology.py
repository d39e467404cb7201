"""Goal: branches that prefer a level touch few of its domains, and still fewer of the wider ones above it.

A domain of a level counts four times as much as one of the next finer level, so that a gang that does not fit into one
rack stays in one block first and then in few racks of it. Nodes without a domain count as one domain more.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "preferred-topology"
WIDER = 4
"""How many domains of a level weigh as much as one of the level above it."""


def post(model: Posting) -> list[tuple[str, Terms]]:
    """One flag per branch, level and domain, on where the branch has pods; their weighted number is the cost."""
    problem = model.problem
    terms: list[tuple[int, Variable]] = []
    for index, gang in enumerate(problem.gangs):
        for branch, ask in enumerate(gang.branches):
            if ask.preferred < 0:
                continue
            below = [member for member, each in enumerate(gang.members) if _is_below(gang, each.branch, branch)]
            most = sum(gang.members[member].count for member in below)
            for finer, level in enumerate(reversed(ask.near)):
                codes = problem.class_domain[:, level].tolist()
                by_domain: dict[int, list[Variable]] = {}
                for member in below:
                    for node_class, count in model.counts(index, member):
                        by_domain.setdefault(codes[node_class], []).append(count)
                terms += [(WIDER**finer, model.used(counts, most)) for _, counts in sorted(by_domain.items())]
    return [(NAME, terms)] if _asked(problem) else []


def costs(problem: Problem, puts: Iterable[Put]) -> list[tuple[str, int]]:
    """The weighted number of (branch, domain) pairs that are touched; nothing where nobody prefers anything."""
    touched: dict[tuple[int, int, int, int], int] = {}
    for put in puts:
        gang = problem.gangs[put.gang]
        branch = gang.members[put.member].branch
        while branch >= 0:
            ask = gang.branches[branch]
            if ask.preferred >= 0:
                touched[put.gang, branch, -1, int(problem.class_domain[put.node_class, ask.preferred])] = 1
                for number, level in enumerate(ask.wider):
                    domain = int(problem.class_domain[put.node_class, level])
                    touched[put.gang, branch, number, domain] = WIDER ** (len(ask.wider) - number)
            branch = ask.parent
    return [(NAME, sum(touched.values()))] if _asked(problem) else []


def _asked(problem: Problem) -> bool:
    return any(branch.preferred >= 0 for gang in problem.gangs for branch in gang.branches)


def _is_below(gang: GangAsk, branch: int, ancestor: int) -> bool:
    while branch >= 0 and branch != ancestor:
        branch = gang.branches[branch].parent
    return branch == ancestor
