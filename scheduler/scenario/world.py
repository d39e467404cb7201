"""The form of the fleet and the queues: topologies, nodes, flavors, queues, priority classes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from scheduler.model.resources import PODS
from scheduler.model.shape import Taint, Toleration
from scheduler.scenario.form import Amounts, Count, FlavoredAmounts, Form, Name, Named, Names, Quantity, Seconds, fault
from scheduler.scenario.names import expand, fill

HOST_LEVEL = "host"
HOST_LABEL = "kubernetes.io/hostname"
COMMON_LEVELS = ("region", "zone", "block", "spine", "rack")
"""Levels that need no declaration, coarse to fine."""

AMPLE = {"cpu": "1000", "memory": "16Ti", PODS: "110"}
"""What a node has of a resource that the scenario does not mention: so much that it does not bind."""


# Topology -----------------------------------------------------------------------------------------------------------


class LevelForm(Form):
    """A level; ``rack`` is short for ``{name: rack, label: rack}``."""

    short = "name"
    name: Name
    label: str = ""

    @property
    def node_label(self) -> str:
        return self.label or (HOST_LABEL if self.name == HOST_LEVEL else self.name)


class TorusForm(Form):
    """A torus of nodes: the label of the coordinate, the sizes, and the shapes that work may take."""

    coordinate_label: str
    dimensions: tuple[Count, ...]
    shapes: tuple[tuple[Count, ...], ...] = ()
    level: str = ""
    """Each domain of it is a torus of its own; empty: all nodes are one."""


class TopologyForm(Form):
    """Levels coarse to fine; a bare list of levels is short for ``{levels: [...]}``."""

    short = "levels"
    name: Name = "default"
    levels: tuple[LevelForm, ...]
    torus: TorusForm | None = None


# Nodes --------------------------------------------------------------------------------------------------------------


def _taint(value: Any) -> Any:
    if not isinstance(value, str):
        raise fault(f"{value!r} is not a taint", "write key=value:NoSchedule, key:NoExecute or key")
    body, colon, effect = value.partition(":")
    key, _, content = body.partition("=")
    if effect not in ("", "NoSchedule", "PreferNoSchedule", "NoExecute") or not key or (colon and not effect):
        raise fault(
            f"{value!r} is not a taint", "write key=value:NoSchedule; effects: NoSchedule, PreferNoSchedule, NoExecute"
        )
    return Taint(key=key, value=content, effect=effect or "NoSchedule")


def _toleration(value: Any) -> Any:
    if not isinstance(value, str):
        raise fault(f"{value!r} is not a toleration", "write key=value:NoSchedule, key or '*' (everything)")
    if value == "*":
        return Toleration(operator="Exists")
    body, _, effect = value.partition(":")
    key, equals, content = body.partition("=")
    return Toleration(key=key, operator="Equal" if equals else "Exists", value=content, effect=effect)


TaintForm = Annotated[Any, BeforeValidator(_taint)]
TolerationForm = Annotated[Any, BeforeValidator(_toleration)]
Labels = dict[str, str]


class NodeForm(Form):
    """Nodes of one kind. A bare number is short for ``{gpu: n}``; a key that is no field is a level: ``rack: r1``."""

    short = "gpu"
    name: Name
    count: Annotated[int, Field(ge=1, le=20_000)] | None = None
    gpu: Quantity = "0"
    model: str = ""
    gpu_memory: Quantity | None = None
    mig: dict[str, Count] | Literal["dynamic"] = Field(default_factory=dict)
    """MIG slices that its devices are cut into, by profile; ``dynamic``: they are cut as work asks for it."""
    cpu: Quantity | None = None
    memory: Quantity | None = None
    pods: Quantity | None = None
    resources: Amounts = Field(default_factory=dict)
    labels: Labels = Field(default_factory=dict)
    taints: tuple[TaintForm, ...] = ()
    ready: bool = True
    unschedulable: bool = False
    domains: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def rewrite(cls, value: dict[str, Any]) -> dict[str, Any]:
        known = cls.known_keys()
        domains = dict(value.pop("domains", {}))
        for key in [key for key in value if key not in known and key not in cls.model_fields]:
            domain = value.pop(key)
            domains[key] = str(domain) if isinstance(domain, int) else domain
        return value | {"domains": domains}

    @model_validator(mode="after")
    def _names_expand(self) -> NodeForm:
        try:
            self.expanded()
        except ValueError as error:
            raise fault(str(error), "see names with ranges in the guide") from None
        return self

    def expanded(self) -> list[tuple[str, Labels]]:
        """(name, labels with the domain of every level) of each node."""
        pattern = self.name if self.count is None else f"{self.name}[0-{self.count - 1}]"
        found = []
        for name, chosen in expand(pattern):
            given = {key: fill(text, chosen) for key, text in {**self.domains, **self.labels}.items()}
            found.append((name, {HOST_LABEL: name, **given}))
        return found


class FlavorForm(Form):
    """A kind of capacity with quota lines of its own: the nodes that have these labels."""

    name: Name
    node_selector: Labels = Field(default_factory=dict)
    model: str = ""
    tolerations: tuple[TolerationForm, ...] = ()


# Queues -------------------------------------------------------------------------------------------------------------


class BorrowingForm(Form):
    short = "policy"
    policy: Literal["Never", "LowerPriority", "Any"] = "Never"
    max_priority: int | None = None


class MinRuntimeForm(Form):
    preempt: Seconds | None = None
    reclaim: Seconds | None = None


class PreemptionForm(Form):
    """What is left out is inherited from the queue above, at the top from the policy."""

    within_queue: Literal["Never", "LowerPriority", "LowerOrNewerEqualPriority"] = "LowerPriority"
    reclaim: Literal["Never", "LowerPriority", "Any"] = "Any"
    while_borrowing: BorrowingForm | None = None
    min_runtime: MinRuntimeForm = MinRuntimeForm()
    delay: Seconds | None = None


class HistoryForm(Form):
    half_life: Seconds
    factor: float = 1.0


class UserLimitsForm(Form):
    gangs: Count | None = None
    pods: Count | None = None
    resources: Amounts = Field(default_factory=dict)


class LimitsForm(Form):
    gangs: Count | None = None
    pods: Count | None = None
    per_user: UserLimitsForm = UserLimitsForm()


def _weight(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise fault(f"{value!r} is not a weight", "write a number of 0 or more")
    return Fraction(str(value))


Weight = Annotated[Any, BeforeValidator(_weight)]


class QueueForm(Form):
    """A queue; a bare value is short for ``{guaranteed: ...}``. The first listed is oldest unless ``created`` says so.

    ``request``, ``use``, ``fairShare`` and ``pastUse`` state what a world without gangs cannot show (pure arithmetic).
    """

    short = "guaranteed"
    name: Name
    parent: str = ""
    guaranteed: FlavoredAmounts = Field(default_factory=dict)
    limit: FlavoredAmounts = Field(default_factory=dict)
    lendable: FlavoredAmounts = Field(default_factory=dict)
    weight: Weight = Fraction(1)
    weights: dict[str, Weight] = Field(default_factory=dict)
    priority: int = 0
    order: Literal["PriorityThenAge", "StrictFIFO"] = "PriorityThenAge"
    created: Seconds | None = None
    preemption: PreemptionForm = PreemptionForm()
    history: HistoryForm | None = None
    limits: LimitsForm = LimitsForm()
    default_runtime_limit: Seconds | None = None
    namespaces: Labels = Field(default_factory=dict)
    state: Literal["Open", "Hold", "Drain"] = "Open"
    request: FlavoredAmounts = Field(default_factory=dict)
    use: FlavoredAmounts = Field(default_factory=dict)
    non_preemptible_use: FlavoredAmounts = Field(default_factory=dict)
    fair_share: FlavoredAmounts = Field(default_factory=dict)
    past_use: Quantity | None = None


class ClassForm(Form):
    """A priority class; ``preemptible`` is what its gangs are unless they say otherwise."""

    short = "priority"
    name: Name
    priority: int
    preemptible: bool = True
    never_preempts: bool = False


class PdbForm(Form):
    """A PodDisruptionBudget: how many more pods of these gangs may be evicted now."""

    name: Name
    allowed: Count
    gangs: Names


BUILT_IN_CLASSES: Mapping[str, ClassForm] = {
    each.name: each
    for each in (
        ClassForm(name="train", priority=50),
        ClassForm(name="interactive", priority=75),
        ClassForm(name="build", priority=100, preemptible=False),
        ClassForm(name="inference", priority=125, preemptible=False),
    )
}

Topologies = Annotated[tuple[TopologyForm, ...], Named]
Nodes = Annotated[tuple[NodeForm, ...], Named]
Flavors = Annotated[tuple[FlavorForm, ...], Named]
Queues = Annotated[tuple[QueueForm, ...], Named]
Classes = Annotated[tuple[ClassForm, ...], Named]
Pdbs = Annotated[tuple[PdbForm, ...], Named]
