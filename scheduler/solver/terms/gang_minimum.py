"""Rule: a gang is at or above its minima, or absent; and so is every branch of its tree.

A branch is present when its own members hold their minima, the pods below it reach ``minimum``, and at least
``min_branches`` of its children are present. Whatever has a pod must be present, and everything above it.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "gang-minimum"


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    pods: dict[int, list[int]] = {}
    for put in puts:
        counts = pods.setdefault(put.gang, [0] * len(problem.gangs[put.gang].members))
        counts[put.member] += put.count
    refusals = []
    for index, counts in sorted(pods.items()):
        gang = problem.gangs[index]
        for member, count in enumerate(counts):
            if count > gang.members[member].count:
                refusals.append(_refusal("TooManyPods", gang.members[member].count, count, index))
        for branch in range(len(gang.branches)):
            if _pods_below(gang, counts, branch) > 0 and not _present(gang, counts, branch):
                needed = gang.branches[branch].minimum
                refusals.append(_refusal("BelowMinimum", needed, _pods_below(gang, counts, branch), index))
    return refusals


def _refusal(code: str, needed: int, offered: int, gang: int) -> Refusal:
    return Refusal(term=NAME, code=code, needed=needed, offered=offered, where=f"gang {gang}")


def _pods_below(gang: GangAsk, counts: list[int], branch: int) -> int:
    own = sum(count for count, member in zip(counts, gang.members, strict=True) if member.branch == branch)
    return own + sum(
        _pods_below(gang, counts, child) for child, ask in enumerate(gang.branches) if ask.parent == branch
    )


def _present(gang: GangAsk, counts: list[int], branch: int) -> bool:
    ask = gang.branches[branch]
    for count, member in zip(counts, gang.members, strict=True):
        if member.branch == branch and count < member.minimum:
            return False
    children = [child for child, each in enumerate(gang.branches) if each.parent == branch]
    if sum(_present(gang, counts, child) for child in children) < ask.min_branches:
        return False
    return _pods_below(gang, counts, branch) >= ask.minimum
