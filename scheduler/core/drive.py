"""The in-process driver of a decision: for tests, the simulator and the command line."""

from __future__ import annotations

from collections.abc import Callable, Generator

from scheduler.model.plan import Plan
from scheduler.solver.problem import SolveRequest, SolveResult

Deciding = Generator[SolveRequest, SolveResult, Plan]


def run(deciding: Deciding, solve: Callable[[SolveRequest], SolveResult]) -> Plan:
    """Answer every solve request of a decision until it returns its plan."""
    try:
        request = next(deciding)
        while True:
            request = deciding.send(solve(request))
    except StopIteration as end:
        plan: Plan = end.value
        return plan


def greedy_only(_request: SolveRequest) -> SolveResult:
    """The driver's answer where nothing may improve on greedy."""
    return SolveResult(incumbent=None, end="skipped")
