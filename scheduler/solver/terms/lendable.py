"""Rule: nobody borrows what is not lendable.

What a queue keeps to itself it may take without anybody above noticing; only what it takes beyond counts there, up to
the top, where it is bounded by what there is.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Terms, Variable
from scheduler.solver.problem import Problem, Put
from scheduler.solver.quota import Lending

NAME = "lendable"


def post(model: Posting) -> None:
    """Per queue that keeps something: a number for what counts above it."""
    for lending in model.problem.lending:
        below: dict[int, list[tuple[int, Variable]]] = {}
        for index, gang in enumerate(model.problem.gangs):
            if gang.queue >= 0:
                below.setdefault(gang.queue, []).extend(_terms(model, lending, index))
        for queue in _leaves_first(model.problem):
            terms = below.pop(queue, [])
            if not terms:
                continue
            if lending.room[queue] >= 0:
                model.at_most(terms, lending.room[queue])
            if lending.kept[queue] > 0:
                terms = [(1, _beyond(model, terms, lending.kept[queue]))]
            below.setdefault(model.problem.queues[queue].parent, []).extend(terms)
        if lending.total >= 0 and below.get(-1):
            model.at_most(below[-1], lending.total)


def _terms(model: Posting, lending: Lending, index: int) -> list[tuple[int, Variable]]:
    problem = model.problem
    found = []
    for number, member in enumerate(problem.gangs[index].members):
        for node_class, count in model.counts(index, number):
            amount = problem.charge(member, node_class)[lending.resource]
            if amount > 0 and lending.flavor in (-1, problem.flavor_of(node_class)):
                found.append((amount, count))
    return found


def _beyond(model: Posting, terms: Terms, kept: int) -> Variable:
    """A number that is at least what the terms exceed ``kept`` by."""
    most = sum(amount * model.upper(variable) for amount, variable in terms)
    beyond = model.number(max(0, most - kept), lambda value: sum(each * value(own) for each, own in terms) - kept)
    model.at_most([*terms, (-1, beyond)], kept)
    return beyond


def _leaves_first(problem: Problem) -> list[int]:
    def depth(queue: int) -> int:
        return 0 if queue < 0 else 1 + depth(problem.queues[queue].parent)

    return sorted(range(len(problem.queues)), key=lambda queue: -depth(queue))


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    placed = list(puts)
    return [refusal for lending in problem.lending for refusal in _broken(problem, lending, placed)]


def _broken(problem: Problem, lending: Lending, puts: list[Put]) -> list[Refusal]:
    own = [0] * len(problem.queues)
    for put in puts:
        gang = problem.gangs[put.gang]
        flavor = -1 if problem.class_flavor is None else problem.class_flavor[put.node_class]
        if gang.queue >= 0 and lending.flavor in (-1, flavor):
            own[gang.queue] += problem.charge(gang.members[put.member], put.node_class)[lending.resource] * put.count

    def counted(queue: int) -> int:
        return own[queue] + sum(
            max(0, counted(child) - lending.kept[child])
            for child, each in enumerate(problem.queues)
            if each.parent == queue
        )

    resource = problem.resources[lending.resource]
    bounds = [(str(queue), counted(queue), room) for queue, room in enumerate(lending.room)]
    top = [queue for queue, each in enumerate(problem.queues) if each.parent < 0]
    bounds.append(("the top", sum(max(0, counted(queue) - lending.kept[queue]) for queue in top), lending.total))
    return [
        Refusal(NAME, "NotLent", needed=amount, offered=room, resource=resource, where=where)
        for where, amount, room in bounds
        if 0 <= room < amount
    ]
