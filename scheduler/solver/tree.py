"""A gang's tree of branches: who stands above and below whom, and the least that must be placed."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.solver.problem import GangAsk


def children(gang: GangAsk, branch: int) -> list[int]:
    return [child for child, each in enumerate(gang.branches) if each.parent == branch]


def path_up(gang: GangAsk, branch: int) -> list[int]:
    """A branch and everything above it, the branch first."""
    path = []
    while branch >= 0:
        path.append(branch)
        branch = gang.branches[branch].parent
    return path


def asks_exclusive(gang: GangAsk, branch: int, level: int) -> bool:
    """Whether a branch, or one above it, wants the domains of a level for its gang alone."""
    return any(gang.branches[each].exclusive == level for each in path_up(gang, branch))


def members_below(gang: GangAsk, branch: int) -> list[int]:
    """Members anywhere below a branch, its own first."""
    own = [index for index, member in enumerate(gang.members) if member.branch == branch]
    return own + [index for child in children(gang, branch) for index in members_below(gang, child)]


def needs_nothing(gang: GangAsk, branch: int) -> bool:
    """Whether a branch is present without a single pod: all its minima are zero, or met by such children."""
    ask = gang.branches[branch]
    below = children(gang, branch)
    return (
        ask.minimum <= 0
        and all(member.minimum <= 0 for member in gang.members if member.branch == branch)
        and sum(needs_nothing(gang, child) for child in below) >= ask.min_branches
    )


def minima_below(gang: GangAsk, branch: int) -> dict[int, int]:
    """Pods per member that a branch needs for sure; children that may be left out count nothing."""
    needs = {index: member.minimum for index, member in enumerate(gang.members) if member.branch == branch}
    below = children(gang, branch)
    for child in below:
        child_needs = minima_below(gang, child)
        certain = gang.branches[branch].min_branches >= len(below)
        needs.update({index: need if certain else 0 for index, need in child_needs.items()})
    return needs


def is_present(gang: GangAsk, taken: Mapping[int, int], branch: int) -> bool:
    """Whether a branch holds all its minima with these pods per member."""
    ask = gang.branches[branch]
    own = all(
        taken.get(index, 0) >= member.minimum for index, member in enumerate(gang.members) if member.branch == branch
    )
    pods = sum(taken.get(index, 0) for index in members_below(gang, branch))
    there = sum(is_present(gang, taken, child) for child in children(gang, branch))
    return own and pods >= ask.minimum and there >= ask.min_branches


def branches_below(gang: GangAsk, branch: int) -> list[int]:
    """A branch and every branch anywhere below it."""
    return [branch, *(each for child in children(gang, branch) for each in branches_below(gang, child))]


def sliced_above(gang: GangAsk, branch: int) -> int:
    """The branch itself, or the nearest one above it, that asks for slices; -1: none does."""
    return next((each for each in path_up(gang, branch) if gang.branches[each].slices), -1)
