"""Where each member may have pods at all in the model, and how many: what presolve would find out, found out faster."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.model.devices import DeviceAsk
from scheduler.solver.problem import GangAsk, Incumbent, MemberAsk, Problem
from scheduler.solver.tree import members_below, minima_below

Kept = tuple[tuple[int, ...], DeviceAsk | None, bytes]
"""(request, parts of devices, eligible classes): members that agree in these have room for as many pods."""

Uppers = NDArray[np.int64]
"""[C] the most pods of a member per class; 0: no variable."""


def candidates(problem: Problem) -> list[list[Uppers]]:
    """Per gang and member. A gang that fits nowhere even alone has zeros everywhere."""
    known: dict[Kept, Uppers] = {}
    return [_of_gang(problem, gang, known) for gang in problem.gangs]


def model_size(problem: Problem, uppers: list[list[Uppers]]) -> int:
    """How many variables a model of all gangs would have."""
    return sum(_variables(problem, gang, own) for gang, own in zip(problem.gangs, uppers, strict=True))


def free_gangs(problem: Problem, uppers: list[list[Uppers]], start: Incumbent, variables_max: int) -> set[int]:
    """The gangs that the model may move when not all of them fit into it; the others keep the places they have.

    Work that has no place yet comes first, in rank order, in turns with placed work from the other end of the ranking:
    that is what it could take the place of. Nothing is free where no two gangs would fit.
    """
    sizes = [_variables(problem, gang, own) for gang, own in zip(problem.gangs, uppers, strict=True)]
    if sum(sizes) <= variables_max:
        return set(range(len(problem.gangs)))
    placed = [0] * len(problem.gangs)
    for put in start.puts:
        placed[put.gang] += put.count
    waiting = [index for index, gang in enumerate(problem.gangs) if placed[index] < gang.pods and sizes[index]]
    served = [index for index, gang in enumerate(problem.gangs) if placed[index] == gang.pods][::-1]
    left = variables_max - len(start.puts)
    free: set[int] = set()
    for pair in range(max(len(waiting), len(served))):
        for index in (*waiting[pair : pair + 1], *served[pair : pair + 1]):
            left -= sizes[index]
            if left < 0:
                return free if len(free) > 1 else set()
            free.add(index)
    return free


def _variables(problem: Problem, gang: GangAsk, uppers: list[Uppers]) -> int:
    """Counts, a flag per branch, and a flag per domain where one is chosen or counted."""
    number = len(gang.branches) + sum(int(np.count_nonzero(upper)) for upper in uppers)
    for branch, ask in enumerate(gang.branches):
        levels = {level for level in (ask.required, *ask.near, *ask.balance) if level >= 0}
        levels |= {layer.level for layer in ask.slices}
        if levels:
            used = np.any([uppers[member] > 0 for member in members_below(gang, branch)], axis=0)
            number += sum(len(np.unique(problem.class_domain[used, level])) for level in levels)
    return number


def _of_gang(problem: Problem, gang: GangAsk, known: dict[Kept, Uppers]) -> list[Uppers]:
    uppers = [np.minimum(_room(problem, member, known), member.count) for member in gang.members]
    if "gang-minimum" not in problem.rules:
        return uppers
    if "required-topology" in problem.rules:
        for branch, ask in enumerate(gang.branches):
            if ask.required >= 0:
                _keep_possible_domains(problem, gang, branch, uppers)
    if any(uppers[member].sum() < need for member, need in minima_below(gang, 0).items()):
        return [np.zeros_like(upper) for upper in uppers]
    return uppers


def _room(problem: Problem, member: MemberAsk, known: dict[Kept, Uppers]) -> Uppers:
    key = (member.request, member.devices, member.eligible)
    if key not in known:
        fits = np.full(problem.class_count, np.iinfo(np.int32).max, dtype=np.int64)
        for resource, amount in enumerate(member.request):
            if amount > 0:
                fits = np.minimum(fits, problem.class_free[:, resource] // amount)
        fits = np.minimum(fits, problem.parts_fit(member))
        known[key] = (problem.eligible(member) * fits * problem.class_nodes).astype(np.int64)
    return known[key]


def _keep_possible_domains(problem: Problem, gang: GangAsk, branch: int, uppers: list[Uppers]) -> None:
    """Takes out the domains where some member's minimum does not fit even alone."""
    ask = gang.branches[branch]
    codes = problem.class_domain[:, ask.required] + 1
    needs: Mapping[int, int] = minima_below(gang, branch)
    below = members_below(gang, branch)
    possible = np.ones(int(codes.max(initial=0)) + 1, dtype=np.bool_)
    possible[0] = False
    room = np.zeros(len(possible), dtype=np.int64)
    for member in below:
        own = np.bincount(codes, weights=uppers[member], minlength=len(possible)).astype(np.int64)
        possible &= own >= needs.get(member, 0)
        room += np.minimum(own, gang.members[member].count)
    possible &= room >= ask.minimum
    if ask.pinned >= 0:
        possible &= np.arange(len(possible)) == ask.pinned + 1
    for member in below:
        uppers[member] = np.where(possible[codes], uppers[member], 0)
