"""What keeps one gang from being placed even alone by what queues do not lend, and by what they count."""

from __future__ import annotations

from scheduler.model.plan import Refusal
from scheduler.solver.build import Built
from scheduler.solver.problem import GangAsk, Problem
from scheduler.solver.quota import Loans
from scheduler.solver.tree import minima_below


def counted_bounds(built: Built, index: int) -> list[Refusal]:
    """Every such bound that is below what the gang takes at its minima; of lending per flavor only where nothing but
    its flavor is left."""
    problem, gang = built.problem, built.problem.gangs[index]
    if gang.queue < 0 or not (problem.lending or problem.counts):
        return []
    least = _least(problem, gang)
    return [*_lending_bounds(built, gang, least), *_count_bounds(built, gang, least)]


def _least(problem: Problem, gang: GangAsk) -> list[int]:
    """What the gang asks for at least, per resource, without parts of devices; of a bundle one pod. Where its tree
    leaves a choice of members, the least of any."""
    needs = {0: 1} if gang.bundle else minima_below(gang, 0)
    others = max(0, gang.branches[0].minimum - sum(needs.values()))
    return [
        sum(gang.members[member].request[resource] * pods for member, pods in needs.items())
        + others * min(member.request[resource] for member in gang.members)
        for resource in range(len(problem.resources))
    ]


def _lending_bounds(built: Built, gang: GangAsk, least: list[int]) -> list[Refusal]:
    problem = built.problem
    parents = [queue.parent for queue in problem.queues]
    found = []
    for lending in problem.lending if "lendable" in problem.rules else ():
        left = Loans(lending, parents).left(gang.queue)
        if lending.flavor < 0 and 0 <= left < least[lending.resource]:
            resource = problem.resources[lending.resource]
            name = _name(built, gang.queue)
            found.append(Refusal("lendable", "NotLent", least[lending.resource], left, resource, where=name))
    return found


def _count_bounds(built: Built, gang: GangAsk, least: list[int]) -> list[Refusal]:
    problem = built.problem
    line = set()
    queue = gang.queue
    while queue >= 0:
        line.add(queue)
        queue = problem.queues[queue].parent
    found = []
    for bound in problem.counts if "counts" in problem.rules else ():
        if bound.queue not in line or bound.user not in (-1, gang.user):
            continue
        name = _name(built, bound.queue)
        if bound.gangs == 0 and not gang.grows:
            found.append(Refusal("counts", "TooManyGangs", 1, 0, where=name))
        for resource, needed, room in zip(problem.resources, least, bound.room, strict=True):
            if 0 <= room < needed:
                found.append(Refusal("counts", "TooMuch", needed, room, resource, name))
    return found


def _name(built: Built, queue: int) -> str:
    return built.queue_names[queue] if built.queue_names else str(queue)
