"""Rule: no queue holds more gangs, and no user in it more gangs or resources, than its counts allow."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import GangAsk, Problem, Put
from scheduler.solver.quota import CountRoom

NAME = "counts"


def post(model: Posting) -> None:
    """Per bound: presence flags (of bundles: pods), and amounts times counts."""
    problem = model.problem
    for bound in problem.counts:
        inside = [index for index, gang in enumerate(problem.gangs) if _is_counted(problem, gang, bound)]
        gangs: list[tuple[int, Variable]] = []
        for index in inside:
            gang = problem.gangs[index]
            if gang.bundle:
                gangs += [(1, count) for _, count in model.counts(index, 0)]
            elif not gang.grows:
                gangs.append((1, model.present(index, 0)))
        if bound.gangs >= 0 and gangs:
            model.at_most(gangs, bound.gangs)
        for resource, room in enumerate(bound.room):
            if room >= 0:
                terms = [
                    (problem.charge(member, node_class)[resource], count)
                    for index in inside
                    for number, member in enumerate(problem.gangs[index].members)
                    for node_class, count in model.counts(index, number)
                ]
                model.at_most([(amount, count) for amount, count in terms if amount > 0], room)


def _is_counted(problem: Problem, gang: GangAsk, bound: CountRoom) -> bool:
    queue = gang.queue
    while queue >= 0 and queue != bound.queue:
        queue = problem.queues[queue].parent
    return queue == bound.queue and bound.user in (-1, gang.user)


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    gangs = [0] * len(problem.counts)
    amounts = [[0] * len(problem.resources) for _ in problem.counts]
    seen: set[int] = set()
    for put in puts:
        gang = problem.gangs[put.gang]
        line = set()
        queue = gang.queue
        while queue >= 0:
            line.add(queue)
            queue = problem.queues[queue].parent
        new = put.count if gang.bundle else int(put.gang not in seen and not gang.grows)
        seen.add(put.gang)
        taken = problem.charge(gang.members[put.member], put.node_class)
        for number, bound in enumerate(problem.counts):
            if bound.queue in line and bound.user in (-1, gang.user):
                gangs[number] += new
                amounts[number] = [sum_ + each * put.count for sum_, each in zip(amounts[number], taken, strict=True)]
    refusals = []
    for bound, held, total in zip(problem.counts, gangs, amounts, strict=True):
        where = f"queue {bound.queue} user {bound.user}"
        if 0 <= bound.gangs < held:
            refusals.append(Refusal(NAME, "TooManyGangs", held, bound.gangs, where=where))
        for resource, amount, room in zip(problem.resources, total, bound.room, strict=True):
            if 0 <= room < amount:
                refusals.append(Refusal(NAME, "TooMuch", amount, room, resource, where))
    return refusals
