"""Rule: domains that a gang asks for exclusively hold no pod of another gang.

Of the gangs of one problem. Gangs that run are no matter of this rule: nodes in domains that they hold, or that they
use where somebody asks for them exclusively, are not eligible (`scheduler.solver.build`). Single pods are no gang.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import Problem, Put
from scheduler.solver.tree import asks_exclusive

NAME = "exclusive-domains"


def post(model: Posting) -> None:
    """Per level and domain: at most one gang holds it, and where one does, nobody else has a pod."""
    problem = model.problem
    for level in sorted({ask.exclusive for gang in problem.gangs for ask in gang.branches if ask.exclusive >= 0}):
        codes = problem.class_domain[:, level].tolist()
        holds: dict[int, dict[int, list[Variable]]] = {}
        uses: dict[int, dict[int, list[Variable]]] = {}
        for index, gang in enumerate(problem.gangs):
            for member, each in enumerate(gang.members):
                exclusive = asks_exclusive(gang, each.branch, level)
                for node_class, count in model.counts(index, member):
                    if exclusive and codes[node_class] < 0:
                        model.at_most([(1, count)], 0)
                    elif exclusive:
                        holds.setdefault(codes[node_class], {}).setdefault(index, []).append(count)
                    elif not gang.bundle:
                        uses.setdefault(codes[node_class], {}).setdefault(index, []).append(count)
        for domain, holders in sorted(holds.items()):
            _post_domain(model, holders, uses.get(domain, {}))


def _post_domain(model: Posting, holders: dict[int, list[Variable]], users: dict[int, list[Variable]]) -> None:
    flags = {index: model.used(counts, model.problem.gangs[index].pods) for index, counts in holders.items()}
    if len(flags) > 1:
        model.at_most([(1, flag) for flag in flags.values()], 1)
    others = [count for index, counts in users.items() if index not in flags for count in counts]
    _post_apart(model, others, list(flags.values()))
    for index in users.keys() & flags.keys():  # what of a holder asks for nothing may stand beside its own
        _post_apart(model, users[index], [flag for other, flag in flags.items() if other != index])


def _post_apart(model: Posting, counts: list[Variable], flags: list[Variable]) -> None:
    """No pods where a flag is on."""
    most = sum(model.upper(count) for count in counts)
    if most and flags:
        model.at_most([*((1, count) for count in counts), *((most, flag) for flag in flags)], most)


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    placed = [put for put in puts if not problem.gangs[put.gang].bundle]
    refusals = []
    for put in placed:
        gang = problem.gangs[put.gang]
        branch = gang.members[put.member].branch
        while branch >= 0:
            level = gang.branches[branch].exclusive
            if level >= 0:
                domain = problem.class_domain[put.node_class, level]
                others = {
                    other.gang
                    for other in placed
                    if other.gang != put.gang and problem.class_domain[other.node_class, level] == domain
                }
                where = f"gang {put.gang} {problem.level_names[level]}"
                if domain < 0:
                    refusals.append(Refusal(NAME, "NoDomain", needed=put.count, where=where))
                elif others:
                    refusals.append(Refusal(NAME, "Shared", offered=len(others), where=where))
            branch = gang.branches[branch].parent
    return refusals
