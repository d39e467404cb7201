"""The in-process driver of a decision: for tests, the simulator and the command line."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

import msgspec

from scheduler.model.plan import Plan
from scheduler.solver.problem import SolveRequest, SolveResult

T = TypeVar("T")

Part = Generator[SolveRequest | Plan, SolveResult | None, T]
"""A stretch of a decision: a solve it asks for is answered with its result, a part of its plan with None."""

Deciding = Part[Plan]
"""A whole decision under way."""


def parts(deciding: Deciding, solve: Callable[[SolveRequest], SolveResult]) -> list[Plan]:
    """Answer every solve request of a decision until it ends; the parts of its plan as they came, the last is final."""
    found: list[Plan] = []
    answer: SolveResult | None = None
    try:
        while True:
            asked = deciding.send(answer)
            if isinstance(asked, Plan):
                found.append(asked)
                answer = None
            else:
                answer = solve(asked)
    except StopIteration as end:
        return [*found, end.value]


def run(deciding: Deciding, solve: Callable[[SolveRequest], SolveResult]) -> Plan:
    """The plan of a decision in one piece."""
    found = parts(deciding, solve)
    decisions = tuple(decision for part in found for decision in part.decisions)
    return msgspec.structs.replace(found[-1], decisions=decisions)


def greedy_only(_request: SolveRequest) -> SolveResult:
    """The driver's answer where nothing may improve on greedy."""
    return SolveResult(incumbent=None, end="skipped")
