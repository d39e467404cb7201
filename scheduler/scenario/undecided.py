"""What a scenario asks for and this engine does not decide on yet: no row passes for lack of the rule it tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scheduler.scenario.gangs import gangs
from scheduler.scenario.scenario import Scenario


@dataclass(frozen=True)
class Undecided:
    """``subject`` is a gang or a key of the file; ``why`` says what is missing."""

    subject: str
    why: str


def undecided(scenario: Scenario) -> Iterator[Undecided]:
    for plan in gangs(scenario):
        asks = sorted({ask for member in plan.members for ask in member.shape.unmodelled})
        if asks:
            yield Undecided(plan.name, f"{', '.join(asks)} not decided on yet")
    expect = scenario.expect
    if expect is None:
        return
    if expect.planned:
        yield Undecided("planned", "not computed yet")
