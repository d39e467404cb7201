"""Goal: branches that prefer a level touch few of its domains; nodes without one count as one domain more."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.solver.problem import Problem, Put

NAME = "preferred-topology"


def stages(problem: Problem) -> tuple[int, ...]:
    """One stage, where anybody asks."""
    asked = any(branch.preferred >= 0 for gang in problem.gangs for branch in gang.branches)
    return (0,) if asked else ()


def stage_name(problem: Problem, stage: int) -> str:
    return NAME


def cost(problem: Problem, puts: Iterable[Put], stage: int) -> int:
    touched: set[tuple[int, int, int]] = set()
    for put in puts:
        gang = problem.gangs[put.gang]
        branch = gang.members[put.member].branch
        while branch >= 0:
            ask = gang.branches[branch]
            if ask.preferred >= 0:
                touched.add((put.gang, branch, int(problem.class_domain[put.node_class, ask.preferred])))
            branch = ask.parent
    return len(touched)
