"""Rule: the leader of a gang in slices stands in a domain of the coarsest slices that the others use too."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "leader"


def post(model: Posting) -> None:
    """In each domain no more of the leader than others, unless the gang already holds places there."""
    problem = model.problem
    for index, gang in enumerate(problem.gangs):
        branch = _sliced_branch(gang)
        if branch < 0:
            continue
        layer = gang.branches[branch].slices[0]
        codes = problem.class_domain[:, layer.level].tolist()
        held = {domain for domain, _ in layer.held}
        others: dict[int, list[Variable]] = {}
        for member, each in enumerate(gang.members):
            if member != gang.leader and _is_below(gang, each.branch, branch):
                for node_class, count in model.counts(index, member):
                    others.setdefault(codes[node_class], []).append(count)
        for node_class, count in model.counts(index, gang.leader):
            domain = codes[node_class]
            if domain < 0:
                model.at_most([(1, count)], 0)
            elif domain not in held:
                beside = others.get(domain, [])
                model.at_most([(1, count), *((-model.upper(count), each) for each in beside)], 0)


def _sliced_branch(gang: GangAsk) -> int:
    """The nearest branch above the leader that asks for slices; -1: none, or no leader."""
    branch = gang.members[gang.leader].branch if gang.leader >= 0 else -1
    while branch >= 0 and not gang.branches[branch].slices:
        branch = gang.branches[branch].parent
    return branch


def _is_below(gang: GangAsk, branch: int, ancestor: int) -> bool:
    while branch >= 0 and branch != ancestor:
        branch = gang.branches[branch].parent
    return branch == ancestor


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    leads: dict[int, set[int]] = {}
    used: dict[int, set[int]] = {}
    for put in puts:
        gang = problem.gangs[put.gang]
        if gang.leader < 0:
            continue
        line = _line(gang, gang.members[gang.leader].branch)
        sliced = next((branch for branch in line if gang.branches[branch].slices), None)
        if sliced is None or sliced not in _line(gang, gang.members[put.member].branch):
            continue
        layer = gang.branches[sliced].slices[0]
        found = leads if put.member == gang.leader else used
        found.setdefault(put.gang, set()).add(int(problem.class_domain[put.node_class, layer.level]))
        used.setdefault(put.gang, set()).update(domain for domain, _ in layer.held)
    return [
        Refusal(NAME, "Apart", needed=1, where=f"gang {index}")
        for index, domains in sorted(leads.items())
        if -1 in domains or not domains <= used[index]
    ]


def _line(gang: GangAsk, branch: int) -> list[int]:
    line = []
    while branch >= 0:
        line.append(branch)
        branch = gang.branches[branch].parent
    return line
