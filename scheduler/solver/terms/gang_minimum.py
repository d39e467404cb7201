"""Rule: a gang is at or above its minima, or absent; and so is every branch of its tree.

A branch is present when its own members hold their minima, the pods below it reach ``minimum``, and at least
``min_branches`` of its children are present. Whatever has a pod must be present, and everything above it.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import GangAsk, Problem, Put

NAME = "gang-minimum"


def post(model: Posting) -> None:
    """The presence flag of each branch: pods only where it is on, and where it is on every minimum holds."""
    for index, gang in enumerate(model.problem.gangs):
        own: dict[int, list[Variable]] = {branch: [] for branch in range(len(gang.branches))}
        for member, ask in enumerate(gang.members):
            counts = [count for _, count in model.counts(index, member)]
            present = model.present(index, ask.branch)
            model.at_most([*((1, count) for count in counts), (-ask.count, present)], 0)
            if ask.minimum > 0:
                model.at_most([(ask.minimum, present), *((-1, count) for count in counts)], 0)
            own[ask.branch] += counts
        for branch, ask_branch in enumerate(gang.branches):
            present = model.present(index, branch)
            children = [child for child, each in enumerate(gang.branches) if each.parent == branch]
            model.at_most(
                [(ask_branch.min_branches, present), *((-1, model.present(index, child)) for child in children)], 0
            )
            below = [count for each in _subtree(gang, branch) for count in own[each]]
            model.at_most([(ask_branch.minimum, present), *((-1, count) for count in below)], 0)
            if ask_branch.parent >= 0:
                model.at_most([(1, present), (-1, model.present(index, ask_branch.parent))], 0)


def _subtree(gang: GangAsk, branch: int) -> list[int]:
    below = [branch]
    for child, ask in enumerate(gang.branches):
        if ask.parent == branch:
            below += _subtree(gang, child)
    return below


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
