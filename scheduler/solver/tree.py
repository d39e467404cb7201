"""A gang's tree of branches: who stands above and below whom, and the least that must be placed."""

from __future__ import annotations

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
