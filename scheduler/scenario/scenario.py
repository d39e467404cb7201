"""The form of a whole scenario: the top-level keys."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from scheduler.scenario.expectation import ExpectForm
from scheduler.scenario.form import FlavoredAmounts, Form, Names, Seconds, fault
from scheduler.scenario.work import Gangs
from scheduler.scenario.world import Classes, Flavors, Nodes, Pdbs, Queues, Topologies

Tag = Literal["S", "C", "P", "X"]
TAGS = {
    "S": "strict: any scheduler with this policy must agree",
    "C": "choice: an identity is a tie-break, compare counts",
    "P": "policy: a consequence of the peer's chosen policy",
    "X": "better: the peer's own result is a limitation",
}


class PolicyForm(Form):
    """A profile and switches on top of it; a bare name is short for ``{profile: name}``."""

    short = "profile"
    profile: str = "default"
    filters: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None
    goals: tuple[str, ...] | None = None
    node_score: str | None = None
    device_score: str | None = None
    value_resource: str | None = None
    after_loss: Literal["mayFallBelow", "mayNot"] | None = None
    reclaim_rule: Literal["default", "kueue-classic", "kueue-fair"] | None = None
    fair_rules: tuple[Literal["FinalShare", "InitialShare"], ...] | None = None
    cost_order: tuple[str, ...] | None = None
    flavor_order: tuple[Literal["costs", "preference", "evictions", "borrowing"], ...] | None = None
    moves: bool | None = None
    preempts: bool | None = None
    reclaims: bool | None = None
    growth: Literal["Surplus", "Any"] | None = None
    borrowing: Literal["Never", "LowerPriority", "Any"] | None = None
    min_runtime_at: Literal["queue", "common-ancestor"] | None = None
    break_pdbs: bool | None = None


class QueueChangeForm(Form):
    """New numbers of a queue; what is left out stays."""

    name: str = Field(min_length=1)
    guaranteed: FlavoredAmounts | None = None
    limit: FlavoredAmounts | None = None
    lendable: FlavoredAmounts | None = None
    priority: int | None = None
    state: Literal["Open", "Hold", "Drain"] | None = None


class TerminationForm(Form):
    """How long pods take to leave once they are evicted. With ``upTo`` each takes another time, and the steps are
    played as often as ``seeds`` says."""

    short = "seconds"
    seconds: Seconds = 1.0
    up_to: Seconds | None = None
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1


class StepForm(Form):
    """One event at a time: exactly one key beside ``at``."""

    at: Seconds
    submit: Gangs | None = None
    finish: Names | None = None
    delete: Names | None = None
    """Gangs that their owner takes away."""
    gone: Names | None = None
    """Leaving gangs whose pods are gone now."""
    node_fails: Names | None = None
    node_recovers: Names | None = None
    cordon: Names | None = None
    uncordon: Names | None = None
    add_nodes: Nodes | None = None
    remove_nodes: Names | None = None
    change_queue: QueueChangeForm | None = None
    restart: bool | None = None
    """The scheduler dies and a successor takes over."""
    expect: ExpectForm | None = None
    """What must hold at this moment."""

    @model_validator(mode="after")
    def _one_event(self) -> StepForm:
        named = [name for name in type(self).model_fields if name != "at" and getattr(self, name) is not None]
        if len(named) != 1:
            keys = ", ".join(sorted(self.known_keys() - {"at"}))
            raise fault(f"states {len(named)} events", f"a step has exactly one of: {keys}")
        return self


class Scenario(Form):
    """A small world, and what should become of it."""

    id: Annotated[str, Field(min_length=1, max_length=120)]
    tag: Tag = "S"
    source: str = ""
    policy: PolicyForm = PolicyForm()
    now: Seconds = 0.0
    capacity: FlavoredAmounts | None = None
    """Quota-only worlds: what there is, without nodes (unset and no nodes: the sum of the guarantees)."""
    topologies: Topologies = ()
    nodes: Nodes = ()
    flavors: Flavors = ()
    classes: Classes = ()
    queues: Queues = ()
    gangs: Gangs = ()
    pdbs: Pdbs = ()
    steps: tuple[StepForm, ...] = ()
    termination: TerminationForm = TerminationForm()
    engine: Seconds | None = None
    """It is about the whole engine, which is given so long after the last step: ``muster decide`` says so and leaves it
    to the simulated control plane."""
    expect: ExpectForm | None = None
    expected: Literal["pass", "fail", "differ"] = "pass"
    """``differ``: on purpose; ``instead`` says what comes out, and the reason why that is right."""
    instead: ExpectForm | None = None
    reason: str = ""
    waits_for: str = ""

    @property
    def series(self) -> str:
        """``kai/FS`` of ``kai/FS-01``, ``example`` of ``example/gang``."""
        numbered = re.fullmatch(r"(.+)-\d+[a-z]?", self.id)
        return numbered.group(1) if numbered else self.id.rpartition("/")[0] or self.id

    @property
    def unfolds(self) -> bool:
        """Whether it is played to its end, instead of decided once."""
        return bool(self.steps) or (self.expect is not None and self.expect.after == "settled")

    @classmethod
    def known_keys(cls) -> set[str]:
        return super().known_keys() | {"topology"}

    @classmethod
    def rewrite(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "topology" in value:
            if "topologies" in value:
                raise fault("has both topology and topologies", "put all of them into topologies")
            levels = value.pop("topology")
            value["topologies"] = (levels if isinstance(levels, dict) else {"levels": levels},)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        if self.capacity is not None and self.nodes:
            raise fault("has both capacity and nodes", "capacity is for worlds without nodes")
        if self.expected != "pass" and not self.reason:
            raise fault(f"is expected to {self.expected} without a reason", "add reason")
        if self.expected == "pass" and (self.reason or self.waits_for):
            raise fault(
                "gives a reason for a failure that is not expected", "remove reason and waitsFor, or add expected: fail"
            )
        if (self.expected == "differ") != (self.instead is not None):
            raise fault("differs and says what comes out instead, or neither", "write expected: differ with instead")
        return self
