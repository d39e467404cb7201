"""The form of ``expect``: what the plan, or the pure arithmetic, has to say about a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from scheduler.model.plan import Cause
from scheduler.model.resources import GPU
from scheduler.scenario.form import Amounts, Count, FlavoredAmounts, Form, Names, Quantity, Seconds, fault


class WhoForm(Form):
    """Which gangs, and how many pods of each.

    ``[a, b]``: a and b with all their pods. ``{a: 3}``: three pods of a. Where the identity is free: ``from`` names the
    candidates, ``gangs`` counts gangs, ``count`` pods, ``split`` the pods of each in any order (zeros included).
    """

    names: tuple[str, ...] = ()
    pods: dict[str, Count] = Field(default_factory=dict)
    count: Count | None = None
    gangs: Count | None = None
    split: tuple[Count, ...] | None = None
    candidates: Names = Field(default=(), alias="from")

    FREE: ClassVar[frozenset[str]] = frozenset({"count", "gangs", "split", "from"})

    @classmethod
    def rewrite(cls, value: dict[str, Any]) -> dict[str, Any]:
        free = {key: each for key, each in value.items() if key in cls.FREE}
        pods = {key: each for key, each in value.items() if key not in cls.FREE and key not in ("names", "pods")}
        if free and pods:
            raise fault(f"mixes {', '.join(sorted(free))} with names of gangs", "name the gangs, or count over 'from'")
        if free and "from" not in free:
            raise fault("counts without saying of whom", "add from: [names]")
        if free and len(free) == 1:
            raise fault("names candidates without a number", "add count (pods), gangs or split")
        return {"names": value.get("names", ()), "pods": {**value.get("pods", {}), **pods}, **free}


def _who(value: Any) -> Any:
    if isinstance(value, str):
        value = (value,)
    if isinstance(value, tuple):
        for each in value:
            if not isinstance(each, str):
                raise fault(f"{each!r} is not a gang's name", "list names, or write {name: pods}")
        return {"names": value}
    return value


Who = Annotated[WhoForm, BeforeValidator(_who)]


def _where(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise fault("is not a mapping from gangs to places", "write {gang: n0} or {gang: {r1: 2}}")
    for name, each in value.items():
        if not isinstance(each, str | tuple | Mapping):
            raise fault(f"{name} is at {each!r}, which is no place", "write n0, [n0, n1] or {n0: 2, r1: 1}")
    return {name: (each,) if isinstance(each, str) else each for name, each in value.items()}


Where = Annotated[dict[str, dict[str, Count] | tuple[str, ...]], BeforeValidator(_where)]
"""Gang (or ``gang/member``) to a node or domain that holds all its pods, a list that together does, or pods by place.
A domain whose value is not unique is written with its parents: ``b1/r2``."""


def _spread(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise fault("is not a mapping from gangs to levels", "write {gang: {rack: 1}} or {gang: {rack: [2, 1]}}")
    return value


Spread = Annotated[dict[str, dict[str, Count | tuple[Count, ...]]], BeforeValidator(_spread)]
"""Gang to level to the number of its domains that are used, or the pods in each in any order."""


class VerdictForm(Form):
    """What a waiting gang is told. Numbers are of one and the same refusal; ``message`` are parts of its sentences."""

    short = "cause"
    cause: Annotated[Cause, Field(strict=False)] | None = None
    term: str = ""
    code: str = ""
    needed: Quantity | None = None
    offered: Quantity | None = None
    resource: str = ""
    where: str = ""
    message: Names = ()
    by: Names = ()
    """Gangs that outrank it."""


def _one_gpu() -> dict[str, dict[str, str]]:
    return {"": {GPU: "1"}}


class ReclaimForm(Form):
    """A question of the pure predicate: may ``by`` take ``take`` from ``victim`` to place ``ask``?"""

    by: str
    ask: FlavoredAmounts = Field(default_factory=_one_gpu)
    preemptible: bool = True
    priority: int = 0
    victim: str
    take: FlavoredAmounts = Field(default_factory=_one_gpu)
    answer: bool


class ExpectForm(Form):
    """What must come out. Whatever is not named does not change: other gangs wait, or run on where they run."""

    after: Literal["first", "settled"] = "first"
    placed: Who = WhoForm()
    where: Where = Field(default_factory=dict)
    spread: Spread = Field(default_factory=dict)
    evicted: Who = WhoForm()
    moved: Who = WhoForm()
    take_next: Names = ()
    """Evicted gangs that are placed by other evictions when the result is decided on: such a chain ends, but promise 6
    does not hold to the letter."""
    pending: Names = ()
    verdicts: dict[str, VerdictForm] = Field(default_factory=dict)
    planned: dict[str, Seconds] = Field(default_factory=dict)
    """Gang to the time at which it is planned to start."""
    shares: dict[str, FlavoredAmounts] = Field(default_factory=dict)
    left: Amounts = Field(default_factory=dict)
    dominant_shares: dict[str, Quantity] = Field(default_factory=dict)
    use: dict[str, FlavoredAmounts] = Field(default_factory=dict)
    """What queues hold in the end."""
    order: tuple[str, ...] = ()
    may_reclaim: tuple[ReclaimForm, ...] = ()
    others: Literal["unchanged", "any"] = "unchanged"
    alternatives: tuple[ExpectForm, ...] = ()
    """Any one of these must hold, beside the rest; what an alternative leaves out, it does not ask for."""
