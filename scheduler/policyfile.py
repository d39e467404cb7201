"""``policies/*.yaml`` to a Policy, strictly: an unknown key or term is an error with file, line and remedy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from scheduler.model.policy import (
    COSTS,
    FLAVOR_ORDER,
    Entitlement,
    Limits,
    Patience,
    Policy,
    SolverBudget,
    Taking,
    VerdictPace,
)
from scheduler.solver.devices.scores import DEVICE_SCORES
from scheduler.solver.greedy.node_scores import NODE_SCORES
from scheduler.solver.terms.table import FILTERS, GOALS, RELATIVE_FILTERS, RULES, VOLUME_FILTERS


class PolicyError(Exception):
    """A policy file that cannot be used. The message is one line per trouble: file:line: key: what, and the remedy."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Budget(_Strict):
    wall_seconds: float = Field(SolverBudget().wall_seconds, gt=0, le=60)
    first_seconds: float = Field(SolverBudget().first_seconds, gt=0, le=60)
    work: float = Field(SolverBudget().work, ge=0)
    workers: int = Field(SolverBudget().workers, ge=1, le=64)
    seed: int = Field(SolverBudget().seed, ge=0)


class _Limits(_Strict):
    window_gangs: int = Field(Limits().window_gangs, ge=1)
    window_singles: int = Field(Limits().window_singles, ge=1)
    explain_gangs: int = Field(Limits().explain_gangs, ge=1)
    model_variables: int = Field(Limits().model_variables, ge=1)
    proofs: int = Field(Limits().proofs, ge=0)
    proof_seconds: float = Field(Limits().proof_seconds, gt=0, le=10)


class _Verdicts(_Strict):
    first_seconds: float = Field(VerdictPace().first_seconds, ge=0)
    incomplete_seconds: float = Field(VerdictPace().incomplete_seconds, ge=0)
    repeat_seconds: float = Field(VerdictPace().repeat_seconds, ge=0)
    writes_per_second: float = Field(VerdictPace().writes_per_second, gt=0)


class _Patience(_Strict):
    incomplete_warning_seconds: float = Field(Patience().incomplete_warning_seconds, ge=0)
    pods_missing_seconds: float = Field(Patience().pods_missing_seconds, ge=0)
    bind_retry_seconds: float = Field(Patience().bind_retry_seconds, gt=0)
    claims_bound_seconds: float = Field(Patience().claims_bound_seconds, gt=0)
    claims_retry_seconds: float = Field(Patience().claims_retry_seconds, ge=0)
    stale_gang_seconds: float = Field(Patience().stale_gang_seconds, ge=0)
    taking_retry_seconds: float = Field(Patience().taking_retry_seconds, ge=0)


class _Entitlement(_Strict):
    zero_weight: Literal["last", "none"] = "last"
    guarantee_at: Literal["every-ancestor", "leaf"] = "every-ancestor"
    between: Literal["dominant-share", "priority"] = "dominant-share"
    order: Literal["value", "strict"] = "value"


class _Taking(_Strict):
    preempt: bool = Taking().preempt
    reclaim: bool = Taking().reclaim
    moves: bool = Taking().moves
    after_loss: Literal["mayFallBelow", "mayNot"] = "mayFallBelow"
    rule: Literal["default", "kueue-classic", "kueue-fair"] = "default"
    fair_rules: list[Literal["FinalShare", "InitialShare"]] = ["FinalShare", "InitialShare"]
    growth: Literal["Surplus", "Any"] = "Surplus"
    borrowing: Literal["Never", "LowerPriority", "Any"] = "Any"
    min_runtime_at: Literal["queue", "common-ancestor"] = "queue"
    break_guards: bool = Taking().break_guards
    costs: list[str] = list(Taking().costs)
    flavor_order: list[str] = list(Taking().flavor_order)
    enforce_limits: bool = Taking().enforce_limits
    stuck_seconds: float = Field(Taking().stuck_seconds, gt=0)

    @field_validator("costs")
    @classmethod
    def _costs(cls, names: list[str]) -> list[str]:
        _known("cost", names, COSTS)
        return names

    @field_validator("flavor_order")
    @classmethod
    def _flavor_order(cls, names: list[str]) -> list[str]:
        _known("order of flavors", names, FLAVOR_ORDER)
        return names

    def value(self) -> Taking:
        lists = {name: tuple(getattr(self, name)) for name in ("fair_rules", "costs", "flavor_order")}
        return Taking(**{**self.model_dump(), **lists})


def _known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}; there are: {', '.join(sorted(known))}")


class _File(_Strict):
    name: str
    filters: list[str] = list(Policy().filters)
    rules: list[str] = list(Policy().rules)
    goals: list[str] = list(Policy().goals)
    node_score: str = Policy().node_score
    device_score: str = Policy().device_score
    value_resource: str = Policy().value_resource
    budget: _Budget = _Budget()
    limits: _Limits = _Limits()
    verdicts: _Verdicts = _Verdicts()
    patience: _Patience = _Patience()
    entitlement: _Entitlement = _Entitlement()
    taking: _Taking = _Taking()

    @field_validator("filters")
    @classmethod
    def _filters(cls, names: list[str]) -> list[str]:
        _known("filter", names, {**FILTERS, **RELATIVE_FILTERS, **VOLUME_FILTERS})
        return names

    @field_validator("rules")
    @classmethod
    def _rules(cls, names: list[str]) -> list[str]:
        _known("rule", names, RULES)
        return names

    @field_validator("goals")
    @classmethod
    def _goals(cls, names: list[str]) -> list[str]:
        _known("goal", names, GOALS)
        return names

    @field_validator("node_score")
    @classmethod
    def _score(cls, name: str) -> str:
        _known("node score", [name], NODE_SCORES)
        return name

    @field_validator("device_score")
    @classmethod
    def _device_score(cls, name: str) -> str:
        _known("device score", [name], DEVICE_SCORES)
        return name


def load(path: Path) -> Policy:
    """The policy of a file; PolicyError lists every trouble in it at once."""
    try:
        text = path.read_text()
    except OSError as trouble:
        raise PolicyError(f"{path}: cannot be read: {trouble.strerror}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as trouble:
        mark = getattr(trouble, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise PolicyError(f"{path}:{line}: not YAML: {getattr(trouble, 'problem', trouble)}") from None
    if not isinstance(content, dict):
        raise PolicyError(f"{path}:1: a policy is a map of keys, for example `name: default`")
    try:
        file = _File.model_validate(content)
    except ValidationError as trouble:
        lines = [
            f"{path}:{line_of(node, error['loc'])}: {'.'.join(map(str, error['loc']))}: {_remedy(error)}"
            for error in trouble.errors()
        ]
        raise PolicyError("\n".join(lines)) from None
    return Policy(
        name=file.name,
        filters=tuple(file.filters),
        rules=tuple(file.rules),
        goals=tuple(file.goals),
        node_score=file.node_score,
        device_score=file.device_score,
        value_resource=file.value_resource,
        budget=SolverBudget(**file.budget.model_dump()),
        limits=Limits(**file.limits.model_dump()),
        verdicts=VerdictPace(**file.verdicts.model_dump()),
        patience=Patience(**file.patience.model_dump()),
        entitlement=Entitlement(**file.entitlement.model_dump()),
        taking=file.taking.value(),
    )


def line_of(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """The line (from 1) of the deepest part of a path that the document has."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
            else:
                return line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _remedy(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "no such key; see docs/reference/policy.md for all of them"
    if error["type"] == "missing":
        return "is required"
    return str(error["msg"]).removeprefix("Value error, ")
