"""The form of gangs: what they ask for, how their members are grouped, and where they already run."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from scheduler.model.mig import is_profile
from scheduler.model.resources import parse_quantity
from scheduler.scenario.form import Amounts, Count, Form, Name, Named, Names, Quantity, Seconds, fault
from scheduler.scenario.world import Labels, TolerationForm


class SliceForm(Form):
    """Every ``size`` pods share one domain of ``required``."""

    size: Annotated[int, Field(ge=1)]
    required: str


class TopologyAskForm(Form):
    """What is asked of the places; a bare level is short for ``{required: level}``. ``name`` is needed with several
    topologies only."""

    short = "required"
    name: str = ""
    required: str = ""
    preferred: str = ""
    slices: tuple[SliceForm, ...] = ()
    exclusive: str = ""
    balance: bool = False


def _places(value: Any) -> Any:
    """``n0`` is one pod on n0, ``[n0, n0]`` two, ``{n0: 2}`` two."""
    if isinstance(value, str):
        return {value: 1}
    if isinstance(value, tuple):
        counts: dict[str, int] = {}
        for node in value:
            counts[node] = counts.get(node, 0) + 1
        return counts
    return value


Places = Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_places)]
"""Pods by node. ``n0/g1`` is the device g1 of node n0 (shares of a GPU)."""


def _departing(value: Any) -> Any:
    return value if isinstance(value, bool) else _places(value)


Departing = Annotated[bool | dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_departing)]
"""All of a gang's pods (``true``), or some by node."""


class PodForm(Form):
    """What one pod asks of its node. A part of a gang takes from the gang what it does not state itself."""

    gpu: Quantity | None = None
    gpu_count: Annotated[int, Field(ge=1, le=64)] | None = None
    gpu_milli: Annotated[int, Field(ge=1, le=1000)] | None = None
    gpu_memory: Quantity | None = None
    mig_profile: str | None = None
    cpu: Quantity | None = None
    memory: Quantity | None = None
    resources: Amounts | None = None
    model: Names | None = None
    node_selector: Labels | None = None
    affinity: tuple[dict[str, Names], ...] | None = None
    """Alternatives; each names labels and the values it accepts."""
    tolerations: tuple[TolerationForm, ...] | None = None

    @property
    def asks_for_gpus(self) -> bool:
        return any(each is not None for each in (self.gpu, self.gpu_milli, self.gpu_memory, self.mig_profile))

    @model_validator(mode="after")
    def _one_kind_of_gpu(self) -> PodForm:
        kinds = {
            "gpu": self.gpu,
            "gpuMilli": self.gpu_milli,
            "gpuMemory": self.gpu_memory,
            "migProfile": self.mig_profile,
        }
        stated = [key for key, value in kinds.items() if value is not None]
        if len(stated) > 1:
            raise fault(f"asks for {' and '.join(stated)}", "a pod asks for GPUs in one way")
        if self.gpu is not None and parse_quantity(self.gpu) > 1 and parse_quantity(self.gpu).denominator > 1:
            raise fault(f"asks for {self.gpu} GPUs", "shares of several GPUs are gpuMilli and gpuCount")
        if self.mig_profile is not None and not is_profile(self.mig_profile):
            raise fault(f"{self.mig_profile!r} is not a MIG profile", "write 1g.10gb or the like")
        return self


class MemberForm(PodForm):
    """Interchangeable pods of a gang, at least ``min`` of them (unset: the minimum of its gang or branch decides)."""

    name: Name
    pods: Count = 1
    min: Count | None = None
    subgroup: str = ""
    on: Places = Field(default_factory=dict)


class SubgroupForm(PodForm):
    """A branch of the gang's tree. ``min`` counts its pods, ``minSubgroups`` its sub-branches; unset means all.

    With ``pods`` it brings its own member of the same name. ``count`` makes several like it: name0, name1, ...
    """

    name: Name
    parent: str = ""
    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    pods: Count | None = None
    min: Count | None = None
    min_subgroups: Count | None = None
    topology: TopologyAskForm | None = None
    on: Places = Field(default_factory=dict)


class FlavorChoiceForm(Form):
    short = "preference"
    name: Name
    preference: int = 0
    speed: float = 1.0


class RetryForm(Form):
    short = "limit"
    limit: Count
    backoff: Seconds = 0.0


class GangForm(PodForm):
    """A gang, waiting or (with ``on``) running. ``min`` below ``pods`` makes it elastic.

    Fewer places in ``on`` than ``pods``: the rest waits. ``name: "t[0-3]"`` or ``count: 4`` make several like it.
    Gangs listed first are older unless ``arrived`` says so.
    """

    name: Name
    count: Annotated[int, Field(ge=1, le=20_000)] | None = None
    queue: str = ""
    pods: Annotated[int, Field(ge=1, le=100_000)] | None = None
    min: Count | None = None
    min_subgroups: Count | None = None
    members: Annotated[tuple[MemberForm, ...], Named] = ()
    subgroups: Annotated[tuple[SubgroupForm, ...], Named] = ()
    priority: int | None = None
    priority_class: str = Field(default="", alias="class")
    preemptible: bool | None = None
    movable: bool = True
    topology: TopologyAskForm | None = None
    leader: str = ""
    rank_order: bool = False
    flavors: Annotated[tuple[FlavorChoiceForm, ...], Named] = ()
    on: Places = Field(default_factory=dict)
    started: Seconds | None = None
    last_checkpoint: Seconds | None = None
    arrived: Seconds | None = None
    runtime_limit: Seconds | None = None
    expected_runtime: Seconds | None = None
    ready_timeout: Seconds | None = None
    retry: RetryForm | None = None
    staleness_grace: Seconds | None = None
    preemption_delay: Seconds | None = None
    suspend: bool = False
    leaving: Departing = False
    """Pods that are being terminated and hold their places until they are gone; they do not come back."""
    stuck: Departing = False
    """Pods whose termination does not end: they hold their places, and nobody counts on their room."""
    user: str = ""
    evictions: Count = 0

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> GangForm:
        parts = [part for part in (*self.members, *self.subgroups) if getattr(part, "pods", None)]
        if self.pods is not None and parts:
            raise fault(
                "has pods of its own and members or subgroups with pods", "put the pods into the members or subgroups"
            )
        if self.on and parts:
            raise fault("has 'on' and members or subgroups", "say at each member or subgroup where it runs")
        if self.count is not None and self.on:
            raise fault(
                "has 'count' and 'on'", "list the running gangs one by one, or write name: 't[0-3]' with on: 'n{1}'"
            )
        return self


Gangs = Annotated[tuple[GangForm, ...], Named]
